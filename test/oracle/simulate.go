package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// patience is how long a simulated scheduler may take for one pod before the run counts as stuck.
const patience = 2 * time.Minute

// afterPreemption is how long a run goes on after a failed attempt that has nominated a node.
const afterPreemption = time.Second

// Scheduler is a scheduler to put clusters before.
type Scheduler struct {
	// Profile schedules the consumer.
	Profile config.KubeSchedulerProfile
	// Plugins are those of the profile that are not Kubernetes' own. One that must be the first to bind has to pass the gate by itself.
	// Nil: there are none, and the gate is a plugin before the others.
	Plugins func(*Gate) frameworkruntime.Registry
	// Server serves Headrooms to plugins. Nil: plugins are given no API server.
	Server *headroomServer
}

// Outcome is what a scheduler did with a consumer.
type Outcome struct {
	// Node is where the consumer was bound, empty if it was not.
	Node string
	// Nominated is the node where preemption was under way for it after the first attempt, empty if there was none.
	Nominated string
	// Attempts is how often it was tried until it was bound or given up. Only members of a group have more than one; of other pods a second
	// one is counted and goes no further.
	Attempts int
	// BoundTooEarly says what was still on the node when the consumer was bound and should have been gone, empty if nothing.
	BoundTooEarly string
	// Message is the scheduler's reason for the first failed attempt.
	Message string
}

// String says what happened.
func (o Outcome) String() string {
	if o.Node == "" {
		return "not bound" + when(o.Nominated != "", ", nominated to "+o.Nominated) + ": " + o.Message
	}
	return fmt.Sprintf("bound to %s by attempt %d%s", o.Node, o.Attempts, when(o.Message != "", ": "+o.Message))
}

// Step is what became of one consumer.
type Step struct {
	// Cluster is what the scheduler saw at the consumer's first attempt.
	Cluster *Cluster
	// Expected is what the oracle says of that.
	Expected Expectation
	// Outcome is what the scheduler did.
	Outcome Outcome

	settled bool
}

// Run is what became of the consumers of a cluster, one after the other, up to the first that was not bound at once.
type Run struct {
	// Steps are the consumers that came, in order.
	Steps []*Step
	// Evicted are the names of the pods that the scheduler deleted, sorted, each once: a pod may be deleted a second time before the
	// scheduler has seen that it is gone.
	Evicted []string
}

// String tells the whole story, with the cluster as the scheduler saw it each time.
func (r Run) String() string {
	var b strings.Builder
	for _, step := range r.Steps {
		fmt.Fprintf(&b, "\n%s\nexpected: %s\ngot:      %s\n", step.Cluster, step.Expected, step.Outcome)
	}
	fmt.Fprintf(&b, "evicted in all: %v", r.Evicted)
	return b.String()
}

// Simulate puts the cluster before the scheduler and returns, for each consumer, what the oracle expects, judged on the scheduler's own
// snapshot at the first attempt, and what the scheduler did. An error means that the run itself failed.
func (s Scheduler) Simulate(c *Cluster) (Run, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sim := newSimulation(c, s.Profile.SchedulerName)
	if err := sim.start(ctx, s); err != nil {
		return Run{}, err
	}
	sim.admitNext(ctx)
	return sim.result()
}

// result waits until the run is over, or stuck, and returns it.
func (sim *simulation) result() (Run, error) {
	var stuck error
	select {
	case <-sim.done:
	case <-time.After(patience):
		stuck = fmt.Errorf("a consumer was neither bound nor given up in %s", patience)
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	slices.Sort(sim.run.Evicted)
	sim.run.Evicted = slices.Compact(sim.run.Evicted)
	return sim.run, errors.Join(stuck, sim.failure)
}

// objects are all objects but the consumer and the Headrooms.
func (c *Cluster) objects() []runtime.Object {
	var all []runtime.Object
	for name, team := range c.Teams {
		all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{teamLabel: team}}})
	}
	for _, h := range c.Headrooms {
		if h.PerNode {
			all = append(all, h.daemonSet())
		}
	}
	for _, n := range c.Nodes {
		all = append(all, n.object())
	}
	for _, p := range c.Pods {
		all = append(all, c.object(p, corev1.DefaultSchedulerName))
	}
	return all
}

// start builds the scheduler, with the profiles that the judge needs beside the one under test, and runs it.
func (sim *simulation) start(ctx context.Context, s Scheduler) error {
	clientConfig := &rest.Config{}
	if s.Server != nil {
		var headrooms []v1alpha1.Headroom
		for _, h := range sim.cluster.Headrooms {
			headrooms = append(headrooms, *h.object())
		}
		url, remove := s.Server.add(headrooms, sim.groups())
		context.AfterFunc(ctx, remove)
		clientConfig.Host = url
	}
	tested, registry := s.gated(&Gate{open: sim.mayBind})
	snapshot := internalcache.NewEmptySnapshot()
	informers := scheduler.NewInformerFactory(sim.client, 0, nil)
	discard := func(string) events.EventRecorderLogger { return events.NewFakeRecorder(1000) }
	var err error
	sim.sched, err = scheduler.New(ctx, sim.client, informers, nil, profile.RecorderFactory(discard),
		scheduler.WithProfiles(tested, judgeProfile(s.Profile)),
		scheduler.WithFrameworkOutOfTreeRegistry(registry),
		scheduler.WithKubeConfig(clientConfig),
		scheduler.WithNodeInfoSnapshot(snapshot),
		scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0))
	if err != nil {
		return fmt.Errorf("building the scheduler: %w", err)
	}
	sim.listen(snapshot)
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	if err := sim.waitForCache(ctx); err != nil {
		return err
	}
	go sim.sched.Run(ctx)
	return nil
}

// waitForCache waits until the scheduler's cache holds what the cluster does.
func (sim *simulation) waitForCache(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, patience, true, func(context.Context) (bool, error) {
		nodes, pods := 0, 0
		for _, node := range sim.sched.Cache.Dump().Nodes {
			pods += len(node.Pods)
			if node.Node() != nil { // a pod may be there before its node
				nodes++
			}
		}
		return nodes == len(sim.cluster.Nodes) && pods == len(sim.cluster.Pods), nil
	})
	if err != nil {
		return fmt.Errorf("filling the scheduler's cache: %w", err)
	}
	return nil
}
