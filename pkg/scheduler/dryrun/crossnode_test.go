package dryrun

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// TestAPodIsTakenToSpreadUnlessItsCycleTellsOtherwise: a pod that is asked about apart has no cycle.
func TestAPodIsTakenToSpreadUnlessItsCycleTellsOtherwise(t *testing.T) {
	f := newFixture(t, crowd())
	require.True(t, f.profile.PreFilterReusable())
	pod := choosy()["nothing"].Obj()
	require.False(t, f.profile.NewRun(framework.NewCycleState(), pod).MustSpread(), "its cycle counted nothing for a spread")
	require.True(t, f.profile.NewRunApart(pod).MustSpread())

	spread := choosy()["a spread constraint"].Obj()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, spread)
	require.True(t, status.IsSuccess(), status.Message())
	require.True(t, f.profile.NewRun(state, spread).MustSpread())

	c := crowd()
	c.arrange = goFirst
	require.True(t, newFixture(t, c).profile.NewRun(framework.NewCycleState(), pod).MustSpread(), "nothing was counted yet")
}
