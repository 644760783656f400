package headroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

const (
	// maxWrites is how many creations, deletions and replacements each one reconcile does at most, so that a Headroom of a million
	// units does not keep the others waiting and its status stays fresh.
	maxWrites = 500
	// again is when a reconcile that did all it may do is followed by the next.
	again = 100 * time.Millisecond
)

// outcome is what a reconcile did.
type outcome struct {
	// created are the new placeholders, in no particular order.
	created []*corev1.Pod
	// deleted are the placeholders whose deletion was asked for.
	deleted map[types.UID]bool
	// problem is why something was refused, nil if nothing was.
	problem *problem
	// retry is when to reconcile again even if nothing happens; zero: no need.
	retry time.Duration
}

// apply carries out a plan as far as the API server lets it.
func (r *Reconciler) apply(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, p plan) (outcome, error) {
	done := outcome{deleted: map[types.UID]bool{}, problem: p.refused}
	if err := r.applyDaemonSet(ctx, headroom, seen, &done); err != nil {
		return done, err
	}
	if err := r.deleteAll(ctx, headroom, p.actions.Delete, &done); err != nil {
		return done, err
	}
	if p.refused != nil {
		return done, nil
	}
	key := client.ObjectKeyFromObject(headroom)
	if wait, last := r.refusals.due(key, headroom.Generation); wait > 0 {
		done.retry, done.problem = soonest(done.retry, wait), last
		return done, nil
	}
	err := r.replaceAll(ctx, headroom, p, &done)
	if err == nil {
		err = r.createAll(ctx, headroom, p.actions.Create, &done)
	}
	if err == nil {
		if len(p.actions.Create)+len(p.actions.Replace) > 0 {
			r.refusals.succeeded(key)
		}
		return done, nil
	}
	if what := problemOf(err); what != nil {
		done.problem = what
		done.retry = soonest(done.retry, r.refusals.failed(key, headroom.Generation, what))
		klog.FromContext(ctx).V(2).Info("Placeholders refused", "reason", what.reason, "message", what.message, "retry", done.retry)
		return done, nil
	}
	return done, err
}

// deleteAll deletes placeholders, many at a time.
func (r *Reconciler) deleteAll(ctx context.Context, headroom *v1alpha1.Headroom, deletions []topup.Deletion, done *outcome) error {
	if len(deletions) > maxWrites {
		deletions = deletions[:maxWrites]
		done.retry = soonest(done.retry, again)
	}
	tried, err := inBatches(len(deletions), func(i int) error {
		return r.delete(ctx, headroom, deletions[i].Old, deletions[i].Reason)
	})
	for _, deletion := range deletions[:tried] {
		done.deleted[deletion.Old.UID] = true
	}
	return err
}

// replaceAll replaces placeholders one by one, so that what a crash in between can lose is one of them.
func (r *Reconciler) replaceAll(ctx context.Context, headroom *v1alpha1.Headroom, p plan, done *outcome) error {
	key := client.ObjectKeyFromObject(headroom)
	lossWait, _ := r.losses.due(key, headroom.Generation)
	lost, tried := false, false
	for i, replacement := range p.actions.Replace {
		if i == maxWrites {
			done.retry = soonest(done.retry, again)
			break
		}
		if replacement.Reason == topup.Gone {
			if lossWait > 0 { // they fail as fast as they are made
				done.retry = soonest(done.retry, lossWait)
				continue
			}
			lost = true
		} else if !tried {
			if err := r.tryOut(ctx, headroom, replacement.New); err != nil {
				return err
			}
			tried = true
		}
		if err := r.delete(ctx, headroom, replacement.Old, replacement.Reason); err != nil {
			return err
		}
		done.deleted[replacement.Old.UID] = true
		if replacement.New.Exchange {
			r.inflight.exchanging(key, 1)
		}
		pod, err := r.create(ctx, headroom, replacement.New)
		if err != nil {
			return err
		}
		if pod != nil {
			done.created = append(done.created, pod)
		}
	}
	if lost {
		r.losses.failed(key, headroom.Generation, nil)
	}
	return nil
}

// tryOut asks the API server whether it would accept a placeholder of the new spec, before one of the old is given up for it.
// The name is taken, so AlreadyExists is the good answer. A quota answer is none, since the old one gives its share back.
func (r *Reconciler) tryOut(ctx context.Context, headroom *v1alpha1.Headroom, creation topup.Creation) error {
	pod := placeholder.Build(headroom, r.Defaults, creation.Ordinal)
	err := r.Client.Create(ctx, pod, client.DryRunAll)
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	if what := problemOf(err); what != nil && what.reason == v1alpha1.ReasonQuotaExceeded {
		return nil
	}
	return fmt.Errorf("trying out a placeholder of the new spec: %w", err)
}

// createAll creates placeholders in batches that double while all goes well.
func (r *Reconciler) createAll(ctx context.Context, headroom *v1alpha1.Headroom, creations []topup.Creation, done *outcome) error {
	if len(creations) > maxWrites {
		creations = creations[:maxWrites]
		done.retry = soonest(done.retry, again)
	}
	pods := make([]*corev1.Pod, len(creations))
	tried, err := inBatches(len(creations), func(i int) error {
		var err error
		pods[i], err = r.create(ctx, headroom, creations[i])
		return err
	})
	for i, pod := range pods {
		if pod != nil {
			done.created = append(done.created, pod)
		} else if i < tried {
			done.retry = soonest(done.retry, again)
		}
	}
	return err
}

// create creates one placeholder. If its name is taken, nil is returned and no error: either an earlier attempt got through
// and the cache is behind, or the name is somebody else's; the next plan knows which.
func (r *Reconciler) create(ctx context.Context, headroom *v1alpha1.Headroom, creation topup.Creation) (*corev1.Pod, error) {
	pod := placeholder.Build(headroom, r.Defaults, creation.Ordinal)
	if creation.Exchange {
		placeholder.MarkExchange(pod)
	}
	name := pod.Name
	err := r.Client.Create(ctx, pod)
	if apierrors.IsAlreadyExists(err) {
		return nil, r.adoptName(ctx, headroom, name)
	}
	if err != nil {
		return nil, fmt.Errorf("creating placeholder %s: %w", name, err)
	}
	key := client.ObjectKeyFromObject(headroom)
	r.inflight.creating(key, pod)
	if creation.Exchange {
		r.inflight.exchanging(key, -1)
	}
	return pod, nil
}

// adoptName finds out whose a taken name is and remembers it until the cache shows it, so that the next plan reckons with it.
func (r *Reconciler) adoptName(ctx context.Context, headroom *v1alpha1.Headroom, name string) error {
	pod := &corev1.Pod{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: headroom.Namespace, Name: name}, pod)
	if apierrors.IsNotFound(err) {
		return nil // it went in between; its going will be seen
	}
	if err != nil {
		return fmt.Errorf("reading the pod that has the name %s: %w", name, err)
	}
	if pod.Labels[v1alpha1.LabelHeadroom] == headroom.Name {
		r.inflight.creating(client.ObjectKeyFromObject(headroom), pod)
		return nil
	}
	r.inflight.squatting(client.ObjectKeyFromObject(headroom), pod)
	return nil
}

// delete deletes one placeholder, and no other of the same name. One that is gone already is no error.
func (r *Reconciler) delete(ctx context.Context, headroom *v1alpha1.Headroom, old topup.Unit, reason topup.Reason) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: headroom.Namespace, Name: old.Name}}
	r.inflight.deleting(old.UID, reason)
	err := r.Client.Delete(ctx, pod, client.Preconditions{UID: ptr.To(old.UID)}, client.GracePeriodSeconds(0))
	if err == nil {
		return nil
	}
	r.inflight.undelete(old.UID)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // somebody else was first; a conflict says that the pod of this name is another one
	}
	return fmt.Errorf("deleting placeholder %s: %w", old.Name, err)
}

// inBatches calls do for 0 to n-1: first once, then, while every call succeeds, twice, four times and so on at the same time.
// It returns how many calls were made in batches without failure, and the errors of the first batch that failed. What the API
// server refuses is so asked a few times and not a thousand times.
func inBatches(n int, do func(i int) error) (succeeded int, err error) {
	for start, size := 0, 1; start < n; start, size = start+size, 2*size {
		size = min(size, n-start)
		errs := make([]error, size)
		var running sync.WaitGroup
		for i := range size {
			running.Go(func() { errs[i] = do(start + i) })
		}
		running.Wait()
		if err := first(errs); err != nil {
			return start, err
		}
	}
	return n, nil
}

// first returns the first error, with all others that are about something else than a refusal.
func first(errs []error) error {
	var refusal error
	var rest []error
	for _, err := range errs {
		switch {
		case err == nil:
		case problemOf(err) == nil:
			rest = append(rest, err)
		case refusal == nil:
			refusal = err
		}
	}
	if len(rest) > 0 {
		return errors.Join(rest...)
	}
	return refusal
}
