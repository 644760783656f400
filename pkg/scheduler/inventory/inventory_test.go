package inventory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// reservations are a set of UIDs.
type reservations map[types.UID]bool

func (r reservations) Reserved(uid types.UID) bool                  { return r[uid] }
func (r reservations) Stays(types.UID) bool                         { return false }
func (r reservations) ObserveNode(string, func(uid types.UID) bool) {}

func headroom(name string, keys ...string) *v1alpha1.Headroom {
	b := builders.Headroom(name, builders.Resources{"cpu": "1"}).Namespace("default")
	if len(keys) > 0 {
		b = b.SpreadOver(keys...)
	}
	return b.Obj()
}

// ownerNamed is what headroom makes, as its placeholders know it.
func ownerNamed(name string) placeholder.Owner {
	return placeholder.Owner{NamespacedName: types.NamespacedName{Namespace: "default", Name: name}}
}

func placeholderPod(h *v1alpha1.Headroom, i int, node string) *corev1.Pod {
	uid := fmt.Sprintf("%s-%d", h.Name, i)
	return builders.Placeholder(h, i).UID(uid).Node(node).Obj()
}

// TestUnitsAreWhatCountingFromScratchSays changes a cluster at random and compares the inventory, which follows change by change,
// with one that sees the cluster for the first time.
func TestUnitsAreWhatCountingFromScratchSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := catalog.New()
		headrooms := []*v1alpha1.Headroom{headroom("one"), headroom("two", corev1.LabelHostname)}
		for _, h := range headrooms {
			require.NoError(t, known.Set(h))
		}
		reserved := reservations{}
		inv := New(known, nil, reserved)
		var nodes []fwk.NodeInfo
		created := 0
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				info := framework.NewNodeInfo()
				info.SetNode(builders.Node(fmt.Sprintf("n%d", created), rapid.SampledFrom([]string{"r-1", "r-2", ""}).Draw(t, "zone"),
					builders.Resources{"cpu": "8"}).Obj())
				nodes = append(nodes, info)
				created++
			case 1:
				if len(nodes) > 0 {
					nodes = append(nodes[:0:0], nodes[1:]...)
				}
			case 2, 3:
				if len(nodes) > 0 {
					info := rapid.SampledFrom(nodes).Draw(t, "node")
					info.(*framework.NodeInfo).AddPod(placeholderPod(rapid.SampledFrom(headrooms).Draw(t, "headroom"), created, info.Node().Name))
					created++
				}
			case 4:
				if len(nodes) > 0 {
					info := rapid.SampledFrom(nodes).Draw(t, "node")
					if pods := info.GetPods(); len(pods) > 0 {
						require.NoError(t, info.RemovePod(klog.Background(), pods[0].GetPod()))
					}
				}
			case 5:
				if len(nodes) > 0 {
					info := rapid.SampledFrom(nodes).Draw(t, "node")
					if pods := info.GetPods(); len(pods) > 0 {
						uid := pods[0].GetPod().UID
						reserved[uid] = !reserved[uid]
						inv.MarkDirty(info.Node().Name)
					}
				}
			case 6:
				h := rapid.SampledFrom(headrooms).Draw(t, "headroom")
				keys := rapid.SampledFrom([][]string{nil, {corev1.LabelTopologyRegion}, {corev1.LabelTopologyZone, corev1.LabelHostname}}).Draw(t, "keys")
				require.NoError(t, known.Set(headroom(h.Name, keys...)))
			case 7:
				inv.compact(-100)
			case 9:
				name := rapid.SampledFrom(headrooms).Draw(t, "gone").Name
				known.Delete(types.NamespacedName{Namespace: "default", Name: name})
				inv.forgetHeadrooms(-100)
			case 8:
				if len(nodes) > 0 {
					info := rapid.SampledFrom(nodes).Draw(t, "node")
					info.(*framework.NodeInfo).SetNode(builders.Node(info.Node().Name, rapid.SampledFrom([]string{"r-1", "r-2", "s-1", ""}).Draw(t, "zone"),
						builders.Resources{"cpu": "8"}).Obj())
				}
			}
			if rapid.IntRange(0, 2).Draw(t, "no cycle comes meanwhile") == 2 {
				continue
			}
			inv.Refresh(nodes, rapid.Bool().Draw(t, "thorough"))
			fresh := New(known, nil, reserved)
			fresh.Refresh(nodes, false)
			compare(t, inv, fresh)
		}
	})
}

// TestUnitsStayCountedWhereANodeMovesWhileAHeadroomIsSpreadOverSomethingNew has both happen between two cycles.
func TestUnitsStayCountedWhereANodeMovesWhileAHeadroomIsSpreadOverSomethingNew(t *testing.T) {
	one, two := headroom("one", corev1.LabelTopologyZone), headroom("two", corev1.LabelTopologyZone)
	known := catalogOf(t, one, two)
	inv := New(known, nil, reservations{})
	moves := nodeWith("moves", "r-1", placeholderPod(one, 0, "moves"), placeholderPod(two, 0, "moves"))
	nodes := []fwk.NodeInfo{moves, nodeWith("stays", "r-1", placeholderPod(one, 1, "stays"))}
	units := func(node string) []int {
		inv.Refresh(nodes, false)
		return inv.Units(nil, inv.Node(node), inv.headroomIDs[ownerNamed("one")])
	}
	require.Equal(t, []int{2}, units("stays"))

	moves.SetNode(builders.Node("moves", "r-2", builders.Resources{"cpu": "8"}).Obj())
	require.NoError(t, known.Set(headroom("two", corev1.LabelTopologyRegion)))

	require.Equal(t, []int{1}, units("stays"))
	require.Equal(t, []int{1}, units("moves"))
}

func compare(t *rapid.T, inv, fresh *Inventory) {
	require.Equal(t, fresh.Placeholders(), inv.Placeholders())
	require.Len(t, inv.Nodes(), len(fresh.Nodes()))
	for i := range fresh.Nodes() {
		want, got := &fresh.Nodes()[i], inv.Node(fresh.Nodes()[i].Name)
		require.NotNil(t, got)
		require.Len(t, got.Placeholders, len(want.Placeholders))
		for j := range want.Placeholders {
			require.Equal(t, want.Placeholders[j].Pod, got.Placeholders[j].Pod)
			require.Equal(t, want.Placeholders[j].Evidence.Leaving, got.Placeholders[j].Evidence.Leaving)
		}
		for id, h := range fresh.Headrooms() {
			require.Equal(t, fresh.Units(nil, want, id), inv.Units(nil, got, inv.headroomIDs[h.owner()]), "%s on %s", h.Name, want.Name)
		}
	}
}

func TestThePlaceholdersOfADaemonSetAreFoundOnceItIsKnown(t *testing.T) {
	h := headroom("each")
	pod := placeholderPod(h, 0, "n")
	set := &metav1.ObjectMeta{Name: "each", UID: "set"}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, corev1.SchemeGroupVersion.WithKind("DaemonSet"))}
	pod.OwnerReferences[0].APIVersion = "apps/v1"
	isKnown := false
	inv := New(catalog.New(), func(_, name string, _ types.UID) (placeholder.Owner, bool) {
		return ownerNamed(name), isKnown
	}, reservations{})
	info := framework.NewNodeInfo(pod)
	info.SetNode(builders.Node("n", "r-1", builders.Resources{"cpu": "8"}).Obj())
	inv.Refresh([]fwk.NodeInfo{info}, false)
	require.Zero(t, inv.Placeholders())

	isKnown = true
	inv.RecheckControllers()
	inv.Refresh([]fwk.NodeInfo{info}, false)
	require.Equal(t, 1, inv.Placeholders())
}

// TestHeadroomsThatAreGoneAreForgotten has one come and go after another, beside two that stay: one that holds nothing, and one that nobody
// knows of any more, and whose unit is still there.
func TestHeadroomsThatAreGoneAreForgotten(t *testing.T) {
	known := catalogOf(t, headroom("empty"))
	inv := New(known, nil, reservations{})
	stays := nodeWith("stays", "r-1", placeholderPod(headroom("orphan"), 0, "stays"))
	changes := nodeWith("changes", "r-1", placeholderPod(headroom("empty"), 0, "changes"))
	nodes := []fwk.NodeInfo{stays, changes}
	inv.Refresh(nodes, false)
	require.NoError(t, changes.RemovePod(klog.Background(), placeholderPod(headroom("empty"), 0, "changes")))
	most, list, cross := 0, inv.NodeListVersion(), inv.CrossNodeVersion()
	for i := range 5 * spareHeadrooms {
		h := headroom(fmt.Sprintf("h%d", i))
		require.NoError(t, known.Set(h))
		pod := placeholderPod(h, 0, "changes")
		changes.AddPod(pod)
		inv.Refresh(nodes, false)
		for _, node := range []string{"stays", "changes"} {
			held := inv.Node(node).Placeholders
			require.Len(t, held, 1)
			require.Equal(t, held[0].Pod.Labels[v1alpha1.LabelHeadroom], inv.Headrooms()[held[0].Evidence.Headroom].Name.Name)
		}
		most = max(most, len(inv.Headrooms()))
		require.NoError(t, changes.RemovePod(klog.Background(), pod))
		known.Delete(types.NamespacedName{Namespace: "default", Name: h.Name})
	}
	require.Greater(t, most, spareHeadrooms/2, "it is not looked for all the time")
	require.LessOrEqual(t, most, spareHeadrooms+10)
	require.Contains(t, inv.headroomIDs, ownerNamed("empty"), "its next unit is not far")
	require.NotEqual(t, list, inv.NodeListVersion(), "what was found out by indices is void")
	require.NotEqual(t, cross, inv.CrossNodeVersion())

	inv.Refresh(nodes, false)
	before := len(inv.Headrooms())
	inv.headroomsLeft = -spareHeadrooms
	inv.Refresh(nodes, true)
	require.Len(t, inv.Headrooms(), before, "not within the cycle of a group")
}

// TestHeadroomsThatAreThereAreLookedThroughOnceForSomeThatAreGone: each time, all that was found out by their indices is void.
func TestHeadroomsThatAreThereAreLookedThroughOnceForSomeThatAreGone(t *testing.T) {
	known, pods := catalog.New(), []*corev1.Pod{}
	for i := range spareHeadrooms + 1 {
		h := headroom(fmt.Sprintf("h%d", i))
		require.NoError(t, known.Set(h))
		pods = append(pods, placeholderPod(h, 0, "n"))
	}
	inv := New(known, nil, reservations{})
	nodes := []fwk.NodeInfo{nodeWith("n", "r-1", pods...)}
	for range 2 { // the first finds them, the second looks through them
		inv.Refresh(nodes, false)
	}
	version := inv.NodeListVersion()
	inv.Refresh(nodes, false)
	require.Equal(t, version, inv.NodeListVersion())
	require.Len(t, inv.Headrooms(), len(pods))
}

func TestHostnamesOfNodesThatAreGoneAreForgotten(t *testing.T) {
	h := headroom("one", corev1.LabelHostname)
	known := catalog.New()
	require.NoError(t, known.Set(h))
	inv := New(known, nil, reservations{})
	for i := range 5 * spareDomains {
		name := fmt.Sprintf("n%d", i)
		info := framework.NewNodeInfo(placeholderPod(h, i, name))
		info.SetNode(builders.Node(name, "r-1", builders.Resources{"cpu": "8"}).Obj())
		inv.Refresh([]fwk.NodeInfo{info}, false)
		require.Equal(t, []int{1}, inv.Units(nil, inv.Node(name), 0))
	}
	require.LessOrEqual(t, len(inv.keys[inv.keyIDs[corev1.LabelHostname]].domains), spareDomains+2)
}

func TestATopologyKeyIsKeptOnceHoweverOftenHeadroomsAreSpreadOverIt(t *testing.T) {
	one := headroom("one", corev1.LabelTopologyZone)
	known := catalogOf(t, one)
	inv := New(known, nil, reservations{})
	nodes := []fwk.NodeInfo{nodeWith("n", "r-1", placeholderPod(one, 0, "n"))}
	for i := range 20 {
		keys := []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion}[:1+i%2]
		require.NoError(t, known.Set(headroom("one", keys...)))
		inv.Refresh(nodes, false)
		require.Len(t, inv.Units(nil, inv.Node("n"), 0), len(keys))
	}
	require.Len(t, inv.keys, 2)
}
