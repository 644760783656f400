package headroom

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestAGroupWhoseMembersDoNotAllComeInTimeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withGangs(2, map[string]int{"web": 2})
		f := newFixture(t, c)
		group := podGroup("web", 2)
		group.Timeout = time.Minute
		f.shared.gangs.Set(group)
		first, status := f.schedule(t, c.pending[0])
		require.True(t, status.IsWait(), status.Message())
		time.Sleep(time.Minute - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Equal(t, 2, f.reservedUnits(&c))
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Zero(t, f.reservedUnits(&c))
		require.Nil(t, f.shared.attempts.Of(group.Name))
		require.True(t, f.framework.WaitOnPermit(t.Context(), first.pod).IsRejected())
	})
}

// onTheWay is the framework of a profile in which no pod waits in Permit before it has arrived there.
type onTheWay struct {
	framework.Framework
	arrived *atomic.Bool
}

func (o onTheWay) GetWaitingPod(uid types.UID) fwk.WaitingPod {
	if !o.arrived.Load() {
		return nil
	}
	return o.Framework.GetWaitingPod(uid)
}

// TestAMemberThatIsOnItsWayToPermitIsTurnedAwayThere: between Permit and where pods wait, a group may be given up.
func TestAMemberThatIsOnItsWayToPermitIsTurnedAwayThere(t *testing.T) {
	for name, tc := range map[string]struct {
		elsewhere bool
		want      bool
	}{
		"it is looked for until it waits":            {want: true},
		"not if it turned out to be bound elsewhere": {elsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := withGangs(2, map[string]int{"web": 2})
				f, arrived := newFixture(t, c), &atomic.Bool{}
				f.handle = onTheWay{f.handle, arrived}
				f.shared.gangs.Set(podGroup("web", 2))
				first, status := f.schedule(t, c.pending[0])
				require.True(t, status.IsWait(), status.Message())
				f.shared.giveUp(t.Context(), f.shared.attempts.Of(podGroup("web", 2).Name), "of the test")
				time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
				if tc.elsewhere {
					f.shared.attempts.Unassume(first.pod.UID)
				}
				time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
				arrived.Store(true)
				time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				status = f.framework.WaitOnPermit(ctx, first.pod)
				require.Equal(t, tc.want, strings.Contains(status.Message(), "its group is given up: of the test"), status.Message())
			})
		})
	}
}

func TestAMemberWhoseGroupIsNotKnownYetTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withGangs(1, map[string]int{"web": 1})
		f := newFixture(t, c)
		f.shared.gangs = gang.NewGroups()
		require.Equal(t, "it is not known yet which groups of pods there are", f.missed(t, c.pending[0]))
		require.Zero(t, f.reservedUnits(&c))
	})
}

func TestAMemberThatComesWhileOthersHaveTheirPlacesTakesNothing(t *testing.T) {
	c := withGangs(3, map[string]int{"web": 3})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	require.Equal(t, "the other pods of its group go first", f.missed(t, c.pending[2]))
	require.Equal(t, 2, f.reservedUnits(&c))
}

func TestAMemberThatMayTakeNoHeadroomIsToldSoLikeAnyOtherPod(t *testing.T) {
	c, shut := withGangs(0, map[string]int{"web": 2}), closedHeadroom()
	c.nodes = []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}
	c.pods, c.headrooms = []*corev1.Pod{unit(shut, 0, "a").Obj()}, []*v1alpha1.Headroom{shut}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	require.Contains(t, f.missed(t, c.pending[0]), "consumers.podSelector of default/closed does not match")
}

// TestTwoMembersShareAUnit has a unit that has room for both.
func TestTwoMembersShareAUnit(t *testing.T) {
	c := withGangs(0, map[string]int{"web": 2})
	c.nodes = []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}
	c.pods = []*corev1.Pod{unit(hr("open", "2"), 0, "a").Obj()}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	var why []string
	for _, pod := range c.pending {
		done, status := f.schedule(t, pod)
		require.NotNil(t, done, status.Message())
		require.Equal(t, []string{"open-headroom-0"}, names(cycleOf(done.state).swap.Victims), "whoever is bound first has to evict it")
		why = append(why, cycleOf(done.state).swap.Why)
	}
	require.Contains(t, why, "the node of other pods of its group")
	require.NotEqual(t, why[0], why[1])
}

// TestTheNominationsOfMembersDoNotCountBesideThem has both nominated to a node that has room for one.
func TestTheNominationsOfMembersDoNotCountBesideThem(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	for _, pod := range c.pending {
		pod.Status.NominatedNodeName = "n0"
	}
	f := newFixture(t, c)
	for _, pod := range c.pending {
		info, err := framework.NewPodInfo(pod)
		require.NoError(t, err)
		f.nominated["n0"] = append(f.nominated["n0"], info)
	}
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	require.Equal(t, 2, f.reservedUnits(&c))
}

func TestAGroupThatIsThroughLetsTheNextOneTry(t *testing.T) {
	c := withGangs(4, map[string]int{"web": 2})
	other := []*corev1.Pod{member1("db", 0), member1("db", 1)}
	c.pending = append(c.pending, other...)
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	f.shared.gangs.Set(podGroup("db", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	_, status = f.schedule(t, other[0])
	require.Contains(t, status.Message(), "for group default/web first")
	f.activated = nil
	_, status = f.schedule(t, c.pending[1])
	require.True(t, status.IsSuccess(), status.Message())
	require.ElementsMatch(t, []string{"db-0", "db-1"}, f.activated)
	_, status = f.schedule(t, other[0])
	require.True(t, status.IsWait(), status.Message())
}

func TestMembersThatAreBoundOrAboutToBeAreNotTriedAgain(t *testing.T) {
	c := withGangs(0, map[string]int{"web": 3})
	c.pending[1].Spec.NodeName = "n1"
	f := newFixture(t, c)
	f.shared.attempts.Assume(c.pending[2].UID)
	f.shared.activateGroups(t.Context(), f.handle, podGroup("web", 3).Name)
	require.Equal(t, activations{"web-0"}, f.activated)
}

// TestAllGroupsThatAreTriedAgainAreTriedWhole, also those of which another namespace has one of the name, with pods of the same names.
func TestAllGroupsThatAreTriedAgainAreTriedWhole(t *testing.T) {
	c := withGangs(0, map[string]int{"web": 2, "db": 1})
	other := member1("web", 0)
	other.Namespace, other.UID = "other", "other"
	c.pending = append(c.pending, other)
	f := newFixture(t, c)
	f.shared.activateGroups(t.Context(), f.handle, podGroup("web", 2).Name, podGroup("db", 1).Name)
	require.ElementsMatch(t, []string{"web-0", "web-1", "db-0"}, f.activated)
	f.activated = nil
	f.shared.activatePods(t.Context(), f.handle, f.shared.allGrouped())
	require.ElementsMatch(t, []string{"web-0", "web-0", "web-1", "db-0"}, f.activated)
}

func TestWhetherAMemberThatComesHasItsGroupTried(t *testing.T) {
	for name, tc := range map[string]struct {
		needed int
		comes  *corev1.Pod
		want   []string
	}{
		"the last one that is needed does":   {needed: 2, comes: member1("web", 1), want: []string{"web-0", "web-1"}},
		"not one after which others lack":    {needed: 3, comes: member1("web", 1)},
		"nor one beyond those":               {needed: 1, comes: member1("web", 1)},
		"nor one of a group that is not":     {comes: member1("web", 1)},
		"nor a pod that names no such group": {needed: 2, comes: wants("1").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, withGangs(0, map[string]int{"web": 2}))
			if tc.needed > 0 {
				f.shared.gangs.Set(podGroup("web", tc.needed))
			}
			f.shared.memberCame(t.Context(), f.handle, tc.comes)
			require.ElementsMatch(t, tc.want, f.activated)
		})
	}
}

// TestTheLastMemberThatIsNeededHasItsGroupTriedAsItComes, but not one that comes with its node.
func TestTheLastMemberThatIsNeededHasItsGroupTriedAsItComes(t *testing.T) {
	for name, tc := range map[string]struct {
		node string
		want []string
	}{"it waits": {want: []string{"web-0", "web-1"}}, "it has its node": {node: "n1"}} {
		t.Run(name, func(t *testing.T) {
			f, tries := newFixture(t, cluster{others: []runtime.Object{member1("web", 0)}}), make(activator, 10)
			f.framework.SetPodActivator(tries)
			f.shared.gangs.Set(podGroup("web", 2))
			f.shared.gangs.Set(podGroup("db", 1))
			f.start(t)
			_, err := f.client.CoreV1().Pods("default").Create(t.Context(), member1("db", 0), metav1.CreateOptions{})
			require.NoError(t, err)
			require.Equal(t, "db-0", <-tries, "so web-0, which was there before, has been heard of")
			comes := member1("web", 1)
			comes.Spec.NodeName = tc.node
			_, err = f.client.CoreV1().Pods("default").Create(t.Context(), comes, metav1.CreateOptions{})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return len(f.shared.podsOf(podGroup("web", 2).Name)) == 2 }, patience, glance)
			var got []string
			for range tc.want {
				got = append(got, <-tries)
			}
			require.ElementsMatch(t, tc.want, got)
			require.Never(t, func() bool { return len(tries) > 0 }, 3*glance, glance)
		})
	}
}

// podGroups is an API server that has PodGroups and no other kind.
type podGroups []schedulingv1alpha1.PodGroup

func (p podGroups) RoundTrip(request *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	switch query := request.URL.Query(); {
	case !strings.HasSuffix(request.URL.Path, "/podgroups"):
		return undefined{}.RoundTrip(request)
	case query.Get("watch") != "" && query.Get("sendInitialEvents") == "":
		nothing, _ := io.Pipe()
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: nothing}, nil
	case query.Get("watch") != "":
		return &http.Response{StatusCode: http.StatusUnprocessableEntity, Body: io.NopCloser(strings.NewReader(""))}, nil
	}
	body, err := json.Marshal(schedulingv1alpha1.PodGroupList{
		TypeMeta: metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroupList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: p,
	})
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(body))}, err
}

// activator takes the names of pods that the scheduler is made to try again, as they come.
type activator chan string

func (a activator) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	for _, pod := range pods {
		a <- pod.Name
	}
}

// gated is an API server that answers once it is open.
type gated struct {
	http.RoundTripper
	open chan struct{}
}

func (g gated) RoundTrip(request *http.Request) (*http.Response, error) {
	<-g.open
	return g.RoundTripper.RoundTrip(request)
}

// TestTheMembersOfGroupsAreTriedOnceTheGroupsAreKnown also if there can be none, since till then members took nothing.
func TestTheMembersOfGroupsAreTriedOnceTheGroupsAreKnown(t *testing.T) {
	there := schedulingv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: schedulingv1alpha1.PodGroupSpec{MinMember: 1},
	}
	for name, tc := range map[string]struct {
		server http.RoundTripper
		want   []string
	}{
		"none are installed":            {undefined{}, []string{"db-0", "web-0"}},
		"one is there, and is told too": {podGroups{there}, []string{"db-0", "web-0", "web-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, tries := gated{tc.server, make(chan struct{})}, make(activator, 10)
			c := withGangs(0, map[string]int{"web": 1, "db": 1})
			c.pending, c.config = append(c.pending, wants("1").Obj()), &rest.Config{Host: "http://server", Transport: server}
			f := newFixture(t, c)
			f.framework.SetPodActivator(tries)
			close(server.open)
			var got []string
			require.Eventually(t, func() bool {
				for len(tries) > 0 {
					got = append(got, <-tries)
				}
				return len(got) >= len(tc.want)
			}, patience, glance)
			require.ElementsMatch(t, tc.want, got)
		})
	}
}

func TestAPodThatNamesAGroupThatThereIsNotIsToldSoOnce(t *testing.T) {
	pod := member1("web", 0)
	f := newFixture(t, cluster{config: &rest.Config{Host: "http://server", Transport: podGroups{}}})
	require.True(t, f.shared.gangs.Await(t.Context(), patience))
	require.Nil(t, f.groupOf(t.Context(), pod))
	require.Contains(t, <-f.events.Events, "PodGroupNotFound there is no PodGroup web, which the label "+gang.Label+" names")
	require.Nil(t, f.groupOf(t.Context(), pod))
	require.Empty(t, f.events.Events)
	f.shared.forget(pod.UID)
	require.Nil(t, f.groupOf(t.Context(), pod))
	require.Len(t, f.events.Events, 1, "another pod, as far as is known")
}
