package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// A placeholder may be evicted for any pod of higher priority, so each way to look like one and be none costs a pod its life.
func TestHeadroomOf(t *testing.T) {
	controller := func(apiVersion, kind, name string) *metav1.OwnerReference {
		return &metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: ptr.To(true)}
	}
	owner := func(ref *metav1.OwnerReference) *metav1.OwnerReference {
		ref.Controller = nil
		return ref
	}
	const ours = "headroom.dev/v1alpha1"
	for name, tc := range map[string]struct {
		label string
		owner *metav1.OwnerReference
		want  bool
	}{
		"labeled for its controller":               {label: "web", owner: controller(ours, "Headroom", "web"), want: true},
		"of a later version of the API":            {label: "web", owner: controller("headroom.dev/v1", "Headroom", "web"), want: true},
		"labeled for another Headroom":             {label: "web", owner: controller(ours, "Headroom", "db")},
		"labeled, and of nobody":                   {label: "web"},
		"labeled, and owned but not controlled":    {label: "web", owner: owner(controller(ours, "Headroom", "web"))},
		"controlled, and not labeled":              {owner: controller(ours, "Headroom", "web")},
		"of another kind, by the DaemonSet's name": {label: "web", owner: controller("apps/v1", "ReplicaSet", "web-headroom")},
		"of another kind of the name":              {label: "web", owner: controller("apps/v1", "StatefulSet", "web")},
		"of the kind of another group":             {label: "web", owner: controller("openfaas.com/v1", "Headroom", "web")},
		"of the Headroom's DaemonSet":              {label: "web", owner: controller("apps/v1", "DaemonSet", "web-headroom"), want: true},
		"of a DaemonSet, labeled for another":      {label: "db", owner: controller("apps/v1", "DaemonSet", "web-headroom")},
		"of a DaemonSet that nobody knows":         {label: "web", owner: controller("apps/v1", "DaemonSet", "unknown")},
		"of a DaemonSet of another group":          {label: "web", owner: controller("example.com/v1", "DaemonSet", "web-headroom")},
		"of an API version that does not parse":    {label: "web", owner: controller("a/b/c", "Headroom", "web")},
		"of a DaemonSet in another's API, again":   {label: "web", owner: controller("a/b/c", "DaemonSet", "web-headroom")},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "pod"}}
			if tc.label != "" {
				pod.Labels = map[string]string{v1alpha1.LabelHeadroom: tc.label}
			}
			if tc.owner != nil {
				pod.OwnerReferences = []metav1.OwnerReference{*tc.owner}
			}
			owner, ok := placeholder.OwnerOf(pod, func(namespace, name string, uid types.UID) (owner placeholder.Owner, ok bool) {
				known := namespace == "shop" && name == "web-headroom" && uid == "uid-web-headroom"
				return placeholder.Owner{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}, UID: "uid-web"}, known
			})
			require.Equal(t, tc.want, ok)
			if ok {
				require.Equal(t, placeholder.Owner{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}, UID: "uid-web"}, owner)
			}
			got, ok := placeholder.HeadroomOf(pod, func(namespace, name string, uid types.UID) (types.NamespacedName, bool) {
				known := namespace == "shop" && name == "web-headroom" && uid == "uid-web-headroom"
				return types.NamespacedName{Namespace: "shop", Name: "web"}, known
			})
			require.Equal(t, tc.want, ok)
			if ok {
				require.Equal(t, types.NamespacedName{Namespace: "shop", Name: "web"}, got)
			}
		})
	}
}

func TestOfSeveralOwnersTheControllerCounts(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
		OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "Node", Name: "n"},
			{APIVersion: "headroom.dev/v1alpha1", Kind: "Headroom", Name: "web", Controller: ptr.To(true)},
		},
	}}
	got, ok := placeholder.HeadroomOf(pod, nil)
	require.True(t, ok)
	require.Equal(t, types.NamespacedName{Namespace: "shop", Name: "web"}, got)
	pod.OwnerReferences[0].Controller, pod.OwnerReferences[1].Controller = ptr.To(true), nil
	_, ok = placeholder.HeadroomOf(pod, nil)
	require.False(t, ok)
}

func TestWithoutDaemonSetsNoPodOfOneIsAPlaceholder(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "web-headroom", Controller: ptr.To(true)}},
	}}
	_, ok := placeholder.HeadroomOf(pod, nil)
	require.False(t, ok)
	_, ok = placeholder.OwnerOf(pod, nil)
	require.False(t, ok)
}
