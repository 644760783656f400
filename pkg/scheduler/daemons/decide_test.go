package daemons

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

func cpu(quantity string) builders.Resources { return builders.Resources{"cpu": quantity} }

// daemon is a pod of a DaemonSet that waits for a node.
func daemon(node, size string) *st.PodWrapper {
	pod := builders.Consumer("daemon", cpu(size)).Namespace("default").UID("daemon")
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "daemon", UID: "set", Controller: new(bool)}}
	*pod.OwnerReferences[0].Controller = true
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}},
	}}
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
	}}
	return pod
}

// unit is a reserved unit of a size on the node n, of so many seconds after the epoch.
func unit(name, size string, created int) *st.PodWrapper {
	pod := builders.Consumer(name, cpu(size)).Namespace("default").UID(name).Node("n").
		CreationTimestamp(metav1.NewTime(builders.Epoch().Add(time.Duration(created) * time.Second)))
	pod.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
	return pod
}

func running(name, size string) *st.PodWrapper {
	return builders.Consumer(name, cpu(size)).Namespace("default").UID(name).Node("n")
}

// ordinary is a unit that is not reserved, on the node n.
func ordinary(name, size string) *st.PodWrapper {
	return running(name, size).Label(v1alpha1.LabelHeadroom, "spare").Priority(-10)
}

// isOne reports whether a pod is a unit of either kind.
func isOne(pod *corev1.Pod) bool {
	return placeholder.IsReserved(pod) || pod.Labels[v1alpha1.LabelHeadroom] != ""
}

func names(pods []*corev1.Pod) []string {
	all := []string{}
	for _, pod := range pods {
		all = append(all, pod.Name)
	}
	return all
}

func TestNodeOf(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  *st.PodWrapper
		want string
	}{
		"a pod of a DaemonSet that waits": {daemon("n", "1"), "n"},
		"one that was not told yet":       {func() *st.PodWrapper { d := daemon("n", "1"); d.Status.Conditions = nil; return d }(), ""},
		"one whose scheduler failed": {func() *st.PodWrapper {
			d := daemon("n", "1")
			d.Status.Conditions[0].Reason = corev1.PodReasonSchedulerError
			return d
		}(), ""},
		"one that was scheduled meanwhile": {func() *st.PodWrapper {
			d := daemon("n", "1")
			d.Status.Conditions[0].Status = corev1.ConditionTrue
			return d
		}(), ""},
		"one that was told of something else":    {func() *st.PodWrapper { d := daemon("n", "1"); d.Status.Conditions[0].Type = corev1.PodReady; return d }(), ""},
		"one that no controller has":             {func() *st.PodWrapper { d := daemon("n", "1"); *d.OwnerReferences[0].Controller = false; return d }(), ""},
		"one for which others are preempted":     {daemon("n", "1").NominatedNodeName("n"), ""},
		"one that is bound":                      {daemon("n", "1").Node("n"), ""},
		"one that is being deleted":              {daemon("n", "1").Terminating(), ""},
		"a pod that may go to several nodes":     {func() *st.PodWrapper { d := daemon("n", "1"); d.Spec.Affinity = nil; return d }(), ""},
		"a pod of another kind for its one node": {func() *st.PodWrapper { d := daemon("n", "1"); d.OwnerReferences[0].Kind = "Job"; return d }(), ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, NodeOf(tc.pod.Obj())) })
	}
}

func TestVictims(t *testing.T) {
	for name, tc := range map[string]struct {
		pods  []*st.PodWrapper
		waits *st.PodWrapper
		want  []string
	}{
		"nothing if it fits":                           {[]*st.PodWrapper{unit("a", "2", 0)}, daemon("n", "1"), nil},
		"one that is enough":                           {[]*st.PodWrapper{unit("a", "4", 0)}, daemon("n", "1"), []string{"a"}},
		"the smallest that is enough":                  {[]*st.PodWrapper{unit("a", "2", 0), unit("b", "1", 0), unit("c", "1", 0).CreationTimestamp(metav1.NewTime(builders.Epoch().Add(-time.Hour)))}, daemon("n", "1"), []string{"b"}},
		"the youngest of those that are alike":         {[]*st.PodWrapper{unit("a", "1", 0), unit("b", "1", 9), unit("c", "2", 3)}, daemon("n", "1"), []string{"b"}},
		"few large ones rather than many small":        {[]*st.PodWrapper{unit("a", "500m", 0), unit("b", "500m", 0), unit("c", "1500m", 0), unit("d", "1500m", 0)}, daemon("n", "3"), []string{"c", "d"}},
		"none if all are not enough":                   {[]*st.PodWrapper{unit("a", "1", 0), running("r", "3")}, daemon("n", "2"), nil},
		"none if what is being deleted makes the room": {[]*st.PodWrapper{unit("a", "1", 0), running("r", "3").Terminating()}, daemon("n", "2"), nil},
		"none if a unit that is leaving is enough":     {[]*st.PodWrapper{unit("a", "2", 0).Terminating(), unit("b", "2", 0)}, daemon("n", "2"), nil},
		"one where a pod of low priority is no unit":   {[]*st.PodWrapper{unit("a", "2", 0), running("r", "2").Priority(-10)}, daemon("n", "2"), []string{"a"}},
		"none where a host port is in the way":         {[]*st.PodWrapper{unit("a", "3", 0), running("r", "1").HostPort(80)}, daemon("n", "1").HostPort(80), nil},
		"none where ordinary ones will do":             {[]*st.PodWrapper{unit("a", "2", 0), ordinary("o", "2")}, daemon("n", "2"), nil},
		"the fewest where ordinary ones go, too":       {[]*st.PodWrapper{unit("a", "1", 0), unit("b", "1", 9), ordinary("o", "2")}, daemon("n", "3"), []string{"b"}},
		"more where it preempts none":                  {[]*st.PodWrapper{unit("a", "1", 0), unit("b", "1", 9), ordinary("o", "2")}, daemon("n", "2").PreemptionPolicy(corev1.PreemptNever), []string{"a", "b"}},
		"more where ordinary ones are as high":         {[]*st.PodWrapper{unit("a", "1", 0), unit("b", "1", 9), ordinary("o", "2")}, daemon("n", "2").Priority(-10), []string{"a", "b"}},
		"none on another node":                         {[]*st.PodWrapper{unit("a", "4", 0)}, daemon("m", "1"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []*corev1.Pod
			for _, pod := range tc.pods {
				pods = append(pods, pod.Obj())
			}
			got := Victims(builders.Node("n", "", cpu("4")).Obj(), pods, tc.waits.Obj(), placeholder.IsReserved, isOne)
			require.ElementsMatch(t, tc.want, names(got))
		})
	}
}

// size is what a pod asks for, in cores and in GiB.
type size struct{ cores, memory int64 }

func drawSize(t *rapid.T, label string) size {
	return size{rapid.Int64Range(1, 4).Draw(t, label+" cores"), rapid.Int64Range(1, 4).Draw(t, label+" memory")}
}

// sized has a pod ask for that much.
func (s size) sized(pod *st.PodWrapper) *corev1.Pod {
	requests := pod.Spec.Containers[0].Resources.Requests
	requests[corev1.ResourceCPU] = *resource.NewQuantity(s.cores, resource.DecimalSI)
	requests[corev1.ResourceMemory] = *resource.NewQuantity(s.memory<<30, resource.BinarySI)
	return pod.Obj()
}

// TestAUnitThatHasToGoKeepsNoLargerOneFromStaying has one with most of the memory, one with most of the cores, and one between that is in
// nobody's way.
func TestAUnitThatHasToGoKeepsNoLargerOneFromStaying(t *testing.T) {
	pods := []*corev1.Pod{
		size{1, 3}.sized(unit("memory", "1", 0)), size{2, 1}.sized(unit("between", "1", 0)), size{3, 1}.sized(unit("cores", "1", 0)),
	}
	node := builders.Node("n", "", builders.Resources{"cpu": "6", "memory": "4Gi"}).Obj()
	victims := Victims(node, pods, size{2, 2}.sized(daemon("n", "1")), placeholder.IsReserved, isOne)
	require.ElementsMatch(t, []string{"memory", "cores"}, names(victims))
}

// TestWhatYieldsIsEnoughAndNoneCouldStay compares with arithmetic of its own.
func TestWhatYieldsIsEnoughAndNoneCouldStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pods []*corev1.Pod
		used := map[string]size{}
		for i := range rapid.IntRange(0, 8).Draw(t, "pods") {
			name, asks := fmt.Sprint("pod-", i), drawSize(t, "pod")
			pod, counts := running(name, "1"), asks
			switch rapid.SampledFrom([]string{"running", "reserved", "ordinary"}).Draw(t, "kind") {
			case "reserved":
				pod = unit(name, "1", i%2)
			case "ordinary":
				pod, counts = ordinary(name, "1"), size{} // its scheduler preempts it
			}
			pods, used[name] = append(pods, asks.sized(pod)), counts
		}
		wanted := drawSize(t, "wanted")
		fits := func(gone []string) bool {
			free := size{8 - wanted.cores, 8 - wanted.memory}
			for name, held := range used {
				if !slices.Contains(gone, name) {
					free = size{free.cores - held.cores, free.memory - held.memory}
				}
			}
			return free.cores >= 0 && free.memory >= 0
		}
		node := builders.Node("n", "", builders.Resources{"cpu": "8", "memory": "8Gi"}).Obj()
		victims := names(Victims(node, pods, wanted.sized(daemon("n", "1")), placeholder.IsReserved, isOne))
		var units []string
		for _, pod := range pods {
			if placeholder.IsReserved(pod) {
				units = append(units, pod.Name)
			}
		}
		require.Subset(t, append(units, ""), victims)
		if fits(nil) || !fits(units) {
			require.Empty(t, victims)
			return
		}
		require.True(t, fits(victims))
		for i := range victims {
			require.False(t, fits(append(append([]string{}, victims[:i]...), victims[i+1:]...)), "%s could stay", victims[i])
		}
		for _, name := range units {
			if fits([]string{name}) {
				require.Len(t, victims, 1, "%s alone would do", name)
			}
		}
	})
}

func TestSizesCompareByCPUThenMemory(t *testing.T) {
	small, large := unit("a", "1", 0).Obj(), unit("b", "1", 0).Obj()
	large.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
	require.Negative(t, compareSize(small, large))
	require.Positive(t, compareSize(unit("c", "2", 0).Obj(), large))
}
