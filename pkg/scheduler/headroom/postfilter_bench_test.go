package headroom

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// BenchmarkPostFilter is all that is done for a pod that its cycle could not place, kube-scheduler's own preemption included, in a cluster
// that is full of placeholders which the pod may take (entitled) or not. A system-critical pod gets placeholders in PreFilter as a rule; here
// PostFilter is asked all the same.
func BenchmarkPostFilter(b *testing.B) {
	stays := metav1.LabelSelector{MatchLabels: map[string]string{"stays": "true"}}
	c := fullCluster(benchNodes)
	c.headrooms[0].Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	for i := range benchNodes {
		// The first app of each node stays, whatever comes.
		pod, priority := c.pods[i*(benchApps+1)+1], int32(nodeCritical)
		pod.Spec.Priority, pod.Labels = &priority, stays.MatchLabels
	}
	f := newFixture(b, c)
	for _, bench := range []struct {
		name     string
		consumer *st.PodWrapper
	}{
		{"entitled-but-too-large", benchPreemptor("4", 0).Label("app", "web")},
		{"nothing-of-lower-priority", benchPreemptor("1", 0)},
		{"running-pods-of-lower-priority", benchPreemptor("1", 1000)},
		{"running-pods-of-lower-priority-but-too-large", benchPreemptor("4", 1000)},
		{"running-pods-of-lower-priority-but-rejected-everywhere", benchPreemptor("1", 1000).PodAntiAffinity(
			corev1.LabelTopologyZone, &stays, st.PodAntiAffinityWithRequiredReq)},
		{"system-critical", benchPreemptor("1", scheduling.SystemCriticalPriority)},
	} {
		b.Run(bench.name, func(b *testing.B) { benchPostFilter(b, f, bench.consumer.Obj()) })
	}
}

func benchPreemptor(cpu string, priority int32) *st.PodWrapper {
	return builders.Consumer("consumer", builders.Resources{"cpu": cpu}).Namespace("default").Priority(priority)
}

func benchPostFilter(b *testing.B, f *fixture, pod *corev1.Pod) {
	b.Helper()
	// As the cycle leaves it: no node has the resources.
	statuses := framework.NewNodeToStatus(map[string]*fwk.Status{}, fwk.NewStatus(fwk.Unschedulable).WithPlugin(Name))
	store := f.handle.SharedInformerFactory().Core().V1().Pods().Informer().GetStore()
	var took []time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		// What preempts in the background must not hold up the next attempt.
		again := pod.DeepCopy()
		again.UID = types.UID(pod.Name + time.Duration(i).String())
		if err := store.Update(again); err != nil {
			b.Fatal(err)
		}
		_, state := f.decided(b, again)
		b.StartTimer()
		began := time.Now()
		f.framework.RunPostFilterPlugins(b.Context(), state, again, statuses)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
