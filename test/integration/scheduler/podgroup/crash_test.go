package podgroup

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// errCrash is what a scheduler that is about to die gets for its last request.
var errCrash = errors.New("the scheduler dies here")

// TestP9AGroupThatPreemptsOutlivesItsScheduler kills the scheduler while it preempts two units for a group, and starts another: the group is
// bound, and no more units go than it needs.
func TestP9AGroupThatPreemptsOutlivesItsScheduler(t *testing.T) {
	for _, tc := range []struct {
		name string
		nth  int
		sent bool // the request reaches the API server, its answer is lost
	}{
		{"before the first eviction", 1, false},
		{"after the first eviction, its answer lost", 1, true},
		{"before the second eviction", 2, false},
		{"after the second eviction, its answer lost", 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster := schedulerharness.New(t)
			spare := cluster.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
			var units []string
			for i := range 3 {
				name := fmt.Sprintf("n%d", i)
				node(t, cluster, name, "4")
				units = append(units, place(t, cluster, withPort(builders.Placeholder(spare, i).Node(name))))
			}
			faults, crashed, seen := schedulerharness.NewFaults(), make(chan struct{}), 0
			crash := func() error {
				faults.Sever(errCrash)
				close(crashed)
				return errCrash
			}
			faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
				if !r.IsEviction() {
					return nil
				}
				if seen++; seen != tc.nth {
					return nil
				}
				if tc.sent {
					return &schedulerharness.Fault{After: crash}
				}
				return &schedulerharness.Fault{Before: crash}
			})
			doomed := cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
			names := gang(t, cluster, "gang", withPort(member("web-0")), withPort(member("web-1")))
			cluster.Eventually(t, "waiting for the crash", func(context.Context) string {
				select {
				case <-crashed:
					return ""
				default:
					return "the scheduler has not come so far"
				}
			})
			doomed.Kill()

			cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

			cluster.WaitBound(t, names...)
			require.Len(t, remaining(t, cluster, units), 1)
		})
	}
}
