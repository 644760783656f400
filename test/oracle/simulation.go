package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// simulation is one run of a scheduler over one cluster.
type simulation struct {
	cluster       *Cluster
	schedulerName string
	client        *fake.Clientset
	sched         *scheduler.Scheduler
	mayBind       chan struct{}
	openGate      func()
	done          chan struct{}
	finish        func()

	mu      sync.Mutex
	run     Run
	failure error
	// promised are the names of the placeholders that earlier consumers take.
	promised map[string]bool
	// ended says that no consumer comes any more.
	ended bool
	// onPaper asks the oracle about all consumers together, at the first attempt of any of them; nil: each is asked about by itself.
	onPaper func(context.Context, *internalcache.Snapshot)
}

func newSimulation(c *Cluster, schedulerName string) *simulation {
	sim := &simulation{
		cluster: c, schedulerName: schedulerName, client: fake.NewClientset(c.objects()...), promised: map[string]bool{},
		mayBind: make(chan struct{}), done: make(chan struct{}),
	}
	sim.finish = sync.OnceFunc(func() { close(sim.done) })
	sim.openGate = sync.OnceFunc(func() { close(sim.mayBind) })
	if c.Pace != WhenReserved {
		sim.openGate()
	}
	sim.react()
	return sim
}

// admitNext creates the next consumer, or ends the run if there is none.
func (sim *simulation) admitNext(ctx context.Context) {
	consumers := sim.cluster.consumers()
	sim.mu.Lock()
	next := len(sim.run.Steps)
	if sim.ended || next == len(consumers) {
		sim.end()
		sim.mu.Unlock()
		return
	}
	sim.run.Steps = append(sim.run.Steps, &Step{})
	sim.mu.Unlock()
	pod := sim.cluster.object(consumers[next], sim.schedulerName)
	if _, err := sim.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		sim.failure = fmt.Errorf("creating consumer %s: %w", pod.Name, err)
		sim.finish()
	}
}

// end has no more consumers come; the run is over when all that came are settled.
func (sim *simulation) end() {
	sim.ended = true
	sim.openGate()
	if !slices.ContainsFunc(sim.run.Steps, func(s *Step) bool { return !s.settled }) {
		sim.finish()
	}
}

// settle ends a step, and the run if it was the last that something was awaited of.
func (sim *simulation) settle(step *Step) {
	step.settled = true
	if sim.ended {
		sim.end()
	}
}

// step returns the step of a consumer.
func (sim *simulation) step(consumer string) *Step {
	return sim.run.Steps[slices.IndexFunc(sim.cluster.consumers(), func(p Pod) bool { return p.Name == consumer })]
}

// listen asks the oracle at each consumer's first attempt, and takes note of failures.
func (sim *simulation) listen(snapshot *internalcache.Snapshot) {
	schedule, fail := sim.sched.SchedulePod, sim.sched.FailureHandler
	sim.sched.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState,
		pod *framework.QueuedPodInfo) (scheduler.ScheduleResult, error) {
		if !sim.judge(ctx, snapshot, pod.Pod) {
			select {
			case <-sim.done:
			case <-ctx.Done():
			}
			return scheduler.ScheduleResult{}, errors.New("the run is over")
		}
		defer sim.endTerminating()
		result, err := schedule(ctx, f, state, pod)
		if err == nil && sim.cluster.Pace != WhenBound {
			// The next pod of the queue is looked at after this one is reserved, and before it is bound.
			sim.admitNext(ctx)
		}
		return result, err
	}
	sim.sched.FailureHandler = func(ctx context.Context, f framework.Framework, pod *framework.QueuedPodInfo, status *fwk.Status,
		nominating *fwk.NominatingInfo, start time.Time) {
		sim.failed(pod.Pod.Name, status.Message())
		fail(ctx, f, pod, status, nominating, start)
		sim.mu.Lock()
		defer sim.mu.Unlock()
		step := sim.step(pod.Pod.Name)
		if nominating == nil || nominating.NominatedNodeName == "" {
			sim.settle(step)
			return
		}
		if !step.settled {
			step.Outcome.Nominated = nominating.NominatedNodeName
		}
		// Preemption is under way. What comes of it is reported if it comes soon.
		time.AfterFunc(afterPreemption, func() {
			sim.mu.Lock()
			defer sim.mu.Unlock()
			sim.settle(step)
		})
	}
}

// failed takes note of a failed attempt. No consumer comes after it.
func (sim *simulation) failed(consumer, message string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if step := sim.step(consumer); step.Outcome.Message == "" {
		step.Outcome.Message = message
	}
	sim.end()
}

// judge counts an attempt, and asks the oracle if it is the first. It reports whether the attempt may go on: a second one of a pod by itself
// is of another cluster than the oracle was asked about, since it may come at any moment of the preemption for which it was given up.
func (sim *simulation) judge(ctx context.Context, snapshot *internalcache.Snapshot, pod *corev1.Pod) bool {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.onPaper == nil && sim.isOver() {
		return false // whoever reads the run has it
	}
	step := sim.step(pod.Name)
	step.Outcome.Attempts++
	if step.Outcome.Attempts > 1 {
		return sim.onPaper != nil
	}
	if sim.onPaper != nil {
		sim.onPaper(ctx, snapshot)
		return true
	}
	step.Cluster = sim.seen(snapshot, pod.Name)
	step.Expected = step.Cluster.Expect(newJudge(ctx, sim.sched.Profiles[judgeName], snapshot, pod))
	if step.Expected.Swaps() {
		for _, victim := range step.Expected.Victims {
			sim.promised[victim] = true
		}
	}
	return true
}

// isOver reports whether the run is.
func (sim *simulation) isOver() bool {
	select {
	case <-sim.done:
		return true
	default:
		return false
	}
}

// seen is the cluster as the snapshot has it when a consumer is first tried: with the consumers before it where they went, without the
// pods that are gone, and with those as good as gone that were promised to the consumers before it.
func (sim *simulation) seen(snapshot *internalcache.Snapshot, consumer string) *Cluster {
	at := map[types.NamespacedName]string{}
	infos, err := snapshot.NodeInfos().List()
	if err != nil {
		panic(err) //nolint:forbidigo // the lister of a snapshot returns no error
	}
	for _, info := range infos {
		for _, pod := range info.GetPods() {
			at[types.NamespacedName{Namespace: pod.GetPod().Namespace, Name: pod.GetPod().Name}] = info.Node().Name
		}
	}
	return sim.cluster.now(at, sim.promised, consumer)
}

// endTerminating plays the kubelets: pods that are being deleted are gone a moment after the scheduler has decided, late enough for a bind
// that does not wait for them to come too early.
func (sim *simulation) endTerminating() {
	time.AfterFunc(5*time.Millisecond, func() {
		for _, p := range sim.cluster.Pods {
			if p.Terminating {
				_ = sim.client.Tracker().Delete(podResource, p.Namespace, p.Name)
			}
		}
	})
}

var (
	podResource = corev1.SchemeGroupVersion.WithResource("pods")
	podKind     = corev1.SchemeGroupVersion.WithKind("Pod")
)

// react plays the parts of the API server that the fake client does not know: binding, and the account of what was deleted.
func (sim *simulation) react() {
	sim.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		if !sim.isOver() {
			sim.run.Evicted = append(sim.run.Evicted, action.(clienttesting.DeleteAction).GetName())
		}
		return false, nil, nil
	})
	sim.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "binding" {
			return false, nil, nil
		}
		binding := action.(clienttesting.CreateAction).GetObject().(*corev1.Binding)
		return true, binding, sim.bind(binding)
	})
}

// bind binds a consumer, and takes note of what was still there.
func (sim *simulation) bind(binding *corev1.Binding) error {
	tracker, node := sim.client.Tracker(), binding.Target.Name
	pods, err := tracker.List(podResource, podKind, "")
	if err != nil {
		return err
	}
	object, err := tracker.Get(podResource, binding.Namespace, binding.Name)
	if err != nil {
		return err
	}
	pod := object.(*corev1.Pod).DeepCopy()
	pod.Spec.NodeName = node
	if err := tracker.Update(podResource, pod, binding.Namespace); err != nil {
		return err
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	step := sim.step(binding.Name)
	if step.settled {
		return nil
	}
	step.Outcome.Node = node
	step.Outcome.BoundTooEarly = sim.cluster.beside(node, binding.Name, pods.(*corev1.PodList).Items)
	sim.settle(step)
	if sim.cluster.Pace == WhenBound {
		// In another goroutine: the fake client does one thing at a time.
		go sim.admitNext(context.Background())
	}
	return nil
}

// beside returns which pods keep a consumer from fitting on the node when these exist, and "" if it fits.
func (c *Cluster) beside(node, consumer string, existing []corev1.Pod) string {
	at := map[types.NamespacedName]string{}
	for i := range existing {
		if pod := &existing[i]; pod.Spec.NodeName != "" {
			at[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = pod.Spec.NodeName
		}
	}
	now := c.now(at, nil, consumer)
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
