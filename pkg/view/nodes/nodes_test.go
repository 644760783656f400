package nodes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/table"
	"github.com/headroom-dev/headroom/test/golden"
)

func node(name, zone, cpu string) *corev1.Node {
	n := &corev1.Node{}
	n.Name = name
	if zone != "" {
		n.Labels = map[string]string{corev1.LabelTopologyZone: zone}
	}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("10")}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

func pod(name, node, cpu string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Namespace, p.Name, p.Spec.NodeName = "shop", name, node
	p.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
	}}}
	return p
}

func unit(name, node, cpu string) *corev1.Pod {
	p := pod(name, node, cpu)
	p.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
	p.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom, Name: "web", UID: "web", Controller: ptr.To(true),
	}}
	return p
}

// input has zone a with two nodes, one of them cordoned, zone b with a full one and one that an autoscaler takes away, and one without zone.
func input() Input {
	cordoned, leaving, broken := node("ip-10-0-1-2.eu.internal", "eu-1a", "4"), node("ip-10-0-2-2.eu.internal", "eu-1b", "4"), node("edge", "", "2")
	cordoned.Spec.Unschedulable = true
	leaving.Spec.Taints = []corev1.Taint{{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}}
	broken.Status.Conditions = nil
	ended, failed := pod("ended", "edge", "1"), pod("failed", "edge", "1")
	ended.Status.Phase, failed.Status.Phase = corev1.PodSucceeded, corev1.PodFailed
	stray := pod("stray", "ip-10-0-1-2.eu.internal", "1")
	stray.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
	return Input{
		Nodes: []*corev1.Node{
			leaving, node("ip-10-0-1-1.eu.internal", "eu-1a", "8"), cordoned, broken, node("ip-10-0-2-1.eu.internal", "eu-1b", "4"),
		},
		NodesSeen: true,
		Pods: []*corev1.Pod{
			pod("a", "ip-10-0-1-1.eu.internal", "5"), unit("u-1", "ip-10-0-1-1.eu.internal", "1"), unit("u-2", "ip-10-0-1-1.eu.internal", "1"),
			stray, pod("b", "ip-10-0-2-1.eu.internal", "3990m"), unit("u-3", "ip-10-0-2-1.eu.internal", "10m"),
			ended, failed, unit("u-4", "", "1"), pod("gone", "no-longer-there", "1"),
		},
		DaemonSets: func(string, string, types.UID) (types.NamespacedName, bool) { return types.NamespacedName{}, false },
		Resource:   corev1.ResourceCPU, ZoneKey: corev1.LabelTopologyZone,
	}
}

func TestTheTextIsTheOneOnRecord(t *testing.T) {
	report := New(input())
	for _, width := range []int{0, 40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			text := report.Text(table.Style{Width: width})
			golden.Check(t, fmt.Sprintf("nodes-%d.txt", width), text)
			for line := range strings.SplitSeq(text, "\n") {
				require.True(t, width == 0 || ansi.StringWidth(line) <= width, "%q", line)
			}
			require.Equal(t, text, ansi.Strip(report.Text(table.Style{Width: width, Color: true})), "colors move nothing")
		})
	}
}

func TestWhatIsUsedHeldAndFreeAddsUp(t *testing.T) {
	report := New(input())
	require.Equal(t, 3, report.Total.Units)
	require.Equal(t, 1, report.Waiting)
	require.Equal(t, "22", report.Total.Allocatable.String())
	for _, zone := range report.Zones {
		for _, n := range zone.Nodes {
			sum := n.Used.DeepCopy()
			sum.Add(n.Headroom)
			sum.Add(n.Free)
			require.Zero(t, sum.Cmp(n.Allocatable), n.Name)
		}
	}
	states := map[string]State{}
	for _, zone := range report.Zones {
		for _, n := range zone.Nodes {
			states[n.Name] = n.State
		}
	}
	require.Equal(t, map[string]State{
		"edge": NotReady, "ip-10-0-1-1.eu.internal": Ready, "ip-10-0-1-2.eu.internal": Cordoned, "ip-10-0-2-1.eu.internal": Ready,
		"ip-10-0-2-2.eu.internal": Leaving,
	}, states)
}

func TestAUnitOnNoNodeThatIsBeingDeletedDoesNotWait(t *testing.T) {
	in := input()
	leaving := unit("u-5", "", "1")
	leaving.DeletionTimestamp = &metav1.Time{}
	in.Pods = append(in.Pods, leaving)
	require.Equal(t, 1, New(in).Waiting)
}

func TestANodeThatIsOverfullHasNothingFree(t *testing.T) {
	in := input()
	in.Pods = append(in.Pods, unit("u-5", "edge", "1"), pod("c", "edge", "2"))
	report := New(in)
	edge := report.Zones[0].Nodes[0]
	require.Equal(t, "edge", edge.Name)
	require.True(t, edge.Free.IsZero(), "and not %s", edge.Free.String())
	without := input()
	without.Nodes = slices.DeleteFunc(without.Nodes, func(n *corev1.Node) bool { return n.Name == "edge" })
	require.Zero(t, report.Total.Free.Cmp(New(without).Total.Free), "nor takes it away from others")
}

func TestAPodThatOnlyHasTheLabelIsUsedRoom(t *testing.T) {
	report := New(input())
	cordoned := report.Zones[1].Nodes[1]
	require.Equal(t, "ip-10-0-1-2.eu.internal", cordoned.Name)
	require.Equal(t, "1", cordoned.Used.String())
	require.Zero(t, cordoned.Units)
}

func TestNodesThatCannotBeLookedAtShowWhatIsOnThem(t *testing.T) {
	in := input()
	in.Nodes, in.NodesSeen = nil, false
	report := New(in)
	require.Len(t, report.Zones, 1)
	require.Equal(t, 3, report.Total.Units)
	for _, n := range report.Zones[0].Nodes {
		require.Equal(t, Unknown, n.State)
	}
	text := report.Text(table.Style{Width: 80})
	require.NotContains(t, text, "%", "there is no share of a size that is not known")
	require.Contains(t, text, "?")
}

func TestOnlyNodesWithHeadroomCanBeListed(t *testing.T) {
	in := input()
	all := New(in).Total
	in.OnlyHeadroom = true
	report := New(in)
	require.Equal(t, all, report.Total, "sums are those of all nodes")
	listed := 0
	for _, zone := range report.Zones {
		for _, n := range zone.Nodes {
			require.Positive(t, n.Units)
			listed++
		}
	}
	require.Equal(t, 2, listed)
}

func TestPodsAreAResourceLikeOthers(t *testing.T) {
	in := input()
	in.Resource = corev1.ResourcePods
	report := New(in)
	require.Equal(t, "3", report.Total.Used.String())
	require.Equal(t, "3", report.Total.Headroom.String())
}

// benchmarkInput has 5,000 nodes with 20 pods each.
func benchmarkInput() Input {
	in := input()
	in.Nodes, in.Pods = nil, nil
	for i := range 5000 {
		name := fmt.Sprintf("node-%04d", i)
		in.Nodes = append(in.Nodes, node(name, fmt.Sprintf("zone-%d", i%3), "32"))
		for j := range 20 {
			in.Pods = append(in.Pods, pod(fmt.Sprintf("p-%d-%d", i, j), name, "1"))
		}
		in.Pods = append(in.Pods, unit(fmt.Sprintf("u-%d", i), name, "1"))
	}
	return in
}

// BenchmarkFiveThousandNodes is what "kubectl headroom nodes --watch" does at each look, and at each change of the terminal's size.
func BenchmarkFiveThousandNodes(b *testing.B) {
	in := benchmarkInput()
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			New(in)
		}
	})
	report := New(in)
	for _, width := range []int{40, 80, 200} {
		b.Run(fmt.Sprintf("draw at %d columns", width), func(b *testing.B) {
			for b.Loop() {
				report.Text(table.Style{Width: width, Color: true})
			}
		})
	}
}

func TestWhyANodeTakesNoPods(t *testing.T) {
	leaving := []corev1.Taint{{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}}
	for name, tc := range map[string]struct {
		ready    corev1.ConditionStatus
		cordoned bool
		taints   []corev1.Taint
		want     State
	}{
		"it takes some":             {ready: corev1.ConditionTrue, want: Ready},
		"its kubelet is gone":       {ready: corev1.ConditionUnknown, want: NotReady},
		"it is not ready":           {ready: corev1.ConditionFalse, want: NotReady},
		"cordoned":                  {ready: corev1.ConditionTrue, cordoned: true, want: Cordoned},
		"not ready, and cordoned":   {ready: corev1.ConditionFalse, cordoned: true, want: NotReady},
		"leaving, and all the rest": {ready: corev1.ConditionFalse, cordoned: true, taints: leaving, want: Leaving},
		"a taint that means nothing": {
			ready: corev1.ConditionTrue, taints: []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}, want: Ready,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := node("n", "a", "1")
			n.Spec.Unschedulable, n.Spec.Taints = tc.cordoned, tc.taints
			n.Status.Conditions = []corev1.NodeCondition{
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: tc.ready},
			}
			require.Equal(t, tc.want, stateOf(n))
		})
	}
}

func TestADaemonSetsUnitIsHeadroom(t *testing.T) {
	in := input()
	of := unit("u-5", "edge", "1")
	of.OwnerReferences[0].APIVersion, of.OwnerReferences[0].Kind, of.OwnerReferences[0].UID = "apps/v1", "DaemonSet", "d"
	in.Pods = append(in.Pods, of)
	require.Equal(t, 3, New(in).Total.Units, "a DaemonSet of nobody")
	in.DaemonSets = func(_, _ string, uid types.UID) (types.NamespacedName, bool) {
		return types.NamespacedName{Namespace: "shop", Name: "web"}, uid == "d"
	}
	require.Equal(t, 4, New(in).Total.Units)
}

func TestNodesOfOneHostNameHaveTheirWholeNames(t *testing.T) {
	in := input()
	style := table.Style{Width: 80}
	report := New(in)
	require.NotContains(t, report.Text(style), "eu.internal")
	in.Nodes = append(in.Nodes, node("edge.us.internal", "", "1"))
	report = New(in)
	require.Contains(t, report.Text(style), "  edge.us.internal ")
	require.Contains(t, report.Text(style), "eu.internal")
}

func TestHowManyUnitsWaitIsTold(t *testing.T) {
	in := input()
	style := table.Style{Width: 80}
	report := New(in)
	require.Contains(t, report.Text(style), "1 unit waits for a node\n")
	in.Pods = append(in.Pods, unit("u-6", "", "1"))
	report = New(in)
	require.Contains(t, report.Text(style), "2 units wait for a node\n")
	in.Pods = nil
	report = New(in)
	require.NotContains(t, report.Text(style), "for a node")
}

func TestZonesAreTheValuesOfTheLabelThatIsAskedFor(t *testing.T) {
	in := input()
	in.ZoneKey = "rack"
	in.Nodes[0].Labels["rack"], in.Nodes[1].Labels["rack"] = "r2", "r1"
	var zones []string
	for _, zone := range New(in).Zones {
		zones = append(zones, fmt.Sprintf("%s:%d", zone.Name, zone.Count))
	}
	require.Equal(t, []string{":3", "r1:1", "r2:1"}, zones)
}

func TestASizeThatIsNotKnownIsNotZero(t *testing.T) {
	in := input()
	in.Nodes, in.NodesSeen = nil, false
	report := New(in)
	rows := 0
	for line := range strings.Lines(report.Text(table.Style{Width: 200})) {
		if cells := strings.Fields(line); len(cells) > 1 && cells[len(cells)-1] == string(Unknown) {
			rows++
			require.Equal(t, "?", cells[len(cells)-2], line)
		}
	}
	require.Len(t, report.Zones[0].Nodes, rows)
}
