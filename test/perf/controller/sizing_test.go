package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	// headrooms is how many there are, of one unit each.
	headrooms = 200
	// replaced is how many of the foreign pods are deleted and made anew while it is measured.
	replaced = 5_000
)

// BenchmarkSizing runs the binary on a cluster of 50,000 pods of 200 workloads, with 200 Headrooms of one unit: without sizing, and with
// three rules each. It reports memory, and CPU time: until it has started and the Headrooms are made, while 5,000 pods are deleted and
// made anew, and 20 seconds at rest; of several runs the median. At most 1.5 times as much with rules is wanted;
// docs/benchmarks-controller.md says what was reached.
func BenchmarkSizing(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	namespace := clustertest.Namespace(b, c, nil)
	foreign := func(i int) *corev1.Pod {
		pod := foreignPod(namespace, i)
		pod.Labels["app"] = fmt.Sprint("app-", i%headrooms)
		return pod
	}
	inParallel(b, nodes, func(i int) error { return createNode(b, cl, node(i)) })
	inParallel(b, foreignPods, func(i int) error { return cl.Create(b.Context(), foreign(i)) })
	for _, rules := range []bool{false, true} {
		b.Run(map[bool]string{false: "Static", true: "ThreeRules"}[rules], func(b *testing.B) {
			measured := map[string][]float64{}
			for b.Loop() {
				controller, err := c.RunController(b.Context())
				require.NoError(b, err)
				inParallel(b, headrooms, func(i int) error { return cl.Create(b.Context(), small(namespace, i, rules)) })
				require.Eventually(b, func() bool {
					list := &v1alpha1.HeadroomList{}
					require.NoError(b, cl.List(b.Context(), list, client.InNamespace(namespace)))
					for i := range list.Items {
						if list.Items[i].Status.Replicas != 1 || rules && list.Items[i].Status.Sizing.Rules[0].Replicas != 3 {
							return false
						}
					}
					return len(list.Items) == headrooms
				}, 2*time.Minute, 100*time.Millisecond)
				made := processorTime(b, controller.PID())
				inParallel(b, replaced, func(i int) error {
					if err := cl.Delete(b.Context(), foreign(i), client.GracePeriodSeconds(0)); err != nil {
						return err
					}
					return cl.Create(b.Context(), foreign(i))
				})
				replacing := processorTime(b, controller.PID())
				<-time.After(settled)
				cpu := processorTime(b, controller.PID())
				for unit, value := range map[string]float64{
					"peak-MiB": memory(b, controller.PID(), "VmHWM"), "anonymous-MiB": memory(b, controller.PID(), "RssAnon"),
					"cpu-s": cpu.Seconds(), "start-cpu-s": made.Seconds(),
					"replacing-cpu-s": (replacing - made).Seconds(), "rest-cpu-s": (cpu - replacing).Seconds(),
				} {
					measured[unit] = append(measured[unit], value)
				}
				controller.Stop()
				require.NoError(b, cl.DeleteAllOf(b.Context(), &v1alpha1.Headroom{}, client.InNamespace(namespace)))
				require.NoError(b, cl.DeleteAllOf(b.Context(), &corev1.Pod{}, client.InNamespace(namespace),
					client.HasLabels{v1alpha1.LabelHeadroom}, client.GracePeriodSeconds(0)))
			}
			for unit, values := range measured {
				slices.Sort(values)
				b.Logf("%s: %v", unit, values)
				b.ReportMetric(values[len(values)/2], unit)
			}
		})
	}
}

// small is a Headroom of one unit, whose rules ask for no more than that: 1 % of 250 pods is 3, and max is 1.
func small(namespace string, i int, rules bool) *v1alpha1.Headroom {
	h := headroom(namespace)
	h.Name, h.Spec.Replicas = fmt.Sprint("web-", i), ptr.To[int32](1)
	if !rules {
		return h
	}
	pods := &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("app-", i)}}
	h.Spec.Sizing = &v1alpha1.Sizing{Max: ptr.To[int32](1), Rules: []v1alpha1.SizingRule{
		{Name: "count", PercentOf: &v1alpha1.PercentOf{Percent: 1, Pods: pods}},
		{Name: "requests", PercentOf: &v1alpha1.PercentOf{Percent: 1, Pods: pods, By: v1alpha1.PercentOfRequests}},
		{Name: "learned", Demand: &v1alpha1.Demand{}},
	}}
	return h
}
