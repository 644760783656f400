package oracle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// patience is how long a simulated scheduler may take for one pod before the run counts as stuck.
const patience = 30 * time.Second

// afterPreemption is how long a run goes on after a failed attempt that has nominated a node.
const afterPreemption = time.Second

// Scheduler is a scheduler to put clusters before.
type Scheduler struct {
	// Profile schedules the consumer.
	Profile config.KubeSchedulerProfile
	// Registry holds the plugins of the profile that are not Kubernetes' own.
	Registry frameworkruntime.Registry
	// Server serves Headrooms to plugins. Nil: plugins are given no API server.
	Server *headroomServer
}

// Outcome is what a scheduler did with the consumer.
type Outcome struct {
	// Node is where the consumer was bound, empty if it was not.
	Node string
	// Attempts is how often it was tried until it was bound or given up.
	Attempts int
	// Evicted are the names of the pods that the scheduler deleted, sorted.
	Evicted []string
	// BoundTooEarly says what was still on the node when the consumer was bound and should have been gone, empty if nothing.
	BoundTooEarly string
	// Message is the scheduler's reason for the first failed attempt.
	Message string
}

// String says what happened.
func (o Outcome) String() string {
	if o.Node == "" {
		return fmt.Sprintf("not bound, evicted %v: %s", o.Evicted, o.Message)
	}
	return fmt.Sprintf("bound to %s by attempt %d, evicted %v%s", o.Node, o.Attempts, o.Evicted, when(o.Message != "", ": "+o.Message))
}

// simulation is one run of a scheduler over one cluster.
type simulation struct {
	cluster *Cluster
	client  *fake.Clientset
	sched   *scheduler.Scheduler

	mu       sync.Mutex
	expected Expectation
	outcome  Outcome
	over     bool // what happens from now on is not part of the outcome
	done     chan struct{}
	finish   func()
}

// Simulate puts the cluster before the scheduler and returns what the oracle expects, judged on the scheduler's own snapshot at the first
// attempt, and what the scheduler did. An error means that the run itself failed.
func (s Scheduler) Simulate(c *Cluster) (Expectation, Outcome, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sim := &simulation{cluster: c, client: fake.NewClientset(c.objects()...), done: make(chan struct{})}
	sim.finish = sync.OnceFunc(func() { close(sim.done) })
	sim.react()
	if err := sim.start(ctx, s); err != nil {
		return Expectation{}, Outcome{}, err
	}
	consumer := c.object(c.Consumer, s.Profile.SchedulerName)
	if _, err := sim.client.CoreV1().Pods(consumer.Namespace).Create(ctx, consumer, metav1.CreateOptions{}); err != nil {
		return Expectation{}, Outcome{}, fmt.Errorf("creating the consumer: %w", err)
	}
	select {
	case <-sim.done:
	case <-time.After(patience):
		return Expectation{}, Outcome{}, fmt.Errorf("the consumer was neither bound nor given up in %s", patience)
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	slices.Sort(sim.outcome.Evicted)
	return sim.expected, sim.outcome, nil
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
		url, remove := s.Server.add(headrooms)
		context.AfterFunc(ctx, remove)
		clientConfig.Host = url
	}
	snapshot := internalcache.NewEmptySnapshot()
	informers := scheduler.NewInformerFactory(sim.client, 0, nil)
	discard := func(string) events.EventRecorderLogger { return events.NewFakeRecorder(1000) }
	var err error
	sim.sched, err = scheduler.New(ctx, sim.client, informers, nil, profile.RecorderFactory(discard),
		scheduler.WithProfiles(s.Profile, judgeProfile(s.Profile)),
		scheduler.WithFrameworkOutOfTreeRegistry(s.Registry),
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

// listen asks the oracle at the consumer's first attempt, and takes note of failures.
func (sim *simulation) listen(snapshot *internalcache.Snapshot) {
	schedule, fail := sim.sched.SchedulePod, sim.sched.FailureHandler
	sim.sched.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState,
		pod *framework.QueuedPodInfo) (scheduler.ScheduleResult, error) {
		sim.mu.Lock()
		sim.outcome.Attempts++
		if sim.outcome.Attempts == 1 {
			judge := newJudge(ctx, sim.sched.Profiles[judgeName], snapshot, pod.Pod)
			sim.expected = sim.cluster.Expect(judge)
		}
		sim.mu.Unlock()
		defer sim.endTerminating()
		return schedule(ctx, f, state, pod)
	}
	sim.sched.FailureHandler = func(ctx context.Context, f framework.Framework, pod *framework.QueuedPodInfo, status *fwk.Status,
		nominating *fwk.NominatingInfo, start time.Time) {
		sim.mu.Lock()
		if sim.outcome.Message == "" {
			sim.outcome.Message = status.Message()
		}
		givenUp := nominating == nil || nominating.NominatedNodeName == ""
		sim.over = sim.over || givenUp
		sim.mu.Unlock()
		fail(ctx, f, pod, status, nominating, start)
		if givenUp {
			sim.finish()
			return
		}
		// Preemption is under way. What comes of it is reported if it comes soon.
		time.AfterFunc(afterPreemption, sim.giveUp)
	}
}

// giveUp ends the run with what has happened so far.
func (sim *simulation) giveUp() {
	sim.mu.Lock()
	sim.over = true
	sim.mu.Unlock()
	sim.finish()
}

// endTerminating plays the kubelets: pods that are being deleted are gone a moment after the scheduler has decided, late enough for a bind
// that does not wait for them to come too early.
func (sim *simulation) endTerminating() {
	time.AfterFunc(5*time.Millisecond, func() {
		for _, p := range sim.cluster.Pods {
			if p.Terminating {
				_ = sim.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), p.Namespace, p.Name)
			}
		}
	})
}

// react plays the parts of the API server that the fake client does not know, and of the kubelets: binding, and the end of pods that are
// being deleted.
func (sim *simulation) react() {
	sim.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		if !sim.over {
			sim.outcome.Evicted = append(sim.outcome.Evicted, action.(clienttesting.DeleteAction).GetName())
		}
		return false, nil, nil
	})
	sim.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "binding" {
			return false, nil, nil
		}
		binding := action.(clienttesting.CreateAction).GetObject().(*corev1.Binding)
		sim.bound(binding.Target.Name)
		return true, binding, nil
	})
}

// bound takes note of where the consumer was bound, and of what was still there.
func (sim *simulation) bound(node string) {
	pods, err := sim.client.Tracker().List(corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithKind("Pod"), "")
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.over {
		return
	}
	sim.over, sim.outcome.Node = true, node
	if err != nil {
		sim.outcome.BoundTooEarly = err.Error()
	} else {
		sim.outcome.BoundTooEarly = sim.cluster.beside(node, pods.(*corev1.PodList).Items)
	}
	sim.finish()
}

// beside returns which pods keep the consumer from fitting on the node when these exist, and "" if it fits.
func (c *Cluster) beside(node string, existing []corev1.Pod) string {
	now := *c
	now.Pods = slices.DeleteFunc(slices.Clone(c.Pods), func(p Pod) bool {
		return !slices.ContainsFunc(existing, func(e corev1.Pod) bool { return e.Name == p.Name && e.Namespace == p.Namespace })
	})
	if now.shortfall(now.node(node)).coveredBy(nil) {
		return ""
	}
	var there []string
	for _, p := range now.Pods {
		if p.Node == node {
			there = append(there, p.Name)
		}
	}
	return fmt.Sprintf("%v are on %s", there, node)
}
