package promised

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// cpu is that many cores, and one of each device.
func cpu(cores int64, more ...corev1.ResourceName) corev1.ResourceList {
	return withDevice(corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(cores, resource.DecimalSI)}, more...)
}

// withDevice adds one of each to a list.
func withDevice(list corev1.ResourceList, names ...corev1.ResourceName) corev1.ResourceList {
	for _, name := range names {
		list[name] = resource.MustParse("1")
	}
	return list
}

func ofSize(cores int64, pods int64) corev1.ResourceList {
	list := cpu(cores)
	list[corev1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
	return list
}

// millis is that many thousandths of a core.
func millis(n int64) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(n, resource.DecimalSI)}
}

func placeholder(uid types.UID, requests corev1.ResourceList, priority int32) Pod {
	return Pod{UID: uid, Requests: requests, Priority: priority, Created: epoch, Unit: true}
}

func other(uid types.UID, requests corev1.ResourceList, priority int32) Pod {
	return Pod{UID: uid, Requests: requests, Priority: priority, Created: epoch}
}

// reservedFor is a reserved unit of one core of a Headroom with these consumers.
func reservedFor(t *testing.T, uid types.UID, consumers *v1alpha1.Consumers) Pod {
	t.Helper()
	rule, err := entitlement.Compile(types.NamespacedName{Namespace: "shop", Name: "spare"}, consumers)
	require.NoError(t, err)
	pod := placeholder(uid, cpu(1), 1_000_000)
	pod.Consumers = rule
	return pod
}

// labeled is a pod of a namespace with these labels, which both it and the namespace have.
func labeled(namespace string, labels map[string]string, priority int32) Pod {
	pod := other("w", cpu(1), priority)
	pod.Asks = entitlement.Consumer{Namespace: namespace, NamespaceLabels: labels, Labels: labels, Priority: priority}
	return pod
}

// TestReservedUnitsArePromisedToWhomTheirHeadroomNames has a node that is full of one reserved unit and an ordinary one, both of one core.
func TestReservedUnitsArePromisedToWhomTheirHeadroomNames(t *testing.T) {
	web := map[string]string{"app": "web"}
	selecting := &metav1.LabelSelector{MatchLabels: web}
	forWeb := &v1alpha1.Consumers{PodSelector: selecting}
	for name, tc := range map[string]struct {
		consumers *v1alpha1.Consumers
		pod       Pod
		want      []types.UID
	}{
		"the ordinary unit goes first, as it has the lower priority": {
			consumers: forWeb, pod: labeled("shop", web, 0), want: []types.UID{"ordinary"},
		},
		"a pod that is named is promised the reserved unit where it can have no other": {
			consumers: forWeb, pod: labeled("shop", web, -10), want: []types.UID{"reserved"},
		},
		"the labels of its namespace count": {
			consumers: &v1alpha1.Consumers{NamespaceSelector: selecting}, pod: labeled("else", web, -10), want: []types.UID{"reserved"},
		},
		"one that is not named is promised none":      {consumers: forWeb, pod: labeled("shop", nil, -10)},
		"nor one of another namespace":                {consumers: forWeb, pod: labeled("else", web, -10)},
		"nor any, if consumers name nobody":           {consumers: &v1alpha1.Consumers{MinPriority: ptr.To[int32](-10)}, pod: labeled("shop", web, -10)},
		"a pod of higher priority needs not be named": {consumers: forWeb, pod: labeled("shop", nil, 2_000_000), want: []types.UID{"ordinary"}},
	} {
		t.Run(name, func(t *testing.T) {
			node := Node{
				Allocatable: ofSize(2, 10), Waiting: []Pod{tc.pod},
				Bound: []Pod{reservedFor(t, "reserved", tc.consumers), placeholder("ordinary", cpu(1), -10)},
			}
			require.ElementsMatch(t, tc.want, Units(&node).UnsortedList())
		})
	}
}

func TestUnits(t *testing.T) {
	const gpu corev1.ResourceName = "example.com/gpu"
	younger := placeholder("younger", cpu(1), -10)
	younger.Created = epoch.Add(time.Minute)
	for name, tc := range map[string]struct {
		node Node
		want []types.UID
	}{
		"nobody waits": {node: Node{Allocatable: ofSize(2, 10), Bound: []Pod{placeholder("a", cpu(2), -10)}}},
		"who waits fits beside the units": {
			node: Node{Allocatable: ofSize(4, 10), Bound: []Pod{placeholder("a", cpu(2), -10)}, Waiting: []Pod{other("w", cpu(2), 0)}},
		},
		"it fits only without one": {
			node: Node{Allocatable: ofSize(4, 10), Bound: []Pod{placeholder("a", cpu(1), -10), other("x", cpu(2), 0)}, Waiting: []Pod{other("w", cpu(2), 0)}},
			want: []types.UID{"a"},
		},
		"the youngest of equals goes": {
			node: Node{Allocatable: ofSize(2, 10), Bound: []Pod{placeholder("a", cpu(1), -10), younger}, Waiting: []Pod{other("w", cpu(1), 0)}},
			want: []types.UID{"younger"},
		},
		"the one of lower priority goes": {
			node: Node{Allocatable: ofSize(2, 10), Bound: []Pod{placeholder("a", cpu(1), -11), younger}, Waiting: []Pod{other("w", cpu(1), 0)}},
			want: []types.UID{"a"},
		},
		"the number of pods counts": {
			node: Node{Allocatable: ofSize(9, 2), Bound: []Pod{placeholder("a", cpu(1), -10), other("x", cpu(1), 0)}, Waiting: []Pod{other("w", cpu(1), 0)}},
			want: []types.UID{"a"},
		},
		"parts of a core count": {
			node: Node{
				Allocatable: ofSize(1, 10), Bound: []Pod{placeholder("a", millis(500), -10), other("x", millis(400), 0)},
				Waiting: []Pod{other("w", millis(100), 0)},
			},
		},
		"a part of a core that is not there counts": {
			node: Node{
				Allocatable: ofSize(1, 10), Bound: []Pod{placeholder("a", millis(500), -10), other("x", millis(400), 0)},
				Waiting: []Pod{other("w", millis(101), 0)},
			},
			want: []types.UID{"a"},
		},
		"devices count": {
			node: Node{
				Allocatable: withDevice(ofSize(9, 10), "example.com/other", gpu),
				Bound:       []Pod{placeholder("a", cpu(1, gpu), -10), placeholder("b", cpu(1, "example.com/other"), -10)},
				Waiting:     []Pod{other("w", cpu(1, gpu), 0)},
			},
			want: []types.UID{"a"},
		},
		"two that wait share no unit, and get no more than two": {
			node: Node{
				Allocatable: ofSize(3, 10), Bound: []Pod{placeholder("a", cpu(1), -10), younger, placeholder("b", cpu(1), -5)},
				Waiting: []Pod{other("v", cpu(1), 0), other("w", cpu(1), 5)},
			},
			want: []types.UID{"a", "younger"},
		},
		"who has the higher priority is served first, and leaves the other none that it may take": {
			node: Node{
				Allocatable: ofSize(2, 10), Bound: []Pod{placeholder("a", cpu(1), -10), placeholder("b", cpu(1), -5)},
				Waiting: []Pod{other("low", cpu(1), -7), other("middle", cpu(1), 0)},
			},
			want: []types.UID{"a"},
		},
		"a pod of no higher priority is promised nothing": {
			node: Node{Allocatable: ofSize(1, 10), Bound: []Pod{placeholder("a", cpu(1), -10)}, Waiting: []Pod{other("w", cpu(1), -10)}},
		},
		"all, if even they are not enough": {
			node: Node{Allocatable: ofSize(4, 10), Bound: []Pod{placeholder("a", cpu(1), -10), younger, other("x", cpu(2), 0)}, Waiting: []Pod{other("w", cpu(3), 0)}},
			want: []types.UID{"a", "younger"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, tc.want, Units(&tc.node).UnsortedList())
		})
	}
}

// TestEachResourceCounts has a node that has four of each, of which two are one unit's and one another pod's.
func TestEachResourceCounts(t *testing.T) {
	for _, name := range []corev1.ResourceName{
		corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, "example.com/gpu", "hugepages-2Mi",
	} {
		t.Run(string(name), func(t *testing.T) {
			of := func(n int64) corev1.ResourceList {
				return corev1.ResourceList{name: *resource.NewQuantity(n, resource.DecimalSI)}
			}
			for wanted, want := range map[int64][]types.UID{0: nil, 1: nil, 2: {"a"}, 3: {"a"}} {
				node := Node{
					Allocatable: of(4), Bound: []Pod{other("x", of(1), 0), placeholder("a", of(2), -10)},
					Waiting: []Pod{other("w", of(wanted), 0)},
				}
				node.Allocatable[corev1.ResourcePods] = resource.MustParse("10")
				require.ElementsMatch(t, want, Units(&node).UnsortedList(), "%d are wanted", wanted)
			}
		})
	}
}

// TestWhatIsPromisedIsNeededAndEnough compares the decision with what it is for, by arithmetic of its own.
func TestWhatIsPromisedIsNeededAndEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := Node{Allocatable: ofSize(rapid.Int64Range(4, 12).Draw(t, "cores"), rapid.Int64Range(2, 12).Draw(t, "pods"))}
		for i := range rapid.IntRange(0, 8).Draw(t, "bound") {
			pod := other(types.UID(fmt.Sprint("pod-", i)), cpu(rapid.Int64Range(1, 3).Draw(t, "size")), 0)
			if rapid.Bool().Draw(t, "is a unit") {
				pod.Unit, pod.Priority = true, rapid.SampledFrom([]int32{-10, -5}).Draw(t, "priority")
			}
			node.Bound = append(node.Bound, pod)
		}
		priorities := rapid.SampledFrom([][]int32{{0}, {0, 10}, {-7}, {-10}, {-7, 0}}).Draw(t, "priorities")
		for i := range rapid.IntRange(1, 3).Draw(t, "waiting") {
			node.Waiting = append(node.Waiting, other(types.UID(fmt.Sprint("waits-", i)),
				cpu(rapid.Int64Range(1, 3).Draw(t, "size")), rapid.SampledFrom(priorities).Draw(t, "priority")))
		}
		listed := slices.Clone(node.Waiting)
		promised := Units(&node)
		require.Equal(t, listed, node.Waiting, "the list belongs to who asks")

		highest := slices.MaxFunc(node.Waiting, func(a, b Pod) int { return int(a.Priority - b.Priority) }).Priority
		lower := sets.New[types.UID]()
		for _, pod := range node.Bound {
			if pod.Unit && pod.Priority < highest {
				lower.Insert(pod.UID)
			}
		}
		require.True(t, lower.IsSuperset(promised), "only units that have to make way")
		if fits(&node, nil) {
			require.Empty(t, promised, "no unit is in anybody's way")
		}
		if len(priorities) == 1 && fits(&node, lower) {
			require.True(t, fits(&node, promised), "without them all that wait fit")
		}
		if len(node.Waiting) == 1 && fits(&node, lower) {
			for uid := range promised {
				require.False(t, fits(&node, promised.Clone().Delete(uid)), "%s could stay", uid)
			}
		}
		again := node
		again.Bound, again.Waiting = slices.Clone(node.Bound), slices.Clone(node.Waiting)
		slices.Reverse(again.Bound)
		slices.Reverse(again.Waiting)
		require.Equal(t, promised, Units(&again), "the order in which pods are listed does not matter")
	})
}

// fits reports whether everything on a node and everything that waits for it has room there without some units.
func fits(node *Node, without sets.Set[types.UID]) bool {
	cores, pods := node.Allocatable.Cpu().Value(), node.Allocatable.Pods().Value()
	for _, pod := range slices.Concat(node.Bound, node.Waiting) {
		if !without.Has(pod.UID) {
			cores -= pod.Requests.Cpu().Value()
			pods--
		}
	}
	return cores >= 0 && pods >= 0
}
