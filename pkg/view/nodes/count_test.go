package nodes

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func cpu(amount string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount)}}
}

func TestAPodIsCountedAsTheSchedulerCountsIt(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   string
	}{
		"one container":        {func(*corev1.Pod) {}, "1"},
		"none of the resource": {func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = nil }, "0"},
		"two containers": {func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "more", Resources: cpu("500m")})
		}, "1500m"},
		"a larger one that comes first": {func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Resources: cpu("3")}}
		}, "3"},
		"a smaller one that comes first": {func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Resources: cpu("500m")}}
		}, "1"},
		"a sidecar": {func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "sidecar", RestartPolicy: &always, Resources: cpu("500m")}}
		}, "1500m"},
		"overhead": {func(p *corev1.Pod) {
			p.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}
		}, "1250m"},
		"requests of the pod as a whole": {func(p *corev1.Pod) {
			whole := cpu("4")
			p.Spec.Resources = &whole
		}, "4"},
		"it is made larger": {func(p *corev1.Pod) { // until the kubelet has done it, the larger amount counts
			p.Spec.Containers[0].Resources = cpu("2")
			actual := cpu("1")
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: actual.Requests, Resources: &actual}}
		}, "2"},
		"it is made smaller": {func(p *corev1.Pod) {
			actual := cpu("3")
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: actual.Requests, Resources: &actual}}
		}, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod("p", "n", "1")
			tc.change(p)
			got := requestOf(p, corev1.ResourceCPU)
			require.Zero(t, got.Cmp(resource.MustParse(tc.want)), "got %s", got.String())
			one := requestOf(p, corev1.ResourcePods)
			require.EqualValues(t, 1, one.Value(), "it is one pod, whatever it requests")
		})
	}
}

// TestWhichPodsCountOnANode: those that are bound, until they have ended.
func TestWhichPodsCountOnANode(t *testing.T) {
	ended := func(phase corev1.PodPhase) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Status.Phase = phase } }
	for name, tc := range map[string]struct {
		change               func(*corev1.Pod)
		onNode, waits, known bool
	}{
		"running":               {change: ended(corev1.PodRunning), onNode: true, known: true},
		"bound, not started":    {change: ended(corev1.PodPending), onNode: true, known: true},
		"of an unknown phase":   {change: ended(corev1.PodUnknown), onNode: true, known: true},
		"succeeded":             {change: ended(corev1.PodSucceeded), known: true},
		"failed":                {change: ended(corev1.PodFailed), known: true},
		"being deleted":         {change: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, onNode: true, known: true},
		"on no node":            {change: func(p *corev1.Pod) { p.Spec.NodeName = "" }, waits: true, known: true},
		"ended before a node":   {change: func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodFailed }, known: true},
		"on a node of the past": {change: func(p *corev1.Pod) { p.Spec.NodeName = "gone" }, known: true},
		"on a node not seen":    {change: func(p *corev1.Pod) { p.Spec.NodeName = "gone" }, onNode: true},
	} {
		for kind, p := range map[string]*corev1.Pod{"a unit": unit("p", "n", "1"), "another pod": pod("p", "n", "1")} {
			t.Run(name+", "+kind, func(t *testing.T) {
				in := input()
				in.Nodes, in.Pods, in.NodesSeen = []*corev1.Node{node("n", "a", "4")}, []*corev1.Pod{p}, tc.known
				tc.change(p)
				total := New(in).Total
				headroom, used, units := "0", "0", 0
				switch {
				case tc.onNode && kind == "a unit":
					headroom, units = "1", 1
				case tc.onNode:
					used = "1"
				}
				require.Equal(t, []any{headroom, used, units}, []any{total.Headroom.String(), total.Used.String(), total.Units})
				waiting := 0
				if tc.waits && kind == "a unit" {
					waiting = 1
				}
				require.Equal(t, waiting, New(in).Waiting)
			})
		}
	}
}

func TestNodesThatAreLeftOutCountInTheirZonesAllTheSame(t *testing.T) {
	in := input()
	all := New(in)
	in.OnlyHeadroom = true
	some := New(in)
	require.Len(t, some.Zones, len(all.Zones))
	for i := range all.Zones {
		require.Equal(t, all.Zones[i].Name, some.Zones[i].Name)
		require.Equal(t, all.Zones[i].Total, some.Zones[i].Total)
		require.Equal(t, all.Zones[i].Count, some.Zones[i].Count)
		require.LessOrEqual(t, len(some.Zones[i].Nodes), some.Zones[i].Count)
	}
	lines := func(r Report) []string {
		var found []string
		for _, line := range textLines(&r) {
			if line[0] != ' ' {
				found = append(found, line)
			}
		}
		return found
	}
	require.Equal(t, lines(all), lines(some), "and in the lines of the text that are sums")
}

func TestJSONHasListsWhereThereIsNothing(t *testing.T) {
	in := input()
	in.Nodes, in.Pods, in.OnlyHeadroom = in.Nodes[:1], nil, true
	report := New(in)
	text, err := json.Marshal(report.Zones)
	require.NoError(t, err)
	require.Contains(t, string(text), `"nodes":[]`)
	in.Nodes = nil
	text, err = json.Marshal(New(in))
	require.NoError(t, err)
	require.Contains(t, string(text), `"zones":[]`)
}

func TestWhatIsAllocatableStaysAsTheNodeSaysIt(t *testing.T) {
	in := input()
	allocatable := in.Nodes[1].Status.Allocatable.DeepCopy()
	report := New(in)
	require.Equal(t, allocatable, in.Nodes[1].Status.Allocatable)
	first := report.Zones[1].Nodes[0]
	require.Equal(t, []string{"8", "5", "2", "1"}, []string{
		first.Allocatable.String(), first.Used.String(), first.Headroom.String(), first.Free.String(),
	})
}

func TestASizeBeyondSixtyFourBitsIsSharedOutToo(t *testing.T) {
	const huge = "100000000000000000000001"
	in := input()
	in.Nodes, in.Pods = []*corev1.Node{node("n", "a", huge)}, []*corev1.Pod{pod("p", "n", "1")}
	total := New(in).Total
	require.Zero(t, total.Allocatable.Cmp(resource.MustParse(huge)), total.Allocatable.String())
	require.Zero(t, in.Nodes[0].Status.Allocatable.Cpu().Cmp(resource.MustParse(huge)), "the node is somebody else's")
	require.Negative(t, total.Free.Cmp(total.Allocatable))
}
