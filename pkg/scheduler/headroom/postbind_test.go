package headroom

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	testingclock "k8s.io/utils/clock/testing"
)

// TestTheEventOfASwapSaysWhatWentForWhomAndWhy these and no others.
func TestTheEventOfASwapSaysWhatWentForWhomAndWhy(t *testing.T) {
	const chosen = "nearest"
	for name, tc := range map[string]struct {
		// shared is how many more units are in its way, which went for another pod.
		shared  int
		none    bool
		earlier bool
		want    string
	}{
		"it evicted the unit": {want: "TookHeadroom Took default/open-headroom-0 on node a: nearest"},
		"another pod did": {
			none: true, want: "SharedHeadroom Uses the room of default/open-headroom-0 on node a: evicted for another pod; nearest",
		},
		"another pod evicted more": {
			shared: 2,
			want:   "TookHeadroom Took default/open-headroom-0 on node a: nearest; it also uses the room of 2 that were evicted for other pods",
		},
		"it did in an earlier attempt": {
			earlier: true, want: "TookHeadroom Took default/open-headroom-0 on node a: the room was made by an earlier attempt",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			s := cycleOf(state).swap
			require.NotEmpty(t, s.Why)
			s.Why = chosen
			for i := range tc.shared {
				gone := unit(hr("open", "1"), 7+i, "a").Obj()
				s.Victims = append(s.Victims, gone)
				f.shared.reservations.Reserve(pod.UID, []*corev1.Pod{gone})
				f.shared.reservations.Gone(gone.UID)
			}
			if tc.none {
				f.shared.reservations.Gone("open-headroom-0")
			}
			if tc.earlier {
				refuses := true
				f.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
					return refuses && action.GetSubresource() == "binding", nil, apierrors.NewInternalError(errors.New("etcd"))
				})
				require.False(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
				f.Unreserve(t.Context(), state, pod, "a")
				refuses = false
				state = framework.NewCycleState()
			}
			require.Equal(t, tc.none, f.Bind(t.Context(), state, pod, "a").IsSkip())
			f.PostBind(t.Context(), state, pod, "a")
			require.Equal(t, "Normal "+tc.want, <-f.events.Events)
			require.Empty(t, f.events.Events)
		})
	}
}

// relating is the framework of a profile that notes to what else the events on pods relate.
type relating struct {
	framework.Framework
	to *related
}

func (r relating) EventRecorder() events.EventRecorderLogger { return r.to }

type related struct {
	*events.FakeRecorder
	objects []runtime.Object
}

func (r *related) WithLogger(klog.Logger) events.EventRecorderLogger { return r }

func (r *related) Eventf(_, object runtime.Object, _, _, _, _ string, _ ...any) {
	r.objects = append(r.objects, object)
}

// TestTheEventOfASwapRelatesToAUnitThatWentForIt, if one did, whatever the order in which they were chosen.
func TestTheEventOfASwapRelatesToAUnitThatWentForIt(t *testing.T) {
	for name, tc := range map[string]struct {
		gone []int
		want string
	}{
		"one of two went for another pod": {gone: []int{0}, want: "open-headroom-0"},
		"both went for others":            {gone: []int{0, 1}, want: "open-headroom-7"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			s, to := cycleOf(state).swap, &related{}
			f.handle = relating{f.handle, to}
			other := unit(hr("open", "1"), 7, "a").Obj()
			s.Victims = append([]*corev1.Pod{other}, s.Victims...)
			f.shared.reservations.Reserve(pod.UID, []*corev1.Pod{other})
			for _, i := range tc.gone {
				f.shared.reservations.Gone(s.Victims[i].UID)
			}
			f.Bind(t.Context(), state, pod, "a")
			f.PostBind(t.Context(), state, pod, "a")
			require.Len(t, to.objects, 1)
			about, ok := to.objects[0].(*corev1.Pod)
			require.True(t, ok)
			require.Equal(t, tc.want, about.Name)
		})
	}
}

// TestWhatIsMeasuredOfASwap is in the units that the metrics' names say.
func TestWhatIsMeasuredOfASwap(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	s := cycleOf(state).swap
	s.Waste = 250_000
	f.clock = testingclock.NewFakePassiveClock(s.decided.Add(90 * time.Second))
	sum := func(name string) float64 { return gathered(t, name)[0].GetHistogram().GetSampleSum() }
	seconds, ratio := sum("headroom_scheduler_swap_duration_seconds"), sum("headroom_scheduler_swap_waste_ratio")
	f.PostBind(t.Context(), state, pod, "a")
	require.InDelta(t, 90, sum("headroom_scheduler_swap_duration_seconds")-seconds, 1e-6)
	require.InDelta(t, 0.25, sum("headroom_scheduler_swap_waste_ratio")-ratio, 1e-6)
}
