package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/chaos/plan"
)

// play carries out the actions, each when it is due.
func (r *run) play(ctx context.Context) error {
	begun := time.Now()
	for _, action := range r.plan.Actions {
		select {
		case <-time.After(time.Until(begun.Add(action.At))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		started := time.Now()
		err := r.do(ctx, action.Step)
		r.timeline.add(started, "DO %s%s", action.Step, outcome(err))
		r.count("actions", 1)
		if err != nil && !tolerable(err) {
			return fmt.Errorf("at %s: %w", action, err)
		}
	}
	select {
	case <-time.After(time.Until(begun.Add(r.options.Length))):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func outcome(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// tolerable reports whether a step may fail so: what it is about may be gone or be there already, whatever the plan thinks.
func tolerable(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err)
}

func (r *run) do(ctx context.Context, step plan.Step) error {
	switch s := step.(type) {
	case plan.Burst:
		return r.burst(ctx, s)
	case plan.End:
		return r.end(ctx, s)
	case plan.Resize:
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.Burst.Shape.Namespace, Name: s.Burst.Name}}
		return r.patch(ctx, deployment, map[string]any{"spec": map[string]any{"replicas": s.Count}})
	case plan.Relabel:
		return r.each(s.Burst, 0, s.Burst.Count, func(pod *corev1.Pod) error {
			return r.patch(ctx, pod, map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": s.App}}})
		})
	case plan.Grow:
		return r.grow(ctx, s)
	case plan.Keep:
		return r.keep(ctx, s.Headroom)
	case plan.Drop:
		return r.drop(ctx, s.Headroom)
	case plan.Class:
		return r.remakeClass(ctx, s)
	case plan.Cordon:
		return r.patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.Node}}, map[string]any{"spec": map[string]any{"unschedulable": s.On}})
	case plan.Vanish:
		return r.admin.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.Node}})
	case plan.Return:
		return r.admin.Create(ctx, node(s.Node))
	case plan.Kill:
		return r.kill(s)
	case plan.Fault:
		return r.fault(s)
	default:
		return fmt.Errorf("nobody knows how to do %T", step)
	}
}

// each does something to some pods of a burst, and returns what went wrong.
func (r *run) each(b plan.Burst, from, to int, do func(*corev1.Pod) error) error {
	var failures error
	for i := from; i < to; i++ {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: b.Shape.Namespace, Name: podName(b.Name, i)}}
		if err := do(pod); err != nil && !tolerable(err) {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

func (r *run) patch(ctx context.Context, object client.Object, change map[string]any) error {
	data, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return r.admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, data))
}

func (r *run) burst(ctx context.Context, b plan.Burst) error {
	if b.Deployment {
		return r.admin.Create(ctx, deploymentOf(b))
	}
	for i := range b.Count {
		if err := r.admin.Create(ctx, podOf(b, i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) end(ctx context.Context, e plan.End) error {
	if e.Deployment {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: e.Burst.Shape.Namespace, Name: e.Burst.Name}}
		return r.admin.Delete(ctx, deployment, client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
	return r.each(e.Burst, e.From, e.To, func(pod *corev1.Pod) error { return r.admin.Delete(ctx, pod) })
}

func (r *run) keep(ctx context.Context, want plan.Headroom) error {
	if r.options.Without {
		return nil
	}
	r.said(want)
	headroom := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: want.Namespace, Name: want.Name}}
	err := r.admin.Get(ctx, client.ObjectKeyFromObject(headroom), headroom)
	switch {
	case apierrors.IsNotFound(err):
		apply(headroom, want)
		return r.admin.Create(ctx, headroom)
	case err != nil:
		return err
	}
	before := headroom.DeepCopy()
	apply(headroom, want)
	return r.admin.Patch(ctx, headroom, client.MergeFrom(before)) // whoever writes its status meanwhile
}

func (r *run) drop(ctx context.Context, h plan.Headroom) error {
	if r.options.Without {
		return nil
	}
	headroom := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: h.Namespace, Name: h.Name}}
	return r.admin.Delete(ctx, headroom, client.PropagationPolicy(metav1.DeletePropagationBackground))
}

func (r *run) remakeClass(ctx context.Context, c plan.Class) error {
	old := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: c.Name}}
	if err := r.admin.Delete(ctx, old); client.IgnoreNotFound(err) != nil {
		return err
	}
	return r.admin.Create(ctx, class(c.Name, c.Value, c.Preempts))
}

// kill kills a component and has it started again later.
func (r *run) kill(k plan.Kill) error {
	c := r.components[k.Component]
	if c == nil {
		return nil
	}
	c.kill()
	r.count("kills", 1)
	r.disturb(k.Component, k.Pause)
	r.killed(k.Component)
	r.background.Add(1)
	go func() {
		defer r.background.Done()
		<-time.After(k.Pause)
		c.proxy.SetSkew(k.Skew)
		if err := c.start(); err != nil {
			r.giveUp(fmt.Errorf("starting %s again: %w", k.Component, err))
		}
	}()
	return nil
}

// fault has a component treated badly for a while.
func (r *run) fault(f plan.Fault) error {
	c := r.components[f.Component]
	if c == nil {
		return nil
	}
	c.fault(f)
	r.disturb(f.Component, f.For)
	r.blinded(f)
	r.count("faults", 1)
	r.background.Add(1)
	go func() {
		defer r.background.Done()
		<-time.After(f.For)
		c.heal()
	}()
	return nil
}

// disturbance is a time in which a component was killed or badly treated.
type disturbance struct {
	component plan.Component
	from, to  time.Time
}

func (r *run) disturb(c plan.Component, length time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disturbed = append(r.disturbed, disturbance{component: c, from: time.Now().Add(-faultsLinger), to: time.Now().Add(length + faultsLinger)})
}

// blinded notes that the scheduler sees what happens later than ever: its watches are held back, or it lists everything anew.
func (r *run) blinded(f plan.Fault) {
	if f.Component != plan.Scheduler || f.Kind != plan.CutWatches && f.Kind != plan.Away && f.Kind != plan.Lag {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blind = append(r.blind, disturbance{component: f.Component, from: time.Now(), to: time.Now().Add(f.For + faultsLinger)})
}

// seenBy is when, at the latest, the scheduler saw what happened at that time, if it is quick otherwise.
func (r *run) seenBy(at time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blind {
		if b.from.Before(at.Add(time.Second)) && b.to.After(at) {
			at = b.to
		}
	}
	return at
}

// killed notes that a component was killed just now.
func (r *run) killed(c plan.Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c == plan.Scheduler {
		r.kills = append(r.kills, time.Now())
	}
}

// wasKilled reports whether the scheduler was killed between two times.
func (r *run) wasKilled(from, to time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.kills, func(at time.Time) bool { return at.After(from) && at.Before(to) })
}

// wasDisturbed reports whether the scheduler had a reason to leave things half done at that time.
func (r *run) wasDisturbed(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.disturbed, func(d disturbance) bool {
		return d.component == plan.Scheduler && d.from.Before(at) && d.to.After(at)
	})
}

// reject does what a kubelet does with a pod that it finds no room for.
func (r *run) reject(ctx context.Context, pod *corev1.Pod, reason string) error {
	status := map[string]any{"phase": corev1.PodFailed, "reason": reason, "message": "Pod was rejected: " + reason, "startTime": ptr.To(metav1.Now())}
	data, err := json.Marshal(map[string]any{"status": status, "metadata": map[string]any{"uid": pod.UID}})
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(r.admin.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, data)))
}
