package headroom

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	testingclock "k8s.io/utils/clock/testing"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/test/builders"
)

// withoutPodGroups is an API server that has no PodGroups, as is known at once, and one Headroom, which it tells once it is open.
type withoutPodGroups struct{ listing }

func (w withoutPodGroups) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.Contains(request.URL.Path, "podgroups") {
		return undefined{}.RoundTrip(request)
	}
	return w.listing.RoundTrip(request)
}

// TestTheFirstMemberGoesByTheHeadroomsThatBecameKnownWhileItWaited: it must not take for any other pod that is entitled to nothing, which
// would take headroom a moment later, without its group.
func TestTheFirstMemberGoesByTheHeadroomsThatBecameKnownWhileItWaited(t *testing.T) {
	server := withoutPodGroups{listing{open: make(chan struct{})}}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "2"), 0, "a").Obj()},
		pending: []*corev1.Pod{member1("web", 0)}, unknown: true, config: &rest.Config{Host: "http://server", Transport: server},
	})
	f.shared.gangs.Set(podGroup("web", 2))
	time.AfterFunc(10*glance, func() { close(server.open) })
	c, _ := f.decided(t, member1("web", 0))
	require.Nil(t, c.swap)
	require.NotNil(t, c.member)
	require.Equal(t, "1 pods of its group are there, 2 are needed before it takes headroom", c.member.why)
}

// TestTheSwapOfAMemberIsDecidedWhenItsOwnCycleTakesItToItsPlace, from which on its duration counts.
func TestTheSwapOfAMemberIsDecidedWhenItsOwnCycleTakesItToItsPlace(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	f := newFixture(t, c)
	now := testingclock.NewFakePassiveClock(builders.Epoch())
	f.clock = now
	f.shared.gangs.Set(podGroup("web", 2))
	for i, pod := range c.pending {
		now.SetTime(builders.Epoch().Add(time.Duration(i) * time.Minute))
		done, status := f.schedule(t, pod)
		require.NotNil(t, done, status.Message())
		require.Equal(t, now.Now(), cycleOf(done.state).swap.decided)
	}
}

// podGroupsThatGo is an API server that has PodGroups till they are gone.
type podGroupsThatGo struct {
	podGroups
	gone chan struct{}
}

func (p podGroupsThatGo) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	if !strings.HasSuffix(request.URL.Path, "/podgroups") || query.Get("watch") == "" || query.Get("sendInitialEvents") != "" {
		return p.podGroups.RoundTrip(request)
	}
	body, told := io.Pipe()
	go func() {
		<-p.gone
		for i := range p.podGroups {
			_ = json.NewEncoder(told).Encode(metav1.WatchEvent{
				Type: string(watch.Deleted), Object: runtime.RawExtension{Object: &p.podGroups[i]},
			})
		}
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}

// TestAGroupThatIsGoneKeepsNoOtherFromHeadroom, whose turn it may have been.
func TestAGroupThatIsGoneKeepsNoOtherFromHeadroom(t *testing.T) {
	there := schedulingv1alpha1.PodGroup{
		TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroup"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", ResourceVersion: "2"},
		Spec:       schedulingv1alpha1.PodGroupSpec{MinMember: 2},
	}
	server := podGroupsThatGo{podGroups{there}, make(chan struct{})}
	f := newFixture(t, cluster{config: &rest.Config{Host: "http://server", Transport: server}})
	first := gang.Rank{Name: podGroup("web", 2).Name, Priority: 1}
	require.Eventually(t, func() bool { return f.shared.gangs.MinMember(first.Name) == 2 }, patience, glance)
	now, open, holder := time.Now(), types.NamespacedName{Namespace: "default", Name: "open"}, podGroup("app", 1).Name
	f.shared.attempts.Turns(func(turns *gang.Turns) {
		turns.Hold(holder, []types.NamespacedName{open})
		turns.Wait(first, sets.New(open))
		turns.Release(holder, now)
	})
	kept := func() (some bool) {
		f.shared.attempts.Turns(func(turns *gang.Turns) { _, _, some = turns.Before(gang.Rank{Name: podGroup("db", 1).Name}, open, now) })
		return some
	}
	require.True(t, kept())
	close(server.gone)
	require.Eventually(t, func() bool { return !kept() }, patience, glance)
}

// TestForAMemberThatHasItsPlaceNoOtherNodeIsLookedAt.
func TestForAMemberThatHasItsPlaceNoOtherNodeIsLookedAt(t *testing.T) {
	c := withGangs(3, map[string]int{"web": 3})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	for _, pod := range c.pending[1:] {
		result, status, _ := f.framework.RunPreFilterPlugins(t.Context(), framework.NewCycleState(), pod)
		require.True(t, status.IsSuccess(), status.Message())
		require.Equal(t, sets.New(f.shared.attempts.WithPod(pod.UID).Places[pod.UID].Node), result.NodeNames)
	}
}

// TestTheNominationsOfAllMembersAreLeftOutWhileTheyArePlacedOnPaper, and are back afterwards, each to its node.
func TestTheNominationsOfAllMembersAreLeftOutWhileTheyArePlacedOnPaper(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 3})
	c.pending[0].Status.NominatedNodeName, c.pending[1].Status.NominatedNodeName = "n0", "n1"
	f := newFixture(t, c)
	handle := noting{f.handle, map[string]string{"web-0": "n0", "web-1": "n1", "app": "n1"}}
	f.handle = handle
	restore := f.withoutNominations(t.Context(), c.pending)
	require.Equal(t, map[string]string{"app": "n1"}, handle.nominated)
	restore()
	require.Equal(t, map[string]string{"web-0": "n0", "web-1": "n1", "app": "n1"}, handle.nominated)
}

// TestAGroupThatWaitsForTheTurnsOfSeveralIsTriedAgainWhenTheLastOfThemIsOver, whichever it asked about first.
func TestAGroupThatWaitsForTheTurnsOfSeveralIsTriedAgainWhenTheLastOfThemIsOver(t *testing.T) {
	for _, headrooms := range [][]string{{"soon", "later"}, {"later", "soon"}} {
		f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{hr("soon", "1"), hr("later", "1")}})
		now, holder := time.Now(), podGroup("app", 1).Name
		f.shared.attempts.Turns(func(turns *gang.Turns) {
			for i, headroom := range []string{"soon", "later"} {
				name := types.NamespacedName{Namespace: "default", Name: headroom}
				turns.Hold(holder, []types.NamespacedName{name})
				turns.Wait(gang.Rank{Name: podGroup("for-"+headroom, 1).Name, Priority: 1}, sets.New(name))
				turns.Release(holder, now.Add(time.Duration(i)*time.Second))
			}
		})
		group := podGroup("web", 1)
		waits := f.newTurn(member1("web", 0), &group)
		for _, headroom := range headrooms {
			require.True(t, waits.withheld(types.NamespacedName{Namespace: "default", Name: headroom}))
		}
		require.Equal(t, now.Add(time.Second+gang.Turn), waits.until)
		require.Equal(t, podGroup("for-"+headrooms[1], 1).Name, waits.other)
		require.Len(t, waits.wants, 2)
	}
}
