package workload

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

func bound(name, app, cpu string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": app}}}
	pod.Spec.NodeName = "n1"
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
	}}}
	return pod
}

func countOf(t require.TestingT, p *pods, selector string) int {
	parsed, err := labels.Parse(selector)
	require.NoError(t, err)
	groups, problem := p.selected(parsed)
	require.Nil(t, problem)
	n := 0
	for _, group := range groups {
		n += group.Count
	}
	return n
}

func TestPodsAreCountedByLabelsAndRequests(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace([]any{bound("a", "web", "1"), bound("b", "web", "1"), bound("c", "web", "2"), bound("d", "batch", "1")}, ""))
	groups, problem := p.selected(labels.SelectorFromSet(labels.Set{"app": "web"}))
	require.Nil(t, problem)
	require.Len(t, groups, 2)
	require.Equal(t, 2, groups[0].Count)
	require.Equal(t, "2", groups[1].Requests.Cpu().String())

	require.NoError(t, p.Update(bound("a", "web", "2")))
	require.NoError(t, p.Delete(bound("b", "web", "1")))
	groups, _ = p.selected(labels.SelectorFromSet(labels.Set{"app": "web"}))
	require.Len(t, groups, 1)
	require.Equal(t, 2, groups[0].Count)
}

func TestPodsThatAreBeingDeletedDoNotCount(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace([]any{bound("a", "web", "1")}, ""))
	leaving := bound("a", "web", "1")
	leaving.DeletionTimestamp = &metav1.Time{}
	require.NoError(t, p.Update(leaving))
	require.Zero(t, countOf(t, p, "app=web"))
	require.NoError(t, p.Delete(leaving), "which was counted no more")
	require.Zero(t, countOf(t, p, "app=web"))
}

func TestOnlyWhatChangesTheCountIsTold(t *testing.T) {
	p := newPods(nil, "shop")
	told := func() bool {
		select {
		case <-p.changes():
			return true
		default:
			return false
		}
	}
	require.NoError(t, p.Replace(nil, ""))
	require.True(t, told(), "that it was read")
	require.NoError(t, p.Add(bound("a", "web", "1")))
	require.True(t, told())
	same := bound("a", "web", "1")
	same.Annotations, same.Status.Phase = map[string]string{"x": "y"}, corev1.PodRunning
	require.NoError(t, p.Update(same))
	require.False(t, told())
	require.NoError(t, p.Update(bound("a", "web", "2")))
	require.True(t, told())
}

// Whatever comes and goes, the groups are those of a count of what is there.
func TestCountsNeverDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPods(nil, "shop")
		require.NoError(t, p.Replace(nil, ""))
		there := map[string]*corev1.Pod{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			pod := bound(fmt.Sprint("p", rapid.IntRange(0, 5).Draw(t, "pod")), rapid.SampledFrom([]string{"web", "batch"}).Draw(t, "app"),
				rapid.SampledFrom([]string{"1", "2"}).Draw(t, "cpu"))
			if rapid.Bool().Draw(t, "goes") {
				require.NoError(t, p.Delete(pod))
				delete(there, pod.Name)
				continue
			}
			require.NoError(t, p.Update(pod))
			there[pod.Name] = pod
		}
		for _, app := range []string{"web", "batch"} {
			want := 0
			for _, pod := range there {
				if pod.Labels["app"] == app {
					want++
				}
			}
			require.Equal(t, want, countOf(t, p, "app="+app))
		}
		require.Len(t, p.byName, len(there))
		for _, group := range p.groups {
			require.Positive(t, group.Count)
		}
	})
}
