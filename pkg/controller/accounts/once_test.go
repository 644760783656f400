package accounts

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// asks is a story of pods that lack and take units.
type asks struct{ *story }

func (a asks) lacks(headroom types.NamespacedName, pod types.UID, units int) {
	a.clock.Step(time.Second)
	a.Missed(headroom, pod, account.MissPreemption, units, a.clock.Now())
}

func (a asks) took(headroom types.NamespacedName, pod types.UID, units int) {
	for range units {
		a.clock.Step(time.Second)
		a.Took(headroom, account.Take{Time: a.clock.Now(), Consumer: account.Consumer{UID: pod}, How: account.ByPreemption})
	}
}

// demand is what the account says that pods asked for, by the hours and by their slots.
func (a asks) demand(t *testing.T, headroom types.NamespacedName) int {
	t.Helper()
	units, inSlots := 0, 0
	require.True(t, a.Demand(headroom, false, func(history demand.History, _ time.Time) {
		for _, h := range history.Hours {
			units += h.Taken + h.Lacked - h.Again
			for _, n := range append(h.TakenIn, h.LackedIn...) {
				inSlots += n
			}
			for _, n := range h.AgainIn {
				inSlots -= n
			}
		}
	}))
	require.Equal(t, units, inSlots)
	return units
}

func TestWhatOnePodLackedAndTookIsDemandOnce(t *testing.T) {
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	for name, tc := range map[string]struct {
		happens     func(asks)
		want, other int
	}{
		"it lacked two units, and took them when they came": {func(a asks) {
			a.lacks(web, "api", 2)
			a.took(web, "api", 2)
		}, 2, 0},
		"it waited for longer than anything else is remembered": {func(a asks) {
			a.lacks(web, "api", 1)
			a.clock.Step(24 * time.Hour)
			a.took(web, "other", 1)
			a.took(web, "api", 1)
		}, 2, 0},
		"it is bound when the take is decided": {func(a asks) {
			a.lacks(web, "api", 1)
			a.Gone("api")
			a.clock.Step(time.Minute)
			a.took(web, "api", 1)
		}, 1, 0},
		"the take was seen first": {func(a asks) {
			a.took(web, "api", 2)
			a.lacks(web, "api", 2)
		}, 2, 0},
		"one was seen to go before it was told, one after": {func(a asks) {
			a.took(web, "api", 1)
			a.lacks(web, "api", 2)
			a.took(web, "api", 1)
		}, 2, 0},
		"it lacked one, and took two": {func(a asks) {
			a.lacks(web, "api", 1)
			a.took(web, "api", 2)
		}, 2, 0},
		"it lacked two, and one did": {func(a asks) {
			a.lacks(web, "api", 2)
			a.took(web, "api", 1)
		}, 2, 0},
		"another pod took the unit": {func(a asks) {
			a.lacks(web, "api", 1)
			a.took(web, "batch", 1)
		}, 2, 0},
		"it took one of another Headroom": {func(a asks) {
			a.lacks(web, "api", 1)
			a.took(other, "api", 1)
		}, 1, 1},
		"nobody knows which pod took it": {func(a asks) {
			a.lacks(web, "api", 1)
			a.took(web, "", 1)
		}, 2, 0},
		"an earlier controller has what it lacked in the stored account": {func(a asks) {
			a.Counted(web, "api", 1)
			a.took(web, "api", 1)
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := asks{newStory(t, headroomObject("1"))}
			a.begin(t)
			tc.happens(a)
			require.Equal(t, tc.want, a.demand(t, web))
			require.Equal(t, tc.other, a.demand(t, other))
		})
	}
}

func TestPodsThatNoLongerWaitAreForgottenInTime(t *testing.T) {
	a := asks{newStory(t, headroomObject("1"))}
	a.begin(t)
	a.lacks(web, "waits", 1)
	a.lacks(web, "gone", 1)
	a.took(web, "took", 1)
	a.Gone("gone")
	a.Gone("never seen")
	require.Len(t, a.asked.pods, 3)
	a.clock.Step(askMemory + time.Minute)
	a.took(web, "later", 1)
	require.Len(t, a.asked.pods, 2)
	require.Contains(t, a.asked.pods, types.UID("waits"))
}

// However what a pod lacks and what it takes come after each other, it asked for the larger of the two.
func TestWhatOnePodLacksAndTakesIsDemandOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked, lacked, taken, again := once{}, 0, 0, 0
		for range rapid.IntRange(1, 20).Draw(t, "news") {
			if units := rapid.IntRange(0, 5).Draw(t, "lacked"); units > 0 {
				lacked, again = lacked+units, again+asked.lacks(web, "p", units, epoch)
			} else if taken++; asked.took(web, "p", epoch) {
				again++
			}
			require.Equal(t, max(lacked, taken), lacked+taken-again)
		}
	})
}
