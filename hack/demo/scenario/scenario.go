// Package scenario carries out the demo's runs: each on a cluster of its own, which is gone when the run is over.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/test/cluster"
)

// Scenario is what all runs have in common.
type Scenario struct {
	// Nodes that are full when a run begins, and the Zones that they lie in, in turn.
	Nodes, Zones int
	// NodeCPU is the size of a node in CPUs; a pod of the burst and a unit of headroom are one CPU each.
	NodeCPU int
	// Burst is the number of pods that come at once, and Headroom the number of units held before, in the runs with headroom.
	Burst, Headroom int
	// Autoscaler adds nodes, or does not.
	Autoscaler Autoscaler
	// Clock tells when things are seen.
	Clock clock.WithTicker
}

// Run is one run of the burst.
type Run struct {
	// Title is what is different about the run, in two words, and Scheduler the name of the burst's scheduler.
	Title, Scheduler string
	// Headroom reports whether there is headroom.
	Headroom bool
	// Plugin reports whether the burst's scheduler is headroom-scheduler; stock kube-scheduler if not.
	Plugin bool
}

// Runs are the runs of the demo, in order.
func Runs() []Run {
	return []Run{
		{Title: "no headroom", Scheduler: "kube-scheduler"},
		{Title: "headroom", Scheduler: "kube-scheduler", Headroom: true},
		{Title: "headroom", Scheduler: "headroom-scheduler", Headroom: true, Plugin: true},
	}
}

// Check fails when a program that the runs need is not built, or there is no room on the disk, and says what to do.
func (s Scenario) Check() error {
	if err := checkSpace(spaceNeeded); err != nil {
		return err
	}
	for _, product := range []string{"headroom-scheduler", "headroom-controller"} {
		if _, err := cluster.FindProduct(product); err != nil {
			return err
		}
	}
	tools, err := cluster.FindTools()
	if err != nil {
		return err
	}
	return s.Autoscaler.Check(tools)
}

// Display shows how a run goes on.
type Display interface {
	// Step says that a step of the run begins.
	Step(name string)
	// Progress says how far the step has come, ten times a second.
	Progress(Progress)
}

// Progress is how far a step has come.
type Progress struct {
	// Done of so many (Of) are what Unit says. Of is 0 for a step that cannot be counted.
	Done, Of int
	Unit     string
	// Elapsed since the step began.
	Elapsed time.Duration
}

const (
	// refreshInterval is the time between two looks at the history.
	refreshInterval = 100 * time.Millisecond
	// stallTimeout is how long nothing may happen where something should.
	stallTimeout = time.Minute
)

// execution is a run that is being carried out.
type execution struct {
	Scenario
	run      Run
	display  Display
	cluster  *cluster.Cluster
	client   client.Client
	recorder *history.Recorder
}

// Run carries out a run and returns what the API server's watches told of it. It ends early, and with an error, when ctx
// does or when a program of the cluster dies; nothing is left running in any case.
func (s Scenario) Run(ctx context.Context, run Run, display Display) (record history.Record, err error) {
	display.Step("starting a control plane")
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return history.Record{}, explainSpace(os.TempDir(), err)
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-c.Died():
			cancel(err)
		case <-ctx.Done():
		}
	}()
	e := &execution{Scenario: s, run: run, display: display, cluster: c}
	if record, err = e.do(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // Whatever failed then failed because of it.
		}
		return history.Record{}, explainSpace(c.Dir(), c.KeepLogs(err))
	}
	return record, nil
}

func (e *execution) do(ctx context.Context) (history.Record, error) {
	if err := e.setUp(ctx); err != nil {
		return history.Record{}, err
	}
	var err error
	if e.recorder, err = history.Watch(ctx, e.cluster.RESTConfig(), e.Clock); err != nil {
		return history.Record{}, err
	}
	defer e.recorder.Stop()
	if e.run.Headroom {
		if err := e.holdHeadroom(ctx); err != nil {
			return history.Record{}, err
		}
	}
	if err := e.settle(ctx); err != nil {
		return history.Record{}, err
	}
	if err := e.burst(ctx); err != nil {
		return history.Record{}, err
	}
	if e.run.Headroom {
		if err := e.refill(ctx); err != nil {
			return history.Record{}, err
		}
	}
	return e.recorder.Record()
}

func (e *execution) holdHeadroom(ctx context.Context) error {
	e.display.Step(fmt.Sprintf("holding headroom for %d pods", e.Headroom))
	if err := e.Autoscaler.MakeRoom(ctx, e.cluster, e.Scenario); err != nil {
		return err
	}
	if err := e.client.Create(ctx, e.headroom()); err != nil {
		return fmt.Errorf("creating the Headroom: %w", err)
	}
	full, err := e.watch(ctx, stallTimeout, func(r history.Record) (Progress, bool) {
		p := e.headroomProgress(r)
		return p, p.Done == p.Of
	})
	if err != nil {
		return err
	}
	if !full {
		return fmt.Errorf("the headroom is not held, and nothing happened for %s: is the machine too busy? Try less of --headroom",
			stallTimeout)
	}
	return nil
}

// settle waits until nothing has changed for a while: work left over from setting up would slow the burst down, and more so in the
// runs that set up more.
func (e *execution) settle(ctx context.Context) error {
	e.display.Step("letting things settle")
	const quiet, limit = 1500 * time.Millisecond, 15 * time.Second
	_, err := e.watch(ctx, limit, func(r history.Record) (Progress, bool) { return Progress{}, r.Until.Sub(r.Changed) > quiet })
	return err
}

// burst creates the pods and waits until they run, or until it is clear that the others will not.
func (e *execution) burst(ctx context.Context) error {
	e.display.Step(fmt.Sprintf("burst of %d pods", e.Burst))
	if err := e.client.Create(ctx, e.deployment()); err != nil {
		return fmt.Errorf("creating the burst: %w", err)
	}
	_, err := e.watch(ctx, e.Autoscaler.StallTimeout(), func(r history.Record) (Progress, bool) {
		p := e.burstProgress(r)
		return p, p.Done == p.Of
	})
	return err
}

// refill waits until as much headroom is held as before the burst. Without an autoscaler the burst has to end for that.
func (e *execution) refill(ctx context.Context) error {
	e.display.Step("refilling the headroom")
	if !e.Autoscaler.Grows() {
		deployment := e.deployment()
		deployment.Spec.Replicas = new(int32)
		if err := e.client.Patch(ctx, deployment, client.Merge); err != nil {
			return fmt.Errorf("ending the burst: %w", err)
		}
	}
	_, err := e.watch(ctx, stallTimeout, func(r history.Record) (Progress, bool) {
		p, s := e.headroomProgress(r), summary.Of(r)
		return p, p.Done == p.Of && s.Refilled >= s.Taken
	})
	return err
}

// watch shows the history as it grows until see says that the step is over, and returns true, or until nothing more was done for as
// long as wait.
func (e *execution) watch(ctx context.Context, wait time.Duration, see func(history.Record) (Progress, bool)) (bool, error) {
	started := e.Clock.Now()
	done, changed := 0, started
	ticker := e.Clock.NewTicker(refreshInterval)
	defer ticker.Stop()
	for {
		record, err := e.recorder.Record()
		if err != nil {
			return false, err
		}
		p, over := see(record)
		p.Elapsed = e.Clock.Since(started)
		e.display.Progress(p)
		if over {
			return true, nil
		}
		if p.Done != done {
			done, changed = p.Done, e.Clock.Now()
		}
		if e.Clock.Since(changed) > wait {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C():
		}
	}
}

func (e *execution) burstProgress(r history.Record) Progress {
	p := Progress{Of: e.Burst, Unit: "run"}
	for _, pod := range r.Burst {
		if !pod.Running.IsZero() {
			p.Done++
		}
	}
	return p
}

func (e *execution) headroomProgress(r history.Record) Progress {
	p := Progress{Of: e.Headroom, Unit: "held"}
	for _, pod := range r.Placeholders {
		if !pod.Bound.IsZero() && pod.Gone.IsZero() {
			p.Done++
		}
	}
	return p
}
