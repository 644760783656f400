package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/fit"
	"github.com/headroom-dev/headroom/test/observer"
)

// run is a run under way.
type run struct {
	options    Options
	plan       plan.Plan
	cluster    *cluster.Cluster
	admin      client.Client
	components map[plan.Component]*component
	others     []*proxy.Proxy
	timeline   *timeline
	oracle     *fit.Oracle
	judging    *fit.Oracle // of the goroutine that judges
	observer   *observer.Observer
	// Of the goroutine that judges alone.
	replay   *observer.Replay
	revision uint64
	known    map[types.UID]*corev1.Pod
	apps     map[types.UID][]string // what the label app of a pod has been
	// nodeStates are what components heed of nodes, by name.
	nodeStates map[string]string

	nodeChanged atomic.Int64 // when that changed last, in nanoseconds of Unix time
	resizing    atomic.Bool  // pods may ask for another size than they have
	deaths      int          // of the goroutine that watches over components
	background  sync.WaitGroup
	giveUp      context.CancelCauseFunc

	mu         sync.Mutex
	sayings    map[types.NamespacedName][]saying
	blind      []disturbance // times in which the scheduler did not see what happened
	deletions  map[types.NamespacedName][]deletion
	unanswered map[types.UID]bool // pods that the scheduler asked to delete without an answer
	disturbed  []disturbance
	kills      []time.Time // of the scheduler
	report     Report
}

// nodesLive keeps the node lifecycle controller from taking nodes for lost. When nodes come and go, KWOK at times stops renewing the leases of
// others in time, and then nodes are lost and found again for as long as the run lasts, also while nothing is to happen.
var nodesLive = []string{"--node-monitor-grace-period=24h"}

// Run runs chaos and returns what came of it. The error says that the run itself failed, and that nothing can be concluded from it.
func Run(ctx context.Context, options Options) (report *Report, err error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(options.LogDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for logs: %w", err)
	}
	if options.LogDir, err = filepath.Abs(options.LogDir); err != nil {
		return nil, fmt.Errorf("naming the folder for logs: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{
		options: options, plan: plan.Generate(options.Seed, options.Length), components: map[plan.Component]*component{}, giveUp: cancel,
		known: map[types.UID]*corev1.Pod{}, nodeStates: map[string]string{}, apps: map[types.UID][]string{}, sayings: map[types.NamespacedName][]saying{},
		deletions: map[types.NamespacedName][]deletion{}, unanswered: map[types.UID]bool{},
		report: Report{Options: options, Numbers: map[string]int{}},
	}
	if r.timeline, err = newTimeline(options.LogDir); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.timeline.close()) }()
	for _, oracle := range []**fit.Oracle{&r.oracle, &r.judging} {
		if *oracle, err = fit.New(ctx); err != nil {
			return nil, err
		}
	}
	if r.cluster, err = cluster.Start(ctx, cluster.Options{LogDir: options.LogDir, ControllerManagerArgs: nodesLive}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.all(ctx); err != nil {
		return nil, fmt.Errorf("%w (seed %d, logs in %s)", err, options.Seed, options.LogDir)
	}
	return &r.report, nil
}

// all is the whole run, step by step.
func (r *run) all(ctx context.Context) error {
	if err := r.furnish(ctx); err != nil {
		return err
	}
	judged, stop := context.WithCancel(ctx)
	var judging sync.WaitGroup
	judging.Add(3)
	go func() { defer judging.Done(); r.judge(judged) }()
	go func() { defer judging.Done(); r.kubelets(judged) }()
	go func() { defer judging.Done(); r.watchOver(judged) }()
	defer judging.Wait()
	defer stop()

	r.say("waiting for %d Headrooms to have their size", len(r.plan.Headrooms))
	if err := r.settle(ctx); err != nil {
		return err
	}
	before, err := r.measure(ctx)
	if err != nil {
		return err
	}
	r.say("%d actions in %s", len(r.plan.Actions), r.options.Length)
	err = r.play(ctx)
	r.background.Wait()
	if err != nil {
		return err
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	r.say("waiting for the cluster to come to rest")
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.idle(ctx); err != nil {
		return err
	}
	if err := r.compare(ctx, before); err != nil {
		return err
	}
	stop()
	judging.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// furnish makes the world and starts what works in it.
func (r *run) furnish(ctx context.Context) (err error) {
	if r.admin, err = r.cluster.Client(); err != nil {
		return err
	}
	if err := r.cluster.AddNodes(ctx, nodes()); err != nil {
		return err
	}
	if r.observer, err = observer.WatchReports(ctx, r.cluster.RESTConfig()); err != nil {
		return err
	}
	r.replay = observer.NewReplay(r.rules())
	for _, name := range plan.Namespaces() {
		if err := r.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("making namespaces: %w", err)
		}
	}
	for _, class := range classes() {
		if err := r.admin.Create(ctx, class); err != nil {
			return fmt.Errorf("making priority classes: %w", err)
		}
	}
	if err := r.startComponents(ctx); err != nil {
		return err
	}
	for _, headroom := range r.plan.Headrooms {
		if err := r.keep(ctx, headroom); err != nil {
			return fmt.Errorf("making Headrooms: %w", err)
		}
	}
	return nil
}

func (r *run) startComponents(ctx context.Context) error {
	if err := r.cluster.InstallCRD(ctx); err != nil {
		return err
	}
	names := []plan.Component{plan.Controller, plan.Scheduler}
	if r.options.Without {
		names = names[1:]
	}
	for _, name := range names {
		c, err := r.deployed(ctx, name)
		if err != nil {
			return err
		}
		r.components[name] = c
		if err := c.start(); err != nil {
			return err
		}
	}
	if r.options.Way == Alone {
		return nil
	}
	return r.startStockScheduler()
}

// startStockScheduler starts the other scheduler of way B: ours without the plugin and without its profile is kube-scheduler's code.
func (r *run) startStockScheduler() error {
	p, err := proxy.Start(r.cluster.RESTConfig(), r.options.Seed)
	if err != nil {
		return err
	}
	r.others = append(r.others, p)
	p.OnWrite(func(request proxy.Request) { r.wrote(stockScheduler, request) })
	binary, err := cluster.FindProduct(string(plan.Scheduler))
	if err != nil {
		return err
	}
	program, err := r.cluster.DeployScheduler(string(stockScheduler), binary, p.Server())
	if err != nil {
		return err
	}
	_, err = program.Start("--v=2")
	return err
}

// watchOver reports components that end by themselves, and gives the run up when a part of the control plane does.
func (r *run) watchOver(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	died := r.cluster.Died()
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-died:
			if !r.isOurs(err) {
				r.giveUp(err)
				return
			}
		case <-tick.C:
		}
		for _, c := range r.components {
			err := c.failure()
			if err == nil {
				continue
			}
			if err := r.revive(c, err); err != nil {
				r.giveUp(err)
				return
			}
		}
	}
}

// mostDeaths is how often components may end by themselves before the run is given up.
const mostDeaths = 10

// revive starts a component again that has ended by itself, as a kubelet would. At its start a component may give up where the API server
// does not answer.
func (r *run) revive(c *component, cause error) error {
	// What it had in memory is lost, as by a kill.
	r.killed(c.name)
	r.disturb(c.name, 0)
	if c.suffers() && isExcused(cause) {
		r.count("starts given up", 1)
		r.timeline.add(time.Now(), "DO %s gave up: %v", c.name, cause)
	} else {
		r.find(Died, time.Now(), cause.Error(), string(c.name))
	}
	if r.deaths++; r.deaths > mostDeaths {
		return fmt.Errorf("components end again and again: %w", cause)
	}
	<-time.After(time.Second) // a kubelet waits as well
	return c.start()
}

// isExcused reports whether an end may be that of a component that has faults. One is not: kube-scheduler 1.37 ends itself if a pod was
// deleted and made anew under the same name while its watch was interrupted, and takes the two for one pod that has changed its node. The
// faults of a run are shorter than the time for which the controller gives no name again, and no other pods of a run have one name.
func isExcused(cause error) bool {
	return !strings.Contains(cause.Error(), "Pod updated on a different node than previously added to")
}

// isOurs reports whether a program that ended is one of the components.
func (r *run) isOurs(err error) bool {
	for name, c := range r.components {
		if c.failure() != nil || errorIsAbout(err, name) {
			return true
		}
	}
	return false
}

func (r *run) find(property string, at time.Time, message string, about ...string) {
	tail := r.timeline.tail(time.Now(), about)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := Finding{Property: property, At: at, Message: message, About: about, Tail: tail}
	r.report.Findings = append(r.report.Findings, f)
	r.timeline.add(time.Now(), "FOUND %s", f)
	r.say("found %s", f)
}

func (r *run) count(name string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Numbers[name] += n
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.options.Out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func (r *run) close() error {
	var failures error
	for _, c := range r.components {
		failures = errors.Join(failures, c.close())
	}
	failures = errors.Join(failures, r.cluster.Stop())
	for _, p := range r.others {
		failures = errors.Join(failures, p.Close())
	}
	return failures
}
