package v1alpha1_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestThePriorityClassOfUnits(t *testing.T) {
	for want, spec := range map[string]v1alpha1.HeadroomSpec{
		"headroom":          {},
		"own":               {PriorityClassName: "own"},
		"headroom-reserved": {Reserved: true},
	} {
		require.Equal(t, want, spec.UnitPriorityClassName())
	}
	spec := v1alpha1.HeadroomSpec{Reserved: true, PriorityClassName: "own"}
	require.Equal(t, "headroom-reserved", spec.UnitPriorityClassName(), "no other one makes units reserved")
}

func TestTheLadderHasTenSteps(t *testing.T) {
	names := v1alpha1.LadderPriorityClasses()
	require.Len(t, names, 10)
	require.Equal(t, "headroom-ladder-1", names[0])
	require.Equal(t, "headroom-ladder-10", names[9])
	for name, want := range map[string]bool{
		names[0]: true, names[9]: true, "headroom-ladder-0": false, "headroom-ladder-11": false, "headroom-ladder-": false, "headroom": false, "": false,
	} {
		require.Equal(t, want, v1alpha1.IsLadderPriorityClass(name), name)
	}
}

func TestTheSchemeKnowsEveryKind(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	for _, kind := range []string{"Headroom", "HeadroomList", "HeadroomAccount", "HeadroomAccountList", "ListOptions", "WatchEvent"} {
		require.True(t, scheme.Recognizes(v1alpha1.GroupVersion.WithKind(kind)), kind)
	}
	require.Equal(t, "headroom.dev/v1alpha1", v1alpha1.GroupVersion.String())
}
