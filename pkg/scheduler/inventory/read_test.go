package inventory

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// ordinary is a pod of a priority that is no placeholder.
func ordinary(name string, priority int32) *st.PodWrapper {
	return builders.Consumer(name, builders.Resources{"cpu": "1"}).Namespace("default").UID(name).Node("n").Priority(priority)
}

// TestWhatIsKnownOfAPlaceholder is all that the order among placeholders reads.
func TestWhatIsKnownOfAPlaceholder(t *testing.T) {
	h := builders.Headroom("one", builders.Resources{"cpu": "2", "memory": "3Gi", "example.com/gpu": "4"}).Namespace("default").Obj()
	created := metav1.NewTime(builders.Epoch())
	plain := builders.Placeholder(h, 0).UID("plain").Node("n").CreationTimestamp(created).Obj()
	leaving := builders.Placeholder(h, 1).UID("leaving").Node("n").CreationTimestamp(created).Terminating().Obj()
	kept := builders.ReservedUnit(h, 2).UID("kept").Node("n").CreationTimestamp(created).Obj()
	promised := builders.Placeholder(h, 3).UID("promised").Node("n").CreationTimestamp(created).Obj()
	inv := New(catalogOf(t, h), nil, reservations{"promised": true})
	info := nodeWith("n", "r-1", ordinary("other", 5).Obj(), plain, leaving, kept, promised)
	inv.Refresh([]fwk.NodeInfo{info}, false)

	held := inv.Node("n").Placeholders
	require.Len(t, held, 4)
	require.Equal(t, evictionorder.FirstExtended, inv.Extended("example.com/gpu"))
	requests := evictionorder.Resources{
		evictionorder.Pods: 1, evictionorder.MilliCPU: 2000, evictionorder.Memory: 3 << 30, evictionorder.FirstExtended: 4,
	}
	for i, want := range []struct {
		pod      *corev1.Pod
		priority int32
		leaving  bool
		reserved bool
		ofKept   bool
	}{
		{pod: plain, priority: builders.PlaceholderPriority},
		{pod: leaving, priority: builders.PlaceholderPriority, leaving: true},
		{pod: kept, priority: builders.ReservedPriority, ofKept: true},
		{pod: promised, priority: builders.PlaceholderPriority, leaving: true, reserved: true},
	} {
		require.Equal(t, evictionorder.Placeholder{
			UID: string(want.pod.UID), Name: "default/" + want.pod.Name, Index: i, Requests: requests, Created: created.UnixNano(),
			Priority: want.priority, Leaving: want.leaving,
		}, held[i].Evidence)
		require.Same(t, want.pod, held[i].Pod)
		require.Same(t, want.pod, held[i].Info.GetPod())
		require.Equal(t, want.reserved, held[i].Reserved, want.pod.Name)
		require.Equal(t, want.ofKept, held[i].ReservedUnit, want.pod.Name)
	}
	require.Equal(t, 4, inv.Placeholders())
	require.Equal(t, []int{2, 2}, inv.Units(nil, inv.Node("n"), 0), "those that leave are no units any more")
}

func TestWhatIsKnownOfANode(t *testing.T) {
	inv := New(catalogOf(t), nil, reservations{})
	info := nodeWith("n", "r-1", ordinary("a", 0).Obj(), ordinary("b", 0).Obj())
	node := info.Node().DeepCopy()
	for name, quantity := range map[corev1.ResourceName]string{
		corev1.ResourceMemory: "16Gi", corev1.ResourceEphemeralStorage: "100", corev1.ResourcePods: "7", "example.com/gpu": "2",
	} {
		node.Status.Allocatable[name] = resource.MustParse(quantity)
	}
	info.SetNode(node)
	inv.Refresh([]fwk.NodeInfo{info}, false)
	got := inv.Node("n")
	require.Equal(t, "n", got.Name)
	require.Equal(t, Hash("n"), got.Hash)
	require.Equal(t, int64(2), got.Requested.At(evictionorder.Pods))
	require.Equal(t, int64(2000), got.Requested.At(evictionorder.MilliCPU))
	require.Equal(t, evictionorder.FirstExtended, inv.Extended("example.com/gpu"))
	require.Equal(t, evictionorder.Resources{
		evictionorder.Pods: 7, evictionorder.MilliCPU: 8000, evictionorder.Memory: 16 << 30, evictionorder.EphemeralStorage: 100,
		evictionorder.FirstExtended: 2,
	}, got.Allocatable)
	require.Nil(t, inv.Node("m"))
}

func TestRequestsNameExtendedResourcesByOneIndexEach(t *testing.T) {
	inv := New(catalogOf(t), nil, reservations{})
	a, b := inv.Extended("example.com/a"), inv.Extended("example.com/b")
	require.Equal(t, evictionorder.FirstExtended, a)
	require.Equal(t, evictionorder.FirstExtended+1, b)
	require.Equal(t, a, inv.Extended("example.com/a"))
	request := inv.Request(&framework.Resource{
		MilliCPU: 1, Memory: 2, EphemeralStorage: 3, ScalarResources: map[corev1.ResourceName]int64{"example.com/b": 5},
	})
	require.Equal(t, evictionorder.Resources{1, 1, 2, 3, 0, 5}, request, "one pod, and nothing of the other one")
}

// TestTheHashOfANameIsTheSameOnEveryMachine, since a sample of nodes is drawn by it.
func TestTheHashOfANameIsTheSameOnEveryMachine(t *testing.T) {
	require.Equal(t, uint64(0xcbf29ce484222325), Hash(""))
	require.Equal(t, uint64(0xaf63dc4c8601ec8c), Hash("a"))
	require.NotEqual(t, Hash("ab"), Hash("ba"))
}

func TestTheLowestPriorityIsThatOfPodsThatStayAndAreNoPlaceholders(t *testing.T) {
	h := headroom("one")
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want int32
	}{
		"no pods":                      {want: math.MaxInt32},
		"placeholders alone":           {pods: []*corev1.Pod{placeholderPod(h, 0, "n")}, want: math.MaxInt32},
		"the lowest of several":        {pods: []*corev1.Pod{ordinary("a", 7).Obj(), ordinary("b", 3).Obj(), ordinary("c", 5).Obj()}, want: 3},
		"one that is leaving is gone":  {pods: []*corev1.Pod{ordinary("a", 7).Obj(), ordinary("b", 3).Terminating().Obj()}, want: 7},
		"one without any has zero":     {pods: []*corev1.Pod{st.MakePod().Name("a").UID("a").Obj()}, want: 0},
		"and the placeholders are not": {pods: []*corev1.Pod{ordinary("a", 7).Obj(), placeholderPod(h, 0, "n")}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			inv := New(catalogOf(t, h), nil, reservations{})
			inv.Refresh([]fwk.NodeInfo{nodeWith("n", "", tc.pods...)}, false)
			require.Equal(t, tc.want, inv.Node("n").LowestPriority)
		})
	}
}

// staying are placeholders, by their UIDs, that were waited for in vain.
type staying struct {
	reservations
	uids map[types.UID]bool
}

func (s staying) Stays(uid types.UID) bool { return s.uids[uid] }

func TestAPlaceholderThatStaysWhenItShouldHaveGoneIsNoneAnyMore(t *testing.T) {
	h := headroom("one")
	inv := New(catalogOf(t, h), nil, staying{uids: map[types.UID]bool{"one-0": true}})
	inv.Refresh([]fwk.NodeInfo{nodeWith("n", "r-1", placeholderPod(h, 0, "n"), placeholderPod(h, 1, "n"))}, false)
	held := inv.Node("n").Placeholders
	require.Len(t, held, 1)
	require.Equal(t, types.UID("one-1"), held[0].Pod.UID)
	require.Zero(t, held[0].Evidence.Index)
	require.Equal(t, 1, inv.Placeholders())
	require.Equal(t, []int{1, 1}, inv.Units(nil, inv.Node("n"), 0))
	require.Equal(t, int64(2), inv.Node("n").Requested.At(evictionorder.Pods), "its room is not to be had")
	require.EqualValues(t, math.MaxInt32, inv.Node("n").LowestPriority, "and it makes nobody's priority the lowest")
}

func TestNodesWithoutTheLabelAreOneDomain(t *testing.T) {
	h := headroom("one", "rack", corev1.LabelHostname)
	inv := New(catalogOf(t, h), nil, reservations{})
	inv.Refresh([]fwk.NodeInfo{nodeWith("a", "", placeholderPod(h, 0, "a")), nodeWith("b", "", placeholderPod(h, 1, "b"))}, false)
	for _, node := range []string{"a", "b"} {
		require.Equal(t, []int{2, 1}, inv.Units(nil, inv.Node(node), 0))
	}
}

func TestTheDomainsOfUnitsAreNamed(t *testing.T) {
	h := headroom("one", corev1.LabelTopologyZone, "rack")
	inv := New(catalogOf(t, h), nil, reservations{})
	inv.Refresh([]fwk.NodeInfo{nodeWith("n", "r-1", placeholderPod(h, 0, "n"))}, false)
	require.Equal(t, []evictionorder.Domain{
		{Key: corev1.LabelTopologyZone, Value: "r-1", Headroom: "default/one"}, {Key: "rack", Headroom: "default/one"},
	}, inv.Domains(inv.Node("n"), 0))
	require.Equal(t, []int{1, 1}, inv.Units([]int{7, 7, 7}, inv.Node("n"), 0), "what was in the memory is written over")
}

func TestAHeadroomIsTheOneOfTheCatalog(t *testing.T) {
	h := headroom("one")
	known := catalogOf(t)
	inv := New(known, nil, reservations{})
	nodes := []fwk.NodeInfo{nodeWith("n", "r-1", placeholderPod(h, 0, "n"))}
	inv.Refresh(nodes, false)
	name := types.NamespacedName{Namespace: "default", Name: "one"}
	require.Equal(t, name, inv.Headrooms()[0].Name)
	require.Nil(t, inv.Headrooms()[0].Entry, "nothing is known of it")
	require.NoError(t, known.Set(h))
	inv.RefreshHeadrooms()
	require.Same(t, known.Get(name), inv.Headrooms()[0].Entry)
	known.Delete(name)
	inv.Refresh(nodes, true)
	require.Nil(t, inv.Headrooms()[0].Entry)
}

// TestUnitsOfAHeadroomThatWasMadeAnewAreNoneOfTheNewOnes, whichever of the two the catalog knows, and whoever controls them on its behalf.
func TestUnitsOfAHeadroomThatWasMadeAnewAreNoneOfTheNewOnes(t *testing.T) {
	before, now := headroom("one", corev1.LabelTopologyZone), headroom("one", corev1.LabelTopologyZone)
	before.UID, now.UID = "before", "now"
	each := placeholderPod(before, 3, "n")
	each.OwnerReferences[0].APIVersion, each.OwnerReferences[0].Kind, each.OwnerReferences[0].UID = "apps/v1", "DaemonSet", "set"
	known := catalogOf(t, before)
	inv := New(known, func(_, name string, _ types.UID) (placeholder.Owner, bool) {
		owner := ownerNamed(name)
		owner.UID = before.UID
		return owner, true
	}, reservations{})
	nodes := []fwk.NodeInfo{
		nodeWith("n", "r-1", placeholderPod(before, 0, "n"), each, placeholderPod(before, 1, "n"), placeholderPod(now, 2, "n")),
	}
	// look returns, for each placeholder of the node, what is known of its Headroom, and how many units that one has in the zone.
	look := func() (entries []*catalog.Entry, units []int) {
		inv.Refresh(nodes, false)
		for _, held := range inv.Node("n").Placeholders {
			entries = append(entries, inv.Headrooms()[held.Evidence.Headroom].Entry)
			units = append(units, inv.Units(nil, inv.Node("n"), held.Evidence.Headroom)...)
		}
		return entries, units
	}
	name := types.NamespacedName{Namespace: "default", Name: "one"}
	entry := known.Get(name)
	entries, units := look()
	require.Equal(t, []*catalog.Entry{entry, entry, entry, nil}, entries, "the catalog has not heard of the new one as yet")
	require.Equal(t, []int{3, 3, 3}, units)

	require.NoError(t, known.Set(now))
	entry = known.Get(name)
	entries, units = look()
	require.Equal(t, []*catalog.Entry{nil, nil, nil, entry}, entries)
	require.Equal(t, []int{1}, units, "what is left of the one before does not count for its spread")
	require.Equal(t, 4, inv.Placeholders(), "all of them hold room until they are gone")

	known.Delete(name)
	entries, _ = look()
	require.Equal(t, make([]*catalog.Entry, 4), entries)
}

func TestOnlyNodesThatMayHaveChangedAreReadAnew(t *testing.T) {
	h := headroom("one")
	labeled := ordinary("labeled", 0).Label("headroom.dev/headroom", "one").Obj()
	a, b := nodeWith("a", "", placeholderPod(h, 0, "a"), labeled), nodeWith("b", "", ordinary("other", 0).Obj())
	inv := New(catalogOf(t, h), nil, reservations{})
	nodes := []fwk.NodeInfo{a, b}
	revisions := func() [2]uint64 {
		inv.Refresh(nodes, false)
		return [2]uint64{inv.Node("a").Revision, inv.Node("b").Revision}
	}
	first := revisions()
	require.NotEqual(t, first[0], first[1], "none is used twice")
	require.Equal(t, first, revisions())

	inv.MarkDirty("a")
	inv.MarkDirty("gone")
	marked := revisions()
	require.Greater(t, marked[0], first[1])
	require.Equal(t, first[1], marked[1])
	require.Empty(t, inv.dirty, "nor is the name of a node that there is not kept")
	require.Equal(t, marked, revisions(), "once is enough")

	inv.RecheckControllers()
	rechecked := revisions()
	require.Greater(t, rechecked[0], marked[0])
	require.Equal(t, marked[1], rechecked[1], "no pod of it can be a placeholder")
	require.Equal(t, rechecked, revisions())

	require.NoError(t, a.RemovePod(klog.Background(), labeled))
	require.NoError(t, a.RemovePod(klog.Background(), placeholderPod(h, 0, "a")))
	without := revisions()
	inv.RecheckControllers()
	require.Equal(t, without, revisions(), "it has none of these pods any more")
}

func TestLabelsAreReadByTermsOfEveryKind(t *testing.T) {
	selects := func(key string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: metav1.LabelSelectorOpExists}}}
	}
	web := st.MakePod().Label("app", "web").Label("version", "2").Obj()
	for name, pod := range map[string]*st.PodWrapper{
		"a required affinity":       st.MakePod().PodAffinity("zone", selects("app"), st.PodAffinityWithRequiredReq),
		"a preferred affinity":      st.MakePod().PodAffinity("zone", selects("app"), st.PodAffinityWithPreferredReq),
		"a required anti-affinity":  st.MakePod().PodAntiAffinity("zone", selects("app"), st.PodAntiAffinityWithRequiredReq),
		"a preferred anti-affinity": st.MakePod().PodAntiAffinity("zone", selects("app"), st.PodAntiAffinityWithPreferredReq),
	} {
		t.Run(name, func(t *testing.T) {
			inv := New(catalogOf(t), nil, reservations{})
			info := nodeWith("n", "", pod.Name("reads").UID("reads").Namespace("default").Obj())
			inv.Refresh([]fwk.NodeInfo{info}, false)
			require.Equal(t, map[string]string{"app": "web"}, map[string]string(inv.ReadByAffinity(web)))
		})
	}
}

// TestLabelsAreReadByEveryRequirementOfEveryPod of a node, however many terms and pods there are.
func TestLabelsAreReadByEveryRequirementOfEveryPod(t *testing.T) {
	reads := func(name string, keys ...string) *corev1.Pod {
		pod := st.MakePod().Name(name).UID(name).Namespace("default")
		selector := &metav1.LabelSelector{}
		for _, key := range keys {
			selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{
				Key: key, Operator: metav1.LabelSelectorOpExists,
			})
		}
		return pod.PodAffinity("zone", selector, st.PodAffinityWithRequiredReq).Obj()
	}
	inv := New(catalogOf(t), nil, reservations{})
	info := nodeWith("n", "", reads("first", "app", "tier"), reads("second", "app"), reads("third", "version"))
	inv.Refresh([]fwk.NodeInfo{info}, false)
	pod := st.MakePod().Label("app", "web").Label("version", "2").Label("tier", "front").Label("team", "a").Obj()
	require.Equal(t, map[string]string{"app": "web", "version": "2", "tier": "front"}, map[string]string(inv.ReadByAffinity(pod)))
}
