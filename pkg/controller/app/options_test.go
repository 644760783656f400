package app

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/price"
)

// A cluster may have a hundred thousand pods, of which the controller needs its own.
func TestTheCacheHoldsNoPodsAndDaemonSetsOfOthers(t *testing.T) {
	held := 0
	for object, by := range cacheOptions(nil, price.Prices{}).ByObject {
		switch object.(type) {
		case *corev1.Pod, *appsv1.DaemonSet:
			held++
			require.True(t, by.Label.Matches(labels.Set{v1alpha1.LabelHeadroom: "web"}), "%T", object)
			require.False(t, by.Label.Matches(labels.Set{"app": "web"}), "%T", object)
		}
	}
	require.Equal(t, 2, held)
}

func TestTheCacheKeepsToTheNamespacesThatAreWorkedIn(t *testing.T) {
	require.Empty(t, cacheOptions(nil, price.Prices{}).DefaultNamespaces, "all of them")
	namespaces := cacheOptions([]string{"a", "b"}, price.Prices{}).DefaultNamespaces
	require.Len(t, namespaces, 2)
	require.Contains(t, namespaces, "a")
	require.Contains(t, namespaces, "b")
}
