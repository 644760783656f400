package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
)

const (
	// longestWait is how long a pod may wait although there is a place for it.
	longestWait = 60 * time.Second
	// restWithin is how long a cluster may take to come to rest: what was refused is tried again after up to 60 seconds.
	restWithin = 150 * time.Second
	// atRestWithin is how long it is waited for that.
	atRestWithin = restWithin + longestWait
)

// scene is what there is in the cluster at a moment.
type scene struct {
	nodes      []*corev1.Node
	pods       []*corev1.Pod
	headrooms  []*v1alpha1.Headroom
	classes    map[string]*schedulingv1.PriorityClass
	namespaces map[string]map[string]string // labels
}

func (r *run) look(ctx context.Context) (*scene, error) {
	s := &scene{classes: map[string]*schedulingv1.PriorityClass{}, namespaces: map[string]map[string]string{}}
	var nodeList corev1.NodeList
	var podList corev1.PodList
	var headroomList v1alpha1.HeadroomList
	var classList schedulingv1.PriorityClassList
	var namespaceList corev1.NamespaceList
	if err := errors.Join(r.admin.List(ctx, &headroomList), r.admin.List(ctx, &podList), r.admin.List(ctx, &nodeList),
		r.admin.List(ctx, &classList), r.admin.List(ctx, &namespaceList)); err != nil {
		return nil, fmt.Errorf("looking at the cluster: %w", err)
	}
	for i := range nodeList.Items {
		s.nodes = append(s.nodes, &nodeList.Items[i])
	}
	for i := range podList.Items {
		s.pods = append(s.pods, &podList.Items[i])
	}
	for i := range headroomList.Items {
		s.headrooms = append(s.headrooms, &headroomList.Items[i])
	}
	for i := range classList.Items {
		s.classes[classList.Items[i].Name] = &classList.Items[i]
	}
	for i := range namespaceList.Items {
		s.namespaces[namespaceList.Items[i].Name] = namespaceList.Items[i].Labels
	}
	return s, nil
}

// doubt is something that should not stay so.
type doubt struct {
	property, message string
	about             []string
	// patience is how long it may stay so.
	patience time.Duration
}

// key tells doubts apart.
func (d doubt) key() string { return d.property + " " + strings.Join(d.about, " ") }

// settle waits until nothing is in doubt any more, and reports what stays in doubt for too long.
func (r *run) settle(ctx context.Context) error {
	begun, since, reported := time.Now(), map[string]time.Time{}, map[string]bool{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	quiet := 0
	for {
		doubts, err := r.doubts(ctx)
		if err != nil {
			return err
		}
		now, left := map[string]time.Time{}, 0
		for _, d := range doubts {
			first, ok := since[d.key()]
			if !ok {
				first = time.Now()
			}
			now[d.key()] = first
			switch {
			case reported[d.key()]:
			case time.Since(first) > r.patience(d):
				reported[d.key()] = true
				r.find(d.property, time.Now(), fmt.Sprintf("for %s: %s", r.patience(d), d.message), d.about...)
			default:
				left++
			}
		}
		since = now
		if quiet++; left > 0 {
			quiet = 0
		}
		if quiet >= 2 || time.Since(begun) > atRestWithin {
			r.timeline.add(time.Now(), "at rest after %s", time.Since(begun).Round(time.Second))
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// patienceForCounted is how long a run waits for what it only counts.
const patienceForCounted = 15 * time.Second

// patience is how long a doubt may last.
func (r *run) patience(d doubt) time.Duration {
	if slices.Contains(r.options.MustHold, d.property) {
		return d.patience
	}
	return min(d.patience, patienceForCounted)
}

func (r *run) doubts(ctx context.Context) ([]doubt, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	waiting, err := r.waiting(ctx, s)
	if err != nil {
		return nil, err
	}
	doubts := slices.Concat(waiting, guarding(s), r.ungrown(s))
	for _, h := range s.headrooms {
		doubts = append(doubts, r.sized(s, h)...)
	}
	return doubts, nil
}

// waiting are the pods that wait although there is a place for them.
func (r *run) waiting(ctx context.Context, s *scene) ([]doubt, error) {
	var doubts []doubt
	for _, pod := range s.pods {
		if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodPending {
			continue
		}
		property := Wait
		places, err := r.places(ctx, s, pod, r.mayReplace)
		if err == nil && len(places) == 0 && priorityOf(pod) >= critical {
			property = P12
			places, err = r.places(ctx, s, pod, mayReplaceCritical)
		}
		if err != nil {
			return nil, err
		}
		if len(places) > 0 {
			doubts = append(doubts, doubt{
				property: property, patience: longestWait, about: []string{pod.Name},
				message: fmt.Sprintf("pod %s/%s of %s waits although it has a place on %s", pod.Namespace, pod.Name, pod.Spec.SchedulerName,
					strings.Join(places, ", ")),
			})
		}
	}
	return doubts, nil
}

// calm ends all faults, brings every node back and lets pods go to all of them: units on nodes that are cordoned are not ready.
func (r *run) calm(ctx context.Context) error {
	for _, c := range r.components {
		c.proxy.SetFaults(proxy.Faults{})
	}
	for _, name := range plan.Nodes() {
		if err := r.admin.Create(ctx, node(name)); err != nil && !tolerable(err) {
			return fmt.Errorf("bringing node %s back: %w", name, err)
		}
		if err := r.do(ctx, plan.Cordon{Node: name}); err != nil {
			return fmt.Errorf("uncordoning node %s: %w", name, err)
		}
	}
	return nil
}

// idle watches that components which have nothing to do write nothing: at last there is a time of that length without a write.
func (r *run) idle(ctx context.Context) error {
	if r.options.Idle == 0 {
		return nil
	}
	r.say("watching an idle cluster for %s", r.options.Idle)
	atRest := time.Now()
	for begun := atRest; ; {
		select {
		case <-time.After(time.Until(begun.Add(r.options.Idle))): // that nothing happens takes time to see
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		late := time.Time{} // when the last write came
		for _, c := range r.components {
			for _, write := range needless(c.proxy.Writes(begun)) {
				late = latest(late, write.At)
			}
		}
		if late.IsZero() {
			return nil
		}
		if late.After(restBy(atRest, time.Unix(0, r.nodeChanged.Load()))) {
			r.reportWrites(begun)
			return nil
		}
		begun = late.Add(time.Millisecond)
	}
}

// reportWrites reports what the components have written since then.
func (r *run) reportWrites(since time.Time) {
	for name, c := range r.components {
		for _, write := range needless(c.proxy.Writes(since)) {
			r.find(Idle, write.At, fmt.Sprintf("%s has nothing to do and writes: %s", name, write), string(name))
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// measure reads what each component needs, which it does once it serves.
func (r *run) measure(ctx context.Context) (map[plan.Component]usage, error) {
	needs := map[plan.Component]usage{}
	for name, c := range r.components {
		var last error
		for deadline := time.Now().Add(30 * time.Second); ; {
			if needs[name], last = c.measure(ctx); last == nil {
				break
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				return nil, last
			}
			<-time.After(200 * time.Millisecond)
		}
	}
	return needs, nil
}

// compare reports components that need much more than at the beginning.
func (r *run) compare(ctx context.Context, before map[plan.Component]usage) error {
	after, err := r.measure(ctx)
	if err != nil {
		return err
	}
	for name, now := range after {
		was := before[name]
		r.timeline.add(time.Now(), "%s: goroutines %.0f, before %.0f; memory %.0f MiB, before %.0f MiB", name,
			now.goroutines, was.goroutines, now.memory/(1<<20), was.memory/(1<<20))
		if now.goroutines > 1.5*was.goroutines+50 {
			r.find(Leak, time.Now(), fmt.Sprintf("%s has %.0f goroutines, at the beginning it had %.0f", name, now.goroutines, was.goroutines),
				string(name))
		}
		if now.memory > 1.5*was.memory+(64<<20) {
			r.find(Leak, time.Now(), fmt.Sprintf("%s needs %.0f MiB, at the beginning it needed %.0f", name, now.memory/(1<<20),
				was.memory/(1<<20)), string(name))
		}
	}
	return nil
}

// finish judges the rest of the history.
func (r *run) finish(ctx context.Context) error {
	history, err := r.observer.Stop(ctx)
	if err != nil {
		return fmt.Errorf("the observer saw only a part of what happened: %w", err)
	}
	r.judgeUntil(ctx, time.Now())
	for _, violation := range append(r.replay.Account(r.wasDisturbed), r.replay.Guards(time.Now())...) {
		r.violated(ctx, violation)
	}
	r.count("events", len(history))
	return nil
}

// placeholdersOf are the placeholders of a Headroom that exist and are not being deleted.
func (r *run) placeholdersOf(s *scene, h *v1alpha1.Headroom) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range s.pods {
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
			continue
		}
		owner := metav1.GetControllerOf(pod)
		if owner == nil || !r.isPlaceholder(pod) || pod.Namespace != h.Namespace || pod.Labels[v1alpha1.LabelHeadroom] != h.Name {
			continue
		}
		if owner.UID == h.UID || owner.Kind == "DaemonSet" {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// boundTo counts placeholders by where they are.
func bound(pods []*corev1.Pod) (n int32) {
	for _, pod := range pods {
		if pod.Spec.NodeName != "" {
			n++
		}
	}
	return n
}
