package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestEntitled(t *testing.T) {
	s := &scene{namespaces: map[string]map[string]string{"shop": {"team": "a"}, "other": {"team": "b"}}}
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	pod := func(namespace, app string) *corev1.Pod {
		return builders.Consumer("p", nil).Namespace(namespace).Label("app", app).Obj()
	}
	for name, tc := range map[string]struct {
		consumers *v1alpha1.Consumers
		pod       *corev1.Pod
		want      bool
	}{
		"nobody is named":              {nil, pod("other", "web"), true},
		"the labels match":             {&v1alpha1.Consumers{PodSelector: web}, pod("shop", "web"), true},
		"the labels do not match":      {&v1alpha1.Consumers{PodSelector: web}, pod("shop", "api"), false},
		"another namespace":            {&v1alpha1.Consumers{PodSelector: web}, pod("other", "web"), false},
		"all namespaces":               {&v1alpha1.Consumers{PodSelector: web, NamespaceSelector: &metav1.LabelSelector{}}, pod("other", "web"), true},
		"the namespace does not match": {&v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}, pod("other", "web"), false},
		"no namespace selector":        {&v1alpha1.Consumers{}, pod("other", "web"), true},
		"too low a priority":           {&v1alpha1.Consumers{MinPriority: new(int32(1))}, pod("shop", "web"), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").Obj()
			h.Spec.Consumers = tc.consumers
			require.Equal(t, tc.want, entitled(s, tc.pod, h))
		})
	}
}
