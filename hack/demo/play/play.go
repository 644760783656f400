// Package play stages the demo's acts: each on a cluster of its own, which is gone when the act is over.
package play

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

// Scenario is what all acts have in common.
type Scenario struct {
	// Nodes that are full when an act begins, and the Zones that they lie in, in turn.
	Nodes, Zones int
	// NodeCPU is the size of a node in CPUs; a pod of the burst and a unit of headroom are one CPU each.
	NodeCPU int
	// Burst is the number of pods that come at once, and Headroom the number of units held before, in the acts with headroom.
	Burst, Headroom int
	// Autoscaler adds nodes, or does not.
	Autoscaler Autoscaler
	// Clock tells when things are seen.
	Clock clock.WithTicker
}

// Act is one playing of the burst.
type Act struct {
	// Title is what is different about the act, in two words, and Scheduler the name of the burst's scheduler.
	Title, Scheduler string
	// Headroom reports whether there is headroom.
	Headroom bool
	// Plugin reports whether the burst's scheduler is headroom-scheduler; stock kube-scheduler if not.
	Plugin bool
}

// Acts are the acts of the demo, in order.
func Acts() []Act {
	return []Act{
		{Title: "no headroom", Scheduler: "kube-scheduler"},
		{Title: "headroom", Scheduler: "kube-scheduler", Headroom: true},
		{Title: "headroom", Scheduler: "headroom-scheduler", Headroom: true, Plugin: true},
	}
}

// Check fails when a program that the acts need is not built, or there is no room on the disk, and says what to do.
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

// Stage is where the audience looks.
type Stage interface {
	// Doing says that a step of the act begins.
	Doing(what string)
	// Showing says how a step goes on, ten times a second.
	Showing(View)
}

// View is how far a step has come.
type View struct {
	// Done of so many (Of) are what Unit says. Of is 0 for a step that cannot be counted.
	Done, Of int
	Unit     string
	// Elapsed since the step began.
	Elapsed time.Duration
}

const (
	// look is the time between two looks at the history.
	look = 100 * time.Millisecond
	// patience is how long nothing may happen where something should.
	patience = time.Minute
)

// theatre is an act being played.
type theatre struct {
	Scenario
	act      Act
	stage    Stage
	cluster  *cluster.Cluster
	client   client.Client
	recorder *history.Recorder
}

// Play plays an act and returns what the API server's watches told of it. It ends early, and with an error, when ctx
// does or when a program of the cluster dies; nothing is left running in any case.
func (s Scenario) Play(ctx context.Context, act Act, stage Stage) (record history.Record, err error) {
	stage.Doing("starting a control plane")
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
	t := &theatre{Scenario: s, act: act, stage: stage, cluster: c}
	if record, err = t.play(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // Whatever failed then failed because of it.
		}
		return history.Record{}, explainSpace(c.Dir(), c.KeepLogs(err))
	}
	return record, nil
}

func (t *theatre) play(ctx context.Context) (history.Record, error) {
	if err := t.furnish(ctx); err != nil {
		return history.Record{}, err
	}
	var err error
	if t.recorder, err = history.Watch(ctx, t.cluster.RESTConfig(), t.Clock); err != nil {
		return history.Record{}, err
	}
	defer t.recorder.Stop()
	if t.act.Headroom {
		if err := t.holdHeadroom(ctx); err != nil {
			return history.Record{}, err
		}
	}
	if err := t.settle(ctx); err != nil {
		return history.Record{}, err
	}
	if err := t.burst(ctx); err != nil {
		return history.Record{}, err
	}
	if t.act.Headroom {
		if err := t.refill(ctx); err != nil {
			return history.Record{}, err
		}
	}
	return t.recorder.Record()
}

func (t *theatre) holdHeadroom(ctx context.Context) error {
	t.stage.Doing(fmt.Sprintf("holding headroom for %d pods", t.Headroom))
	if err := t.Autoscaler.MakeRoom(ctx, t.cluster, t.Scenario); err != nil {
		return err
	}
	if err := t.client.Create(ctx, t.headroom()); err != nil {
		return fmt.Errorf("creating the Headroom: %w", err)
	}
	full, err := t.watch(ctx, patience, func(r history.Record) (View, bool) {
		v := t.viewHeadroom(r)
		return v, v.Done == v.Of
	})
	if err != nil {
		return err
	}
	if !full {
		return fmt.Errorf("the headroom is not held, and nothing happened for %s: is the machine too busy? Try less of --headroom", patience)
	}
	return nil
}

// settle waits until nothing has changed for a while: what the setting up has left to do would slow the burst down, and
// more so in the acts that set up more.
func (t *theatre) settle(ctx context.Context) error {
	t.stage.Doing("letting things settle")
	const quiet, limit = 1500 * time.Millisecond, 15 * time.Second
	_, err := t.watch(ctx, limit, func(r history.Record) (View, bool) { return View{}, r.Until.Sub(r.Changed) > quiet })
	return err
}

// burst lets the pods come and waits until they run, or until there is no more hope for those that do not.
func (t *theatre) burst(ctx context.Context) error {
	t.stage.Doing(fmt.Sprintf("burst of %d pods", t.Burst))
	if err := t.client.Create(ctx, t.deployment()); err != nil {
		return fmt.Errorf("creating the burst: %w", err)
	}
	_, err := t.watch(ctx, t.Autoscaler.Patience(), func(r history.Record) (View, bool) {
		v := t.viewBurst(r)
		return v, v.Done == v.Of
	})
	return err
}

// refill waits until as much headroom is held as before the burst. Without an autoscaler the burst has to end for that.
func (t *theatre) refill(ctx context.Context) error {
	t.stage.Doing("refilling the headroom")
	if !t.Autoscaler.Grows() {
		deployment := t.deployment()
		deployment.Spec.Replicas = new(int32)
		if err := t.client.Patch(ctx, deployment, client.Merge); err != nil {
			return fmt.Errorf("ending the burst: %w", err)
		}
	}
	_, err := t.watch(ctx, patience, func(r history.Record) (View, bool) {
		v, s := t.viewHeadroom(r), summary.Of(r)
		return v, v.Done == v.Of && s.Refilled >= s.Taken
	})
	return err
}

// watch shows the history as it grows, until it is done, which it returns, or until nothing more was done for as long as wait.
func (t *theatre) watch(ctx context.Context, wait time.Duration, see func(history.Record) (View, bool)) (bool, error) {
	started := t.Clock.Now()
	last, progress := 0, started
	ticker := t.Clock.NewTicker(look)
	defer ticker.Stop()
	for {
		record, err := t.recorder.Record()
		if err != nil {
			return false, err
		}
		v, done := see(record)
		v.Elapsed = t.Clock.Since(started)
		t.stage.Showing(v)
		if done {
			return true, nil
		}
		if v.Done != last {
			last, progress = v.Done, t.Clock.Now()
		}
		if t.Clock.Since(progress) > wait {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C():
		}
	}
}

func (t *theatre) viewBurst(r history.Record) View {
	v := View{Of: t.Burst, Unit: "run"}
	for _, p := range r.Burst {
		if !p.Running.IsZero() {
			v.Done++
		}
	}
	return v
}

func (t *theatre) viewHeadroom(r history.Record) View {
	v := View{Of: t.Headroom, Unit: "held"}
	for _, p := range r.Placeholders {
		if !p.Bound.IsZero() && p.Gone.IsZero() {
			v.Done++
		}
	}
	return v
}
