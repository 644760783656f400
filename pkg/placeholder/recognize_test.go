package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestController(t *testing.T) {
	for name, tc := range map[string]struct {
		owner metav1.OwnerReference
		want  string
	}{
		"a Headroom that controls the object": {
			owner: metav1.OwnerReference{APIVersion: "headroom.dev/v1alpha1", Kind: "Headroom", Name: "web", Controller: ptr.To(true)}, want: "shop/web",
		},
		"one of a later version of the API": {
			owner: metav1.OwnerReference{APIVersion: "headroom.dev/v1", Kind: "Headroom", Name: "web", Controller: ptr.To(true)}, want: "shop/web",
		},
		"an owner that is no controller": {owner: metav1.OwnerReference{APIVersion: "headroom.dev/v1alpha1", Kind: "Headroom", Name: "web"}},
		"the same kind of another group": {
			owner: metav1.OwnerReference{APIVersion: "openfaas.com/v1", Kind: "Headroom", Name: "web", Controller: ptr.To(true)},
		},
		"another kind of the group": {
			owner: metav1.OwnerReference{APIVersion: "headroom.dev/v1alpha1", Kind: "Footroom", Name: "web", Controller: ptr.To(true)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "set", OwnerReferences: []metav1.OwnerReference{tc.owner}}}
			got, ok := placeholder.Controller(set)
			require.Equal(t, tc.want != "", ok)
			if ok {
				require.Equal(t, types.NamespacedName{Namespace: "shop", Name: "web"}, got)
			}
		})
	}
}
