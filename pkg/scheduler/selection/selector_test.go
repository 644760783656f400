package selection

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestNothingIsEvictedForAPodThatFitsSomewhereAsItIs(t *testing.T) {
	many := func(change func(i int, node *st.NodeWrapper)) []*corev1.Node {
		nodes := []*corev1.Node{node("held", "z", "1")}
		for i := range 3 * dryrun.Sequential {
			free := st.NodeWrapper{Node: *node(fmt.Sprintf("free-%d", i), "z", "1")}
			change(i, &free)
			nodes = append(nodes, free.Obj())
		}
		return nodes
	}
	for name, tc := range map[string]struct {
		nodes []*corev1.Node
		want  bool
	}{
		"on a node with room":                  {nodes: []*corev1.Node{node("held", "z", "1"), node("free", "z", "1")}},
		"on the last of many":                  {nodes: many(func(i int, n *st.NodeWrapper) { n.Unschedulable(i < 3*dryrun.Sequential-1) })},
		"nowhere, as all of many are cordoned": {nodes: many(func(_ int, n *st.NodeWrapper) { n.Unschedulable(true) }), want: true},
		"nowhere, as the others are too small": {nodes: []*corev1.Node{node("held", "z", "1"), node("small", "z", "500m")}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tc.nodes, unit(0, "held"))
			if !tc.want {
				f.requireSwap(t, wants("1").Obj(), "")
				return
			}
			f.requireSwap(t, wants("1").Obj(), "held", "open-headroom-0")
		})
	}
}

// TestTheFirstTwoOfEqualNodesAreThoseByName in whatever order they are looked at: the second one is named in the event.
func TestTheFirstTwoOfEqualNodesAreThoseByName(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1"), node("c", "z", "1"), node("d", "z", "1")},
		unit(0, "a"), unit(1, "b"), unit(2, "c"), unit(3, "d"))
	c := f.consumer(t, wants("1").Obj())
	nodes := f.Inventory.Nodes()
	cache := f.cacheFor(equivalenceClass{}, nodes)
	f.assess(c, cache)
	ch := &choice{selector: f.Selector, consumer: c, cache: cache, nodes: nodes}
	rapid.Check(t, func(rt *rapid.T) {
		first, second := ch.firstTwo(rapid.Permutation([]int{0, 1, 2, 3}).Draw(rt, "order"))
		require.Equal(rt, []string{"a", "b"}, []string{nodes[first].Name, nodes[second].Name})
	})
	_, second := ch.firstTwo([]int{2})
	require.Equal(t, -1, second)
}

func TestNominatedPodsAreNotAddedToWhatIsKnownOfTheNode(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unit(0, "a"), unit(1, "a"))
	f.nominate(t, wants("1").Name("other").UID("other").Obj(), "a")
	f.consumer(t, wants("1").Obj())
	before := slices.Clone(f.Inventory.Node("a").Requested)
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0", "open-headroom-1")
	require.Equal(t, before, f.Inventory.Node("a").Requested)
}

func TestRoomThatWasFreeForThePodBeforeMayBeNominatedAwayNow(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("held", "z", "1"), node("free", "z", "1")}, unit(0, "held"))
	f.requireSwap(t, wants("1").Obj(), "")
	f.nominate(t, wants("1").Name("other").UID("other").Obj(), "free")
	f.requireSwap(t, wants("1").Obj(), "held", "open-headroom-0")
}

func TestNominatedPodsCountOnTheBestNode(t *testing.T) {
	for name, tc := range map[string]struct {
		nominated *corev1.Pod
		want      []string
	}{
		"one as important as the consumer gets its room, too": {
			nominated: wants("1").Name("other").UID("other").Obj(), want: []string{"open-headroom-0", "open-headroom-1"},
		},
		"a more important one does": {
			nominated: wants("1").Name("other").UID("other").Priority(9).Obj(), want: []string{"open-headroom-0", "open-headroom-1"},
		},
		"a less important one has to wait": {
			nominated: wants("1").Name("other").UID("other").Priority(-1).Obj(), want: []string{"open-headroom-0"},
		},
		"the consumer itself needs its room once": {nominated: wants("1").Obj(), want: []string{"open-headroom-0"}},
		"two cores more are not to be had":        {nominated: wants("2").Name("other").UID("other").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unit(0, "a"), unit(1, "a"))
			f.nominate(t, tc.nominated, "a")
			if tc.want == nil {
				f.requireSwap(t, wants("1").Obj(), "")
				return
			}
			f.requireSwap(t, wants("1").Obj(), "a", tc.want...)
		})
	}
}

func TestANominatedPodMayBeInTheWayByMoreThanItsRequests(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "4"), node("b", "z-2", "1")},
		unit(0, "a"), unit(1, "a"), unit(2, "a"), unit(3, "a"), unit(4, "b"))
	web := wants("1").HostPort(80).Obj()
	f.requireSwap(t, web, "a", "open-headroom-0")
	f.nominate(t, wants("1").Name("other").UID("other").HostPort(80).Obj(), "a")
	f.requireSwap(t, web, "b", "open-headroom-4") // whatever was found out about node a before
}

func TestResultsAreNotReusedForLongerThanTheirAge(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, unit(0, "a"), unit(1, "b"))
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
	f.prober.rejects["a"] = true
	f.clock.Step(maxAge)
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
	f.clock.Step(time.Nanosecond)
	f.requireSwap(t, wants("1").Obj(), "b", "open-headroom-1")
}

func TestWhatWasNotFoundOutInTimeIsNotRemembered(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	late, cancel := context.WithCancel(t.Context())
	cancel()
	require.Nil(t, f.selected(late, t, wants("1").Obj()))
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
}

func TestAPodThatKeepsOthersOutOfItsZoneIsNoticedOnEveryNodeOfIt(t *testing.T) {
	web := wants("1").Label("app", "web").Obj()
	aloof := func(node, name string) *corev1.Pod {
		return on(node, name, "0").PodAntiAffinity(corev1.LabelTopologyZone, metav1.SetAsLabelSelector(web.Labels), st.PodAntiAffinityWithRequiredReq).Obj()
	}
	// One of its kind is somewhere all along, so that pods alike are so before and after.
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "2"), node("b", "z-1", "1"), node("c", "z-2", "1"), node("d", "z-3", "1")},
		unit(0, "a"), on("a", "x", "1").Obj(), unit(1, "b"), unit(2, "c"), aloof("d", "first"))
	f.requireSwap(t, web, "a", "open-headroom-0")
	f.assume(t, aloof("a", "second"))
	f.requireSwap(t, web, "c", "open-headroom-2")
}

func TestPossibleVictimsAreThoseThatAreNotReservedForAnother(t *testing.T) {
	leaving, reserved := unit(1, "a"), unit(2, "a")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"), leaving, reserved, on("a", "x", "1").Obj())
	f.reserved[reserved.UID] = true

	possible := f.PossibleVictims(f.consumer(t, wants("1").Obj())).Evidence

	require.Len(t, possible, 2)
	require.Contains(t, possible, unit(0, "a").UID)
	require.Contains(t, possible, leaving.UID, "its room becomes free")
	require.Zero(t, possible[leaving.UID].Surplus, "one core is what the pod lacks")
	possible = f.PossibleVictims(f.consumer(t, wants("500m").Obj())).Evidence
	require.Positive(t, possible[leaving.UID].Surplus)
}

func TestASystemCriticalPodIsCountedWithAllThatItMayTake(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "500m")}, unit(0, "a"))
	require.NoError(t, f.Catalog.Set(forApp("open", "nobody")))
	critical := f.consumer(t, wants("1").Priority(scheduling.SystemCriticalPriority).Obj())
	require.False(t, critical.Entitled)
	require.Equal(t, 1, f.CountCandidates(critical))
	require.Zero(t, f.CountCandidates(f.consumer(t, wants("1").Obj())))
}

func TestWhatIsWithheldForOnceIsThereTheNextTime(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	c := f.consumer(t, wants("1").Obj())
	less := f.Withhold(c, func(headroom types.NamespacedName) bool { return headroom.Name == "open" })
	held := f.Inventory.Node("a")
	require.Empty(t, less.takeable(nil, held))
	require.Len(t, c.takeable(nil, held), 1)
	require.Len(t, f.Withhold(c, func(types.NamespacedName) bool { return false }).takeable(nil, held), 1)
}

func TestAHeadroomIsWithheldAlone(t *testing.T) {
	names := []string{"first", "second", "third", "fourth"}
	var units []*corev1.Pod
	for _, name := range names {
		units = append(units, unitOf(name, 0, "a").Obj())
	}
	f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, units...)
	c := f.consumer(t, wants("1").Obj())
	for _, withheld := range names {
		less := f.Withhold(c, func(headroom types.NamespacedName) bool { return headroom.Name == withheld })
		left := less.takeable(nil, f.Inventory.Node("a"))
		require.Len(t, left, len(names)-1)
		for i := range left {
			require.NotEqual(t, "default/"+withheld+"-headroom-0", left[i].Name)
		}
	}
}

func TestWhatTheCycleHasSaidOfANodeIsNotAskedAgain(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1"), node("c", "z", "500m")}, unit(0, "a"), unit(1, "b"))
	pod := wants("1").Obj()
	objections := f.Objections(t.Context(), f.run(t, pod), f.consumer(t, pod), func(node string) *fwk.Status {
		if node == "b" {
			return nil
		}
		return fwk.NewStatus(fwk.Unschedulable, "node(s) said no")
	})
	require.Equal(t, Objections{"node(s) said no": 1}, objections, "of b there is nothing to say, and c holds too little")
}

func TestAPodTakesNothingForResourcesThatAreIgnored(t *testing.T) {
	const slots = "example.org/slots"
	for name, tc := range map[string]struct {
		change func(*Selector)
		want   int
	}{
		"none is":        {change: func(*Selector) {}},
		"the resource":   {change: func(s *Selector) { s.Args.IgnoredResources = []string{slots} }, want: 1},
		"all of a group": {change: func(s *Selector) { s.Args.IgnoredResourceGroups = []string{"example.org"} }, want: 1},
		"another group":  {change: func(s *Selector) { s.Args.IgnoredResourceGroups = []string{"org", slots} }},
		"by an extender": {change: func(s *Selector) { s.Ignores = func(name corev1.ResourceName) bool { return name == slots } }, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			tc.change(f.Selector)
			pod := builders.Consumer("consumer", builders.Resources{"cpu": "1", slots: "1"}).Namespace("default").UID("consumer").Obj()
			require.Equal(t, tc.want, f.CountCandidates(f.consumer(t, pod)))
		})
	}
}

func TestWhoIsNoConsumer(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	f.consumer(t, wants("1").Obj())
	for name, pod := range map[string]*corev1.Pod{
		"a pod that is bound and wants to grow":    on("a", "x", "2").Obj(),
		"a placeholder, whatever its priority now": important(unit(1, "")),
	} {
		t.Run(name, func(t *testing.T) { require.Nil(t, f.Consumer(pod)) })
	}
	polite := f.Consumer(wants("1").PreemptionPolicy(corev1.PreemptNever).Obj())
	require.False(t, polite.Entitled, "a pod that must not preempt takes nothing, as long as nobody allows it")
	waiting := wants("1").Obj()
	waiting.Status.NominatedNodeName = "a"
	f.requireSwap(t, waiting, "a", "open-headroom-0") // a pod that is nominated to a node has none yet
}

// important gives a pod a high priority.
func important(pod *corev1.Pod) *corev1.Pod {
	priority := int32(1000)
	pod.Spec.Priority = &priority
	return pod
}

// deviceUnit is placeholder number i, of devices and a little CPU, of the Headroom open.
func deviceUnit(i int, node string) *corev1.Pod {
	h := hr("open", "100m")
	h.Spec.Requests[gpu] = resource.MustParse("1")
	pod := builders.Placeholder(h, i).Node(node)
	return pod.UID(pod.Obj().Name).Obj()
}

// wantsDevices is a consumer of that many devices.
func wantsDevices(count string) *corev1.Pod {
	return builders.Consumer("consumer", builders.Resources{"cpu": "100m", gpu: count}).Namespace("default").UID("consumer").Obj()
}

func TestDevicesOfVictimsAloneMakeAConsumerFit(t *testing.T) {
	for name, tc := range map[string]struct {
		names []string
		count string
		want  bool
	}{
		"one device, which a unit of either node holds":     {names: []string{"x", "y"}, count: "1", want: true},
		"two devices, of which units of two nodes hold one": {names: []string{"x", "y"}, count: "2"},
		"two devices, of which one is free":                 {names: []string{"x", "y", "free"}, count: "2", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &devices{names: tc.names}
			a, b := d.allocate(deviceUnit(0, "a"), "x"), d.allocate(deviceUnit(1, "b"), "y")
			f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, a, b)
			pod := wantsDevices(tc.count)
			if !tc.want {
				f.requireSwap(t, pod, "")
				return
			}
			f.requireSwap(t, pod, "a", "open-headroom-0")
			require.Equal(t, d.claims[:1], f.selected(t.Context(), t, pod).Devices.Claims)
		})
	}
}

// TestNoUnitGoesWhoseDevicesCanStay has three units of a node, of which the last one in the order holds two devices.
func TestNoUnitGoesWhoseDevicesCanStay(t *testing.T) {
	d := &devices{names: []string{"u", "v", "w", "x"}}
	large := deviceUnit(2, "a")
	large.Spec.Containers[0].Resources.Requests[gpu] = resource.MustParse("2")
	f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1")},
		d.allocate(deviceUnit(0, "a"), "u"), d.allocate(deviceUnit(1, "a"), "v"), d.allocate(large, "w", "x"))
	f.requireSwap(t, wantsDevices("3"), "a", "open-headroom-0", "open-headroom-2")
	f.requireSwap(t, wantsDevices("4"), "a", "open-headroom-0", "open-headroom-1", "open-headroom-2")
	f.requireSwap(t, wantsDevices("5"), "")
}

func TestDevicesOfAPlaceholderThatIsBeingBoundCanBeTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(pod *corev1.Pod)
		want   bool
	}{
		"its status is newer than the snapshot": {change: func(*corev1.Pod) {}, want: true},
		"what has its name now is another pod":  {change: func(pod *corev1.Pod) { pod.UID = "another" }},
	} {
		t.Run(name, func(t *testing.T) {
			d := &devices{names: []string{"x"}}
			current := deviceUnit(0, "a")
			tc.change(current)
			d.allocate(current, "x")
			f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1")}, deviceUnit(0, "a"))
			require.NoError(t, f.Handle.SharedInformerFactory().Core().V1().Pods().Informer().GetStore().Add(current))
			if !tc.want {
				f.requireSwap(t, wantsDevices("1"), "")
				return
			}
			f.requireSwap(t, wantsDevices("1"), "a", "open-headroom-0")
		})
	}
}

func TestRefusal(t *testing.T) {
	never := wants("1").PreemptionPolicy(corev1.PreemptNever).Obj()
	allows := hr("open", "1")
	allows.Spec.Consumers = &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	const preemptionPolicy = "the consumer's preemptionPolicy is Never"
	asLow := wants("1").Priority(builders.PlaceholderPriority).Obj()
	for name, tc := range map[string]struct {
		pod *corev1.Pod
		// headroom, in place of one that is open to all that preempt.
		headroom *v1alpha1.Headroom
		// unknown says that the catalog does not have the Headroom, byPriority that the pod gets placeholders whatever `consumers` say.
		unknown, byPriority bool
		want                string
	}{
		"a pod that may take it":                                        {pod: wants("1").Obj()},
		"a pod that never preempts":                                     {pod: never, want: preemptionPolicy},
		"a pod that never preempts, which the Headroom lets":            {pod: never, headroom: allows},
		"a pod that never preempts, of an unknown Headroom":             {pod: never, unknown: true, want: preemptionPolicy},
		"a pod of an unknown Headroom":                                  {pod: wants("1").Obj(), unknown: true, want: "nothing is known of default/open"},
		"by priority: a pod of an unknown Headroom":                     {pod: wants("1").Obj(), unknown: true, byPriority: true},
		"by priority: a pod that never preempts":                        {pod: never, byPriority: true, want: preemptionPolicy},
		"by priority: one that never preempts, of an unknown Headroom":  {pod: never, unknown: true, byPriority: true, want: preemptionPolicy},
		"by priority: one that never preempts, which the Headroom lets": {pod: never, headroom: allows, byPriority: true},
		"a pod that consumers do not include": {
			pod: wants("1").Obj(), headroom: forApp("open", "web"), want: "consumers.podSelector of default/open does not match",
		},
		"by priority: one that they do not include": {pod: wants("1").Obj(), headroom: forApp("open", "web"), byPriority: true},
		"a pod of no higher priority":               {pod: asLow, want: "the consumer's priority is not above that of default/open-headroom-0"},
		"a placeholder that has its node":           {pod: unit(0, "a"), want: "the pod is a placeholder itself"},
		"a placeholder":                             {pod: important(unit(1, "")), want: "the pod is a placeholder itself"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			if tc.headroom != nil {
				require.NoError(t, f.Catalog.Set(tc.headroom))
			}
			if tc.unknown {
				f.Catalog.Delete(types.NamespacedName{Namespace: "default", Name: "open"})
			}
			f.consumer(t, wants("1").Obj())
			c := f.AsConsumer(tc.pod)
			if tc.byPriority {
				c = f.Unrestricted(c)
			}
			require.Equal(t, tc.want, f.Refusal(c, &f.Inventory.Node("a").Placeholders[0]))
		})
	}
}
