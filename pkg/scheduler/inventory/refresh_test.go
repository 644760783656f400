package inventory

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// catalogOf has these Headrooms.
func catalogOf(t *testing.T, headrooms ...*v1alpha1.Headroom) *catalog.Catalog {
	t.Helper()
	known := catalog.New()
	for _, h := range headrooms {
		require.NoError(t, known.Set(h))
	}
	return known
}

// nodeWith is a node of the snapshot with these pods on it.
func nodeWith(name, zone string, pods ...*corev1.Pod) *framework.NodeInfo {
	info := framework.NewNodeInfo(pods...)
	info.SetNode(builders.Node(name, zone, builders.Resources{"cpu": "8"}).Obj())
	return info
}

func TestAReservedPlaceholderIsLeavingAndNoUnitOfItsHeadroom(t *testing.T) {
	h := headroom("one")
	reserved := reservations{"one-0": true}
	inv := New(catalogOf(t, h), nil, reserved)
	nodes := []fwk.NodeInfo{nodeWith("n", "r-1", placeholderPod(h, 0, "n"), placeholderPod(h, 1, "n"))}
	inv.Refresh(nodes, false)
	leaving := func() (list []bool) {
		for _, p := range inv.Node("n").Placeholders {
			list = append(list, p.Evidence.Leaving)
		}
		return list
	}
	require.Equal(t, []bool{true, false}, leaving())
	require.Equal(t, []int{1, 1}, inv.Units(nil, inv.Node("n"), 0))
	require.Equal(t, 2, inv.Placeholders(), "both hold room as yet")

	clear(reserved)
	inv.MarkDirty("n")
	inv.Refresh(nodes, false)
	require.Equal(t, []bool{false, false}, leaving())
	require.Equal(t, []int{2, 2}, inv.Units(nil, inv.Node("n"), 0))
}

// watched notes which nodes it is told of, and whether a placeholder was there.
type watched struct {
	reservations
	present map[string]bool
}

func (w *watched) ObserveNode(node string, present func(types.UID) bool) {
	w.present[node] = present("one-0")
}

func TestReservationsAreToldOfNodesThatAreReadAndOfThoseThatAreGone(t *testing.T) {
	h := headroom("one")
	w := &watched{present: map[string]bool{}}
	inv := New(catalogOf(t, h), nil, w)
	a, b := nodeWith("a", "r-1", placeholderPod(h, 0, "a")), nodeWith("b", "r-1")
	inv.Refresh([]fwk.NodeInfo{a, b}, false)
	require.Equal(t, map[string]bool{"a": true, "b": false}, w.present)

	clear(w.present)
	inv.Refresh([]fwk.NodeInfo{a, b}, false)
	require.Empty(t, w.present, "nothing changed")
	inv.Refresh([]fwk.NodeInfo{b}, false)
	require.Equal(t, map[string]bool{"a": false}, w.present, "nobody may ask about a node that left")
}

// TestAPlaceholderIsThereUntilItIsGone, also while it ends: its room is not free as yet.
func TestAPlaceholderIsThereUntilItIsGone(t *testing.T) {
	h := headroom("one")
	w := &watched{present: map[string]bool{}}
	inv := New(catalogOf(t, h), nil, w)
	before := placeholderPod(h, 0, "a")
	ending := before.DeepCopy()
	ending.DeletionTimestamp = &metav1.Time{Time: builders.Epoch()}
	info := nodeWith("a", "r-1", placeholderPod(h, 1, "a"), before)
	present := func() bool {
		inv.Refresh([]fwk.NodeInfo{info}, false)
		return w.present["a"]
	}
	require.True(t, present())
	require.NoError(t, info.RemovePod(klog.Background(), before))
	info.AddPod(ending)
	require.True(t, present())
	require.NoError(t, info.RemovePod(klog.Background(), ending))
	require.False(t, present())
}

func TestAThoroughRefreshNoticesWhatTheGenerationDoesNotTell(t *testing.T) {
	h := headroom("one")
	for name, change := range map[string]func(*framework.NodeInfo){
		"a pod more": func(info *framework.NodeInfo) { info.AddPod(placeholderPod(h, 1, "n")) },
		"a pod that asks for nothing": func(info *framework.NodeInfo) {
			info.AddPod(st.MakePod().Name("small").UID("small").Namespace("default").Node("n").Obj())
		},
		"a pod less":    func(info *framework.NodeInfo) { _ = info.RemovePod(klog.Background(), placeholderPod(h, 0, "n")) },
		"CPU":           func(info *framework.NodeInfo) { info.Requested.MilliCPU++ },
		"memory":        func(info *framework.NodeInfo) { info.Requested.Memory++ },
		"local storage": func(info *framework.NodeInfo) { info.Requested.EphemeralStorage++ },
	} {
		t.Run(name, func(t *testing.T) {
			inv := New(catalogOf(t, h), nil, reservations{})
			info := nodeWith("n", "r-1", placeholderPod(h, 0, "n"))
			inv.Refresh([]fwk.NodeInfo{info}, true)
			before := inv.Node("n").Revision
			inv.Refresh([]fwk.NodeInfo{info}, true)
			require.Equal(t, before, inv.Node("n").Revision)

			generation := info.Generation
			change(info)
			info.Generation = generation // as the snapshot does for the pods of a group
			inv.Refresh([]fwk.NodeInfo{info}, false)
			require.Equal(t, before, inv.Node("n").Revision)
			inv.Refresh([]fwk.NodeInfo{info}, true)
			require.NotEqual(t, before, inv.Node("n").Revision)
		})
	}
}

func TestRanksFollowTheNamesAsNodesComeAndGo(t *testing.T) {
	inv := New(catalogOf(t), nil, reservations{})
	a, b, c := nodeWith("a", ""), nodeWith("b", ""), nodeWith("c", "")
	ranks := func(nodes ...fwk.NodeInfo) map[string]int {
		inv.Refresh(nodes, false)
		ranks := map[string]int{}
		for _, node := range inv.Nodes() {
			ranks[node.Name] = node.Rank
		}
		return ranks
	}
	require.Equal(t, map[string]int{"c": 1, "a": 0}, ranks(c, a))
	require.Equal(t, map[string]int{"c": 2, "b": 1, "a": 0}, ranks(c, b, a))
	require.Equal(t, map[string]int{"b": 0, "c": 1}, ranks(b, c))
}

func TestWhatChangesTheCrossNodeVersion(t *testing.T) {
	aloof := st.MakePod().Name("aloof").UID("aloof").Namespace("default").Node("n").
		PodAntiAffinity("zone", &metav1.LabelSelector{}, st.PodAntiAffinityWithRequiredReq).Obj()
	friendly := st.MakePod().Name("friendly").UID("friendly").Namespace("default").Node("n").
		PodAffinity("zone", &metav1.LabelSelector{}, st.PodAffinityWithPreferredReq).Obj()
	likewise := st.MakePod().Name("likewise").UID("likewise").Namespace("default").Node("n").
		PodAntiAffinity("zone", &metav1.LabelSelector{}, st.PodAntiAffinityWithRequiredReq).Obj()
	plain := st.MakePod().Name("plain").UID("plain").Namespace("default").Node("n").Obj()
	object := func(change func(*corev1.Node)) func(*framework.NodeInfo) {
		return func(info *framework.NodeInfo) {
			node := info.Node().DeepCopy()
			change(node)
			info.SetNode(node)
		}
	}
	image := func(size int64) []corev1.ContainerImage {
		return []corev1.ContainerImage{{Names: []string{"a"}, SizeBytes: size}}
	}
	move := object(func(node *corev1.Node) { node.Labels[corev1.LabelTopologyZone] = "r-2" })
	for name, tc := range map[string]struct {
		on     []*corev1.Pod
		change func(*framework.NodeInfo)
		want   bool
	}{
		"a pod with an anti-affinity comes":  {change: func(info *framework.NodeInfo) { info.AddPod(aloof) }, want: true},
		"a pod with an affinity comes":       {change: func(info *framework.NodeInfo) { info.AddPod(friendly) }, want: true},
		"a pod with an anti-affinity goes":   {on: []*corev1.Pod{aloof}, change: func(info *framework.NodeInfo) { _ = info.RemovePod(klog.Background(), aloof) }, want: true},
		"one takes the place of another":     {on: []*corev1.Pod{aloof}, change: func(info *framework.NodeInfo) { _ = info.RemovePod(klog.Background(), aloof); info.AddPod(friendly) }, want: true},
		"one takes the place of one like it": {on: []*corev1.Pod{aloof}, change: func(info *framework.NodeInfo) { _ = info.RemovePod(klog.Background(), aloof); info.AddPod(likewise) }, want: true},
		"a plain pod comes":                  {change: func(info *framework.NodeInfo) { info.AddPod(plain) }},
		"an image comes":                     {change: object(func(node *corev1.Node) { node.Status.Images = image(1) }), want: true},
		"an image grows":                     {change: object(func(node *corev1.Node) { node.Status.Images = image(2) }), want: true},
		"an image has another name": {
			change: object(func(node *corev1.Node) {
				node.Status.Images = []corev1.ContainerImage{{Names: []string{"b"}, SizeBytes: 1}}
			}),
			want: true,
		},
		"the node of such a pod moves":          {on: []*corev1.Pod{aloof}, change: move, want: true},
		"the node of a plain pod moves":         {on: []*corev1.Pod{plain}, change: move},
		"the node says that it is still there":  {on: []*corev1.Pod{aloof}, change: object(func(node *corev1.Node) { node.ResourceVersion = "2" })},
		"the node has less room than it had":    {change: object(func(node *corev1.Node) { node.Status.Allocatable = nil })},
		"the node is cordoned, with such a pod": {on: []*corev1.Pod{aloof}, change: object(func(node *corev1.Node) { node.Spec.Unschedulable = true })},
	} {
		t.Run(name, func(t *testing.T) {
			inv := New(catalogOf(t), nil, reservations{})
			info := nodeWith("n", "r-1", tc.on...)
			if name == "an image grows" || name == "an image has another name" {
				object(func(node *corev1.Node) { node.Status.Images = image(1) })(info)
			}
			inv.Refresh([]fwk.NodeInfo{info}, false)
			version, list := inv.CrossNodeVersion(), inv.NodeListVersion()
			tc.change(info)
			inv.Refresh([]fwk.NodeInfo{info}, false)
			require.Equal(t, tc.want, inv.CrossNodeVersion() != version)
			require.Equal(t, list, inv.NodeListVersion(), "no node came or went")
		})
	}
}

func TestALabelIsReadAsLongAsThereIsAPodThatReadsIt(t *testing.T) {
	aloof := func(name, key string) *corev1.Pod {
		return st.MakePod().Name(name).UID(name).Namespace("default").PodAntiAffinity("zone",
			&metav1.LabelSelector{MatchLabels: map[string]string{key: "any"}}, st.PodAntiAffinityWithRequiredReq).Obj()
	}
	web := st.MakePod().Label("app", "web").Label("version", "2").Obj()
	first, second := aloof("first", "app"), aloof("second", "app")
	a, b, c := nodeWith("a", "", first), nodeWith("b", "", second), nodeWith("c", "")
	inv := New(catalogOf(t), nil, reservations{})
	read := func(nodes ...fwk.NodeInfo) map[string]string {
		inv.Refresh(nodes, false)
		return inv.ReadByAffinity(web)
	}
	require.Empty(t, read(c))
	require.Equal(t, map[string]string{"app": "web"}, read(a, b, c))
	require.Equal(t, map[string]string{"app": "web"}, read(b, c), "a node is gone, and another one has such a pod")
	require.NoError(t, b.RemovePod(klog.Background(), second))
	require.Empty(t, read(b, c), "the last such pod is gone")
	b.AddPod(aloof("third", "version"))
	require.Equal(t, map[string]string{"version": "2"}, read(b, c))
	require.Empty(t, read(c), "the node with the last one is gone")
	require.Empty(t, inv.affinityKeys, "and no label is kept that nobody reads")
}

func TestNodesThatComeAndGoChangeBothVersions(t *testing.T) {
	inv := New(catalogOf(t), nil, reservations{})
	a, b := nodeWith("a", ""), nodeWith("b", "")
	for _, nodes := range [][]fwk.NodeInfo{{a}, {a, b}, {b, a}, {b}} {
		cross, list := inv.CrossNodeVersion(), inv.NodeListVersion()
		inv.Refresh(nodes, false)
		require.NotEqual(t, cross, inv.CrossNodeVersion())
		require.NotEqual(t, list, inv.NodeListVersion())
		cross, list = inv.CrossNodeVersion(), inv.NodeListVersion()
		inv.Refresh(nodes, false)
		require.Equal(t, cross, inv.CrossNodeVersion())
		require.Equal(t, list, inv.NodeListVersion())
	}
}
