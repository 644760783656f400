package scheduler

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// errCrash is what a scheduler that is about to die gets for its last request.
var errCrash = errors.New("the scheduler dies here")

// TestP9CrashSafe kills the scheduler at each step of a swap of two placeholders, and starts another. Refilling is the controller's part; here
// the consumer must not be stuck, and no more placeholders may go than one swap needs.
func TestP9CrashSafe(t *testing.T) {
	evictions := func(r schedulerharness.Request) bool { return r.IsEviction() }
	binds := func(r schedulerharness.Request) bool { return r.IsBind() }
	cases := []struct {
		name string
		at   func(schedulerharness.Request) bool
		nth  int  // the how manieth such request, from 1
		sent bool // the request reaches the API server, its answer is lost
	}{
		{"before the first eviction", evictions, 1, false},
		{"after the first eviction, its answer lost", evictions, 1, true},
		{"before the second eviction", evictions, 2, false},
		{"after the second eviction, its answer lost", evictions, 2, true},
		{"before the bind", binds, 1, false},
		{"after the bind, its answer lost", binds, 1, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.nodes(t, cpu("2"), "a", "b")
			units := w.hold(t, "n0", "n0", "n1", "n1")
			faults, crashed := schedulerharness.NewFaults(), make(chan struct{})
			faults.Inject(crashAt(faults, crashed, c.at, c.nth, c.sent))
			doomed := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
			w.CreatePods(t, consumer("web", cpu("2")).Obj())
			await(t, crashed, "the crash")
			doomed.Kill()

			w.startPlugin(t)

			node := w.WaitBound(t, "web")["web"]
			require.NotEmpty(t, node)
			require.Len(t, w.remaining(t, units), 2, "one node's placeholders made the room, the other's stay")
			w.judge(t)
		})
	}
}

// TestP9CrashSafeInPreemption kills the scheduler at each step of what PostFilter does for a consumer that no swap can serve.
func TestP9CrashSafeInPreemption(t *testing.T) {
	marks := func(r schedulerharness.Request) bool {
		return r.Method == http.MethodPatch && strings.Contains(r.Path, "/pods/spare-")
	}
	nominations := func(r schedulerharness.Request) bool {
		return r.Method == http.MethodPatch && strings.Contains(r.Path, "/pods/web/")
	}
	evictions := func(r schedulerharness.Request) bool { return r.IsEviction() }
	cases := []struct {
		name string
		at   func(schedulerharness.Request) bool
		sent bool
	}{
		{"before the nomination", nominations, false},
		{"after the nomination, its answer lost", nominations, true},
		{"before the placeholder is marked", marks, false},
		{"after the placeholder is marked, the answer lost", marks, true},
		{"before the eviction", evictions, false},
		{"after the eviction, its answer lost", evictions, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.nodes(t, cpu("4"), "a", "b")
			units := w.hold(t, "n0", "n1")
			faults, crashed := schedulerharness.NewFaults(), make(chan struct{})
			faults.Inject(crashAt(faults, crashed, c.at, 1, c.sent))
			doomed := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
			w.CreatePods(t, avoidingPlaceholders("web"))
			await(t, crashed, "the crash")
			doomed.Kill()

			w.startPlugin(t)

			w.WaitBound(t, "web")
			require.Len(t, w.remaining(t, units), 1, "one node was cleared, and no other")
			w.judge(t)
		})
	}
}

// crashAt severs the scheduler from the API server at the nth request of a kind.
func crashAt(faults *schedulerharness.Faults, crashed chan struct{}, at func(schedulerharness.Request) bool, nth int, sent bool,
) func(schedulerharness.Request) *schedulerharness.Fault {
	seen := 0
	crash := func() error {
		faults.Sever(errCrash)
		close(crashed)
		return errCrash
	}
	return func(r schedulerharness.Request) *schedulerharness.Fault {
		if !at(r) {
			return nil
		}
		seen++
		if seen != nth {
			return nil
		}
		if sent {
			return &schedulerharness.Fault{After: crash}
		}
		return &schedulerharness.Fault{Before: crash}
	}
}

func TestAConsumerThatWaitsWhenTheSchedulerStartsIsBoundByItsFirstAttempt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	w.hold(t, "n0")
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.startPlugin(t)

	w.WaitBound(t, "web")
	w.requireOneAttempt(t, "web")
}
