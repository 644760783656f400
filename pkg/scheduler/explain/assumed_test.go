package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhatIsAssumedOfReservationsDependsOnWhetherASchedulerWasAsked: one that was, and has reserved nothing, is no scheduler that was not.
func TestWhatIsAssumedOfReservationsDependsOnWhetherASchedulerWasAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		reserved map[types.UID]bool
		says     string
	}{
		"nobody was asked":         {says: "no unit is reserved"},
		"it has reserved nothing":  {reserved: map[types.UID]bool{}, says: "the units that the scheduler has reserved stay so (0)"},
		"it has reserved one unit": {reserved: map[types.UID]bool{"unit": true}, says: "the units that the scheduler has reserved stay so (1)"},
	} {
		t.Run(name, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), "", "")
			require.NoError(t, err)
			cluster, err := New(Objects{Reserved: tc.reserved}, profile)
			require.NoError(t, err)
			predicted, err := cluster.Predict(t.Context(), builders.Consumer("web", cpu("1")).Namespace("shop").UID("web").Obj())
			require.NoError(t, err)
			require.Contains(t, predicted.Assumptions[0], tc.says)
		})
	}
}
