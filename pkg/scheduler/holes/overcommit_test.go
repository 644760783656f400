package holes

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

func isUnit(pod *corev1.Pod) bool { return pod.Labels["unit"] != "" }

func on(name string, requests builders.Resources, unit bool, second int) *corev1.Pod {
	p := builders.Consumer(name, requests).UID(name).CreationTimestamp(metav1.NewTime(at(float64(second)))).Node("n")
	if unit {
		p = p.Label("unit", "yes")
	}
	return p.Obj()
}

func TestANodeThatIsOvercommittedLosesPlaceholders(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{
		"cpu": "4", "memory": "4Gi", "pods": "5", "ephemeral-storage": "4Gi", "example.org/nic": "4",
	}).Obj()
	cpu := func(quantity string) builders.Resources { return builders.Resources{"cpu": quantity} }
	disk := func(quantity string) builders.Resources { return builders.Resources{"ephemeral-storage": quantity} }
	devices := func(quantity string) builders.Resources { return builders.Resources{"example.org/nic": quantity} }
	leaving := on("u", cpu("1"), true, 2)
	leaving.DeletionTimestamp = &metav1.Time{Time: at(3)}
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want []string
	}{
		"another one than that which goes already": {pods: []*corev1.Pod{on("a", cpu("3"), false, 9), leaving, on("v", cpu("1"), true, 1)}, want: []string{"v"}},
		"none if there is room":                    {pods: []*corev1.Pod{on("a", cpu("3"), false, 0), on("u", cpu("1"), true, 1)}},
		"the youngest":                             {pods: []*corev1.Pod{on("a", cpu("3"), false, 9), on("u", cpu("1"), true, 1), on("v", cpu("1"), true, 2)}, want: []string{"v"}},
		"as many as it takes":                      {pods: []*corev1.Pod{on("a", cpu("4"), false, 9), on("u", cpu("1"), true, 1), on("v", cpu("1"), true, 2)}, want: []string{"v", "u"}},
		"none that could stay":                     {pods: []*corev1.Pod{on("a", cpu("3"), false, 9), on("u", cpu("2"), true, 1), on("v", cpu("500m"), true, 2)}, want: []string{"u"}},
		"of those of which one could stay the youngest": {pods: []*corev1.Pod{
			on("a", cpu("3600m"), false, 9), on("u", cpu("600m"), true, 1), on("v", cpu("400m"), true, 2), on("w", cpu("400m"), true, 3),
		}, want: []string{"w", "u"}},
		"those that hold the storage": {
			pods: []*corev1.Pod{on("a", disk("4Gi"), false, 9), on("u", disk("1Gi"), true, 1), on("v", cpu("1"), true, 2)}, want: []string{"u"},
		},
		"those that hold the devices": {
			pods: []*corev1.Pod{on("a", devices("4"), false, 9), on("u", devices("1"), true, 1), on("v", cpu("1"), true, 2)}, want: []string{"u"},
		},
		"all if that is not enough":       {pods: []*corev1.Pod{on("a", cpu("5"), false, 9), on("u", cpu("1"), true, 1)}, want: []string{"u"}},
		"none that hold another resource": {pods: []*corev1.Pod{on("a", cpu("5"), false, 9), on("u", builders.Resources{"memory": "1Gi"}, true, 1)}},
		"none for devices that dynamic resource allocation counts": {pods: []*corev1.Pod{
			on("a", builders.Resources{"example.org/gpu": "1"}, false, 0), on("u", builders.Resources{"example.org/gpu": "1"}, true, 1),
		}},
		"one where the number of pods is enough": {pods: []*corev1.Pod{on("a", nil, false, 0), on("b", nil, false, 0), on("c", nil, false, 0), on("d", nil, false, 0), on("u", cpu("1"), true, 1), on("v", cpu("1"), true, 2)}, want: []string{"v"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, victim := range Overcommitting(node, tc.pods, isUnit) {
				got = append(got, victim.Name)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// TestWhatGoesFromAnOvercommittedNodeIsEnoughAndNotTooMuch draws nodes.
func TestWhatGoesFromAnOvercommittedNodeIsEnoughAndNotTooMuch(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{"cpu": "10", "memory": "10"}).Obj()
	rapid.Check(t, func(t *rapid.T) {
		var pods []*corev1.Pod
		for i := range rapid.IntRange(0, 8).Draw(t, "pods") {
			pods = append(pods, on(fmt.Sprint(i), builders.Resources{
				"cpu":    fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "cpu")),
				"memory": fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "memory")),
			}, rapid.Bool().Draw(t, "unit"), rapid.IntRange(0, 3).Draw(t, "second")))
		}
		over := func(left []*corev1.Pod) (cpu, memory int64) {
			for _, p := range left {
				cpu += p.Spec.Containers[0].Resources.Requests.Cpu().Value()
				memory += p.Spec.Containers[0].Resources.Requests.Memory().Value()
			}
			return max(0, cpu-10), max(0, memory-10)
		}
		without := func(victims []*corev1.Pod) []*corev1.Pod {
			return slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return slices.Contains(victims, p) })
		}
		victims := Overcommitting(node, pods, isUnit)
		cpu, memory := over(without(victims))
		leastCPU, leastMemory := over(without(slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return !isUnit(p) })))
		require.Equal(t, [2]int64{leastCPU, leastMemory}, [2]int64{cpu, memory}, "as good as if all placeholders went")
		for _, victim := range victims {
			require.True(t, isUnit(victim))
			if cpu == 0 && memory == 0 {
				others := slices.DeleteFunc(slices.Clone(victims), func(p *corev1.Pod) bool { return p == victim })
				moreCPU, moreMemory := over(without(others))
				require.NotZero(t, moreCPU+moreMemory, "%s could have stayed", victim.Name)
			}
		}
	})
}
