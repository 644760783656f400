package scheduling

import (
	"flag"
	"fmt"
	"testing"

	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"
	"k8s.io/utils/clock"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/perf/scheduling/recorder"
)

// Namespaces of the scenarios whose pods are measured.
const (
	consumers = "measured"
	ordinary  = "ordinary"
)

// registry has the plugins that are not kube-scheduler's own.
var registry = frameworkruntime.Registry{headroom.Name: headroom.New, headroom.QueueSortName: headroom.NewQueueSort, deletingName: newDeleting}

// observe makes every workload prove that nothing happened in it that never may: no pod but a placeholder evicted, no node
// overcommitted. It costs time: do not measure with it.
var observe = flag.Bool("observe", false, "judge the history of every workload; not for measuring")

// run runs one scenario file, and hands what was recorded of each of its workloads to report. Without report nothing is recorded.
func run(b *testing.B, scenario, topic string, crd []byte, report func(*testing.B, recorder.Result)) {
	var workload *perf.Workload
	perf.RunBenchmarkPerfScheduling(b, scenario, topic, registry,
		perf.WithPreRunFn(func(_ ktesting.TContext, w *perf.Workload) (func(), error) {
			workload = w
			return nil, nil
		}),
		perf.WithPrepareFn(func(tCtx ktesting.TContext) error {
			b, isBenchmark := tCtx.TB().(*testing.B)
			if !isBenchmark {
				return fmt.Errorf("a workload was started by %T instead of a benchmark", tCtx.TB())
			}
			if err := installHeadrooms(tCtx, tCtx.Dynamic(), crd, workload); err != nil {
				return err
			}
			if report == nil {
				return nil
			}
			r, err := recorder.Start(tCtx, tCtx.RESTConfig(), clock.RealClock{}, consumers, ordinary)
			if err != nil {
				return err
			}
			if *observe {
				observer.Require(b, tCtx.RESTConfig(), observer.Rules{})
			}
			// Runs before scheduler_perf's own clean-up stops the scheduler and the API server.
			b.Cleanup(func() {
				result, err := r.Stop(tCtx)
				if err != nil {
					b.Errorf("recording %s: %v", b.Name(), err)
					return
				}
				report(b, result)
			})
			return nil
		}))
}

// reportAll adds what was recorded to the benchmark's line.
func reportAll(b *testing.B, r recorder.Result) {
	main := r.Namespaces[consumers]
	if flood := r.Namespaces[ordinary]; flood.Pods > 0 {
		b.ReportMetric(float64(flood.Bound)/flood.Duration.Seconds(), "ordinary-pods/s")
		b.ReportMetric(float64(flood.P99.Milliseconds()), "ordinary-p99-ms")
	}
	// Per pod created, not per pod bound: refused pods cost attempts and writes too.
	pods := 0
	for _, summary := range r.Namespaces {
		pods += summary.Pods
	}
	each := func(total float64, unit string) {
		if pods > 0 {
			b.ReportMetric(total/float64(pods), unit)
		}
	}
	b.ReportMetric(main.Duration.Seconds(), "burst-s")
	if main.Duration > 0 {
		b.ReportMetric(float64(main.Bound)/main.Duration.Seconds(), "pods/s")
	}
	b.ReportMetric(main.Median.Seconds()*1000, "p50-ms")
	b.ReportMetric(main.P99.Seconds()*1000, "p99-ms")
	b.ReportMetric(float64(main.Pods), "pods")
	b.ReportMetric(float64(main.Bound), "bound")
	b.ReportMetric(float64(main.Refused), "marked-unschedulable")
	if main.Pods > main.Bound {
		b.ReportMetric(main.RefusedP99.Seconds()*1000, "refused-p99-ms")
	}
	each(r.Counters.Attempts, "attempts/pod")
	each(r.Counters.Writes(), "writes/pod")
	each(r.Counters.Binds, "binds/pod")
	each(r.Counters.Deletes, "deletes/pod")
	each(r.Counters.StatusWrites, "status-writes/pod")
	each(r.Counters.Events, "events/pod")
	each(r.CPU.Seconds()*1000, "process-cpu-ms/pod")
	reportShares(b, pods)
	each(float64(r.AllocBytes)/1024, "alloc-KiB/pod")
	each(float64(r.Allocs), "allocs/pod")
	b.ReportMetric(float64(r.PeakHeap)/(1<<20), "live-heap-MiB")
}
