package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
	"github.com/headroom-dev/headroom/test/fit"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	// settleFor is how long an event waits to be judged, so that events of other kinds and the answers to the requests behind it are
	// known by then.
	settleFor = 2 * time.Second
	// raceWindow is how long one scheduler may not see what another has bound: the longest lag of a watch, and then some.
	raceWindow = 5 * time.Second
	// deletedWithin is how long after a request to delete it a pod may go: its grace period, and then some.
	deletedWithin = 15 * time.Second
	// stockScheduler is the other scheduler of way B.
	stockScheduler plan.Component = "kube-scheduler"
)

// judge follows the history until the context ends. What it finds it reports; pods that a kubelet would reject it rejects.
func (r *run) judge(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.judgeUntil(ctx, now.Add(-settleFor))
		}
	}
}

// judgeUntil judges what the observer had heard of by then.
func (r *run) judgeUntil(ctx context.Context, until time.Time) {
	for _, event := range r.observer.Take(until) {
		if event.Report == nil && event.Revision < r.revision {
			r.count("late events", 1)
			r.timeline.add(event.At, "late: revision %d after %d, heard of after %s", event.Revision, r.revision, time.Since(event.At))
		}
		if event.Report == nil {
			r.revision = max(r.revision, event.Revision)
		}
		r.describe(event)
		for _, violation := range r.replay.Observe(ctx, event) {
			r.violated(ctx, violation)
		}
	}
}

func (r *run) violated(ctx context.Context, v observer.Violation) {
	about := []string{v.Node}
	if v.Pod != nil {
		about = append(about, v.Pod.Name)
	}
	r.find(v.Property, v.At, fmt.Sprintf("(resourceVersion %d) %s", v.Revision, v.Message), about...)
	if v.Property != Kubelet || v.Pod == nil || r.replay.Node(v.Node) == nil {
		return
	}
	_, reason, _ := strings.Cut(v.Message, "would reject pod "+v.Pod.Namespace+"/"+v.Pod.Name+": ")
	reason, _, _ = strings.Cut(reason, ":")
	if err := r.reject(ctx, v.Pod, reason); err != nil && ctx.Err() == nil {
		r.giveUp(fmt.Errorf("rejecting pod %s: %w", v.Pod.Name, err))
	}
}

// describe writes an event into the timeline, as far as anybody may want to know.
func (r *run) describe(e observer.Event) {
	switch {
	case e.Report != nil:
		if e.Type == watch.Added && e.Report.Reason != "FailedScheduling" && e.Report.Reason != "Scheduled" {
			r.timeline.add(e.At, "event %s for %s: %s", e.Report.Reason, e.Report.Regarding.Name, e.Report.Note)
		}
	case e.Node != nil:
		if state := stateOf(e.Node); e.Type != watch.Modified || state != r.nodeStates[e.Node.Name] {
			r.timeline.add(e.At, "node %s %s: %s", e.Node.Name, e.Type, state)
			r.nodeStates[e.Node.Name] = state
			r.nodeChanged.Store(e.At.UnixNano())
		}
	case e.Pod != nil:
		before := r.known[e.Pod.UID]
		r.known[e.Pod.UID] = e.Pod
		r.noteApp(e.Pod)
		if e.Type == watch.Deleted {
			delete(r.known, e.Pod.UID)
		}
		if e.Type == watch.Added && e.Pod.Labels[v1alpha1.LabelGuard] != "" {
			r.count("guards", 1)
		}
		if text := change(before, e); text != "" {
			r.timeline.add(e.At, "%d pod %s%s", e.Revision, e.Pod.Name, text)
		}
		if before != nil && before.Spec.NodeName == "" && e.Pod.Spec.NodeName != "" {
			r.count("binds", 1)
		}
	}
}

// change says in a few words what became of a pod, and nothing if it is of no interest.
func change(before *corev1.Pod, e observer.Event) string {
	pod, text := e.Pod, ""
	if before == nil {
		text += fmt.Sprintf(" is there, %s uid %s", pod.Spec.SchedulerName, pod.UID)
		before = &corev1.Pod{}
	}
	if pod.Spec.NodeName != before.Spec.NodeName {
		text += " on " + pod.Spec.NodeName
	}
	if nominated := pod.Status.NominatedNodeName; nominated != before.Status.NominatedNodeName {
		text += fmt.Sprintf(" nominated to %q", nominated)
	}
	if marked := disruption(pod); marked != disruption(before) {
		text += " marked " + marked
	}
	if pod.Status.Phase != before.Status.Phase {
		text += " " + string(pod.Status.Phase) + " " + pod.Status.Reason
	}
	if pod.DeletionTimestamp != nil && before.DeletionTimestamp == nil {
		text += " is being deleted"
	}
	if e.Type == watch.Deleted {
		text += " is gone from " + pod.Spec.NodeName
	}
	return strings.TrimRight(text, " ")
}

func disruption(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return c.Reason + " (" + c.Message + ")"
		}
	}
	return ""
}

// wrote takes note of a request of a component.
func (r *run) wrote(by plan.Component, request proxy.Request) {
	if !request.IsWrite() {
		return
	}
	r.timeline.add(request.At, "%s: %s", by, request)
	r.count("writes of "+string(by), 1)
	pod, ok := request.DeletedPod()
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if request.Fault != "" && request.Code == 0 && by == plan.Scheduler && request.UID != "" {
		r.unanswered[request.UID] = true
	}
	if request.Fault != "" || request.Code >= 300 {
		return
	}
	r.deletions[pod] = append(r.deletions[pod], deletion{by: by, at: request.Sent, uid: request.UID})
}

// deletion is a request to delete a pod that went through, or may have.
type deletion struct {
	by  plan.Component
	at  time.Time
	uid types.UID
}

// deletedBy returns the component that deleted a pod which is gone, and "" if none did.
func (r *run) deletedBy(pod *corev1.Pod) plan.Component {
	if by := r.deletersOf(pod); len(by) > 0 {
		return by[0]
	}
	return ""
}

// deletersOf are the components that asked for the deletion of a pod, in the order of their requests: several did if each asked before it
// was gone.
func (r *run) deletersOf(pod *corev1.Pod) (by []plan.Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.deletions[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] {
		unconditional := d.uid == "" && !d.at.Before(pod.CreationTimestamp.Time) && time.Since(d.at) < deletedWithin+settleFor
		if d.uid == pod.UID || unconditional {
			by = append(by, d.by)
		}
	}
	return by
}

// isUnanswered reports whether the scheduler got no answer when it deleted a pod.
func (r *run) isUnanswered(pod types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unanswered[pod]
}

// rules are what the observer is told about the run.
func (r *run) rules() observer.Rules {
	return observer.Rules{
		DaemonSets: r.observer.HeadroomOfDaemonSet,
		// The plan, the garbage collector, the node lifecycle: everybody but our own programs and the other scheduler.
		// Placeholders may leave for many reasons; whether who took one was entitled to it is judged by what that pod says it took.
		MayVanish: func(pod *corev1.Pod) bool {
			by := r.deletedBy(pod)
			return r.isPlaceholder(pod) || (by != plan.Scheduler && by != plan.Controller)
		},
		// DefaultPreemption does so, and for a reason.
		MayBePreempted: func(*corev1.Pod) bool { return true },
		Race:           raceWindow,
		Holes:          true,
		Restarted:      r.wasKilled,
		SeenBy:         r.seenBy,
		Names:          r.named,
		Places: func(ctx context.Context, pod *corev1.Pod, nodes []*corev1.Node, others []*corev1.Pod, out func(*corev1.Pod) bool) ([]string, error) {
			return r.judging.Nodes(ctx, pod, fit.Cluster{Nodes: nodes, Pods: others}, out)
		},
		Stock: func(scheduler string) bool { return scheduler != plan.HeadroomScheduler },
		// A deletion without an answer may have been carried out, as far as the scheduler knows: if the placeholder is gone, it took it.
		Evicted: func(pod *corev1.Pod) bool {
			return slices.Contains(r.deletersOf(pod), plan.Scheduler) || r.isUnanswered(pod.UID)
		},
	}
}

// isPlaceholder reports whether a pod is a placeholder.
func (r *run) isPlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.HeadroomOf(pod, r.observer.HeadroomOfDaemonSet)
	return ok
}
