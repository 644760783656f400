package headroom

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// outcome is what a reconcile, or a step of it, did.
type outcome struct {
	// created are the new placeholders, in no particular order.
	created []*corev1.Pod
	// deleted are the placeholders whose deletion was asked for.
	deleted []types.UID
	// problem is why something was refused, nil if nothing was.
	problem *problem
	// retry is when to reconcile again even if nothing happens; zero: no need.
	retry time.Duration
}

// and is what was done after the outcome of a further step. Of two problems the later one is told.
func (o outcome) and(next outcome) outcome {
	return outcome{
		created: slices.Concat(o.created, next.created),
		deleted: slices.Concat(o.deleted, next.deleted),
		problem: cmp.Or(next.problem, o.problem),
		retry:   soonest(o.retry, next.retry),
	}
}

// apply carries out a plan as far as the API server lets it.
func (r *Reconciler) apply(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, p plan) (outcome, error) {
	done := outcome{problem: p.refused}
	next, err := r.applyDaemonSet(ctx, headroom, seen, p)
	if done = done.and(next); err != nil {
		return done, err
	}
	next, err = r.deleteAll(ctx, headroom, p.actions.Delete)
	if done = done.and(next); err != nil || p.refused != nil {
		return done, err
	}
	next, err = r.deleteNonconforming(ctx, headroom, seen, p.nonconforming)
	if done = done.and(next); err != nil {
		next, err = r.refused(ctx, headroom, err)
		return done.and(next), err
	}
	key := client.ObjectKeyFromObject(headroom)
	if wait, last := r.refusals.due(key, headroom.Generation); wait > 0 {
		return done.and(outcome{problem: last, retry: wait}), nil
	}
	next, err = r.replaceAll(ctx, headroom, seen, p)
	done = done.and(next)
	if err == nil {
		next, err = r.createAll(ctx, headroom, p)
		done = done.and(next)
	}
	if err == nil {
		if len(p.actions.Create)+len(p.actions.Replace) > 0 {
			r.refusals.succeeded(key)
		}
		return done, nil
	}
	next, err = r.refused(ctx, headroom, err)
	return done.and(next), err
}

// refused turns an error that the user has to do something about into a problem, and says when to try again. Any other error is
// returned.
func (r *Reconciler) refused(ctx context.Context, headroom *v1alpha1.Headroom, err error) (outcome, error) {
	what := problemOf(err)
	if what == nil {
		return outcome{}, err
	}
	if what.reason == v1alpha1.ReasonInvalidSpec {
		ranges := &corev1.LimitRangeList{}
		if err := r.Live.List(ctx, ranges, client.InNamespace(headroom.Namespace)); err != nil {
			return outcome{}, fmt.Errorf("listing the LimitRanges of the namespace: %w", err)
		}
		what = cmp.Or(defaultsBelow(&headroom.Spec, ranges.Items), what)
	}
	retry := r.refusals.failed(client.ObjectKeyFromObject(headroom), headroom.Generation, what)
	klog.FromContext(ctx).V(2).Info("Placeholders refused", "reason", what.reason, "message", what.message, "retry", retry)
	return outcome{problem: what, retry: retry}, nil
}

// deleteAll deletes placeholders, many at a time.
func (r *Reconciler) deleteAll(ctx context.Context, headroom *v1alpha1.Headroom, deletions []topup.Deletion) (outcome, error) {
	done := outcome{}
	if len(deletions) > maxWrites {
		deletions = deletions[:maxWrites]
		done.retry = again
	}
	tried, err := inBatches(len(deletions), func(i int) error {
		return r.delete(ctx, headroom, deletions[i].Old, deletions[i].Reason)
	})
	for _, deletion := range deletions[:tried] {
		done.deleted = append(done.deleted, deletion.Old.UID)
	}
	return done, err
}

// deleteNonconforming deletes units of a DaemonSet that admission changed, for its controller to make anew; with back-off, since
// admission may change those as well.
func (r *Reconciler) deleteNonconforming(
	ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, deletions []topup.Deletion,
) (outcome, error) {
	if len(deletions) == 0 {
		return outcome{}, nil
	}
	key := client.ObjectKeyFromObject(headroom)
	if wait, _ := r.deviations.due(key, headroom.Generation); wait > 0 {
		return outcome{retry: wait}, nil
	}
	retry := r.deviations.failed(key, headroom.Generation, nil)
	if pointless, err := r.wouldDeviate(ctx, headroom, seen); pointless || err != nil && !isQuota(err) {
		return outcome{retry: retry}, err
	}
	done, err := r.deleteAll(ctx, headroom, deletions)
	done.retry = soonest(done.retry, retry)
	return done, err
}

// createAll creates placeholders in batches that double while all goes well or, of a Headroom whose units are meant for domains, in their
// order, those of one rank at a time.
func (r *Reconciler) createAll(ctx context.Context, headroom *v1alpha1.Headroom, p plan) (outcome, error) {
	done, creations := outcome{}, p.actions.Create
	if len(creations) > maxWrites {
		creations = creations[:maxWrites]
		done.retry = again
	}
	pods := make([]*corev1.Pod, len(creations))
	create := func(i int) error {
		var err error
		pods[i], err = r.create(ctx, headroom, creations[i], p.places[creations[i].Ordinal].Place)
		return err
	}
	tried, err := inGroups(len(creations), p.atOnce, create)
	for i, pod := range pods {
		if pod != nil {
			done.created = append(done.created, pod)
		} else if i < tried {
			done.retry = soonest(done.retry, again)
		}
	}
	return done, err
}

// create creates one placeholder. If its name is taken, nil is returned and no error: either an earlier attempt got through
// and the cache is behind, or the name is somebody else's; the next plan knows which.
func (r *Reconciler) create(
	ctx context.Context, headroom *v1alpha1.Headroom, creation topup.Creation, place placeholder.Place,
) (*corev1.Pod, error) {
	pod := placeholder.BuildAt(headroom, r.Defaults, creation.Ordinal, place)
	if creation.FromRollout {
		placeholder.MarkFromRollout(pod)
	}
	placeholder.MarkMadeBy(pod, r.Identity)
	want, name := pod.DeepCopy(), pod.Name
	err := r.Client.Create(ctx, pod)
	if apierrors.IsAlreadyExists(err) {
		return nil, r.adoptName(ctx, headroom, name)
	}
	if err != nil {
		return nil, fmt.Errorf("creating placeholder %s: %w", name, err)
	}
	if err := r.undoIfUnrecognizable(ctx, headroom, want, pod); err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(headroom)
	r.expectations.expectCreated(key, pod)
	r.names.nameGiven(key, creation.Ordinal)
	r.departures.came(key, pod.UID)
	if creation.FromRollout {
		r.rollouts.rolloutStep(key, -1)
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
		r.expectations.expectCreated(client.ObjectKeyFromObject(headroom), pod)
		return nil
	}
	r.names.nameTaken(client.ObjectKeyFromObject(headroom), pod)
	return nil
}

// delete deletes one placeholder, and no other of the same name. One that is gone already is no error.
func (r *Reconciler) delete(ctx context.Context, headroom *v1alpha1.Headroom, old topup.Unit, reason topup.Reason) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: headroom.Namespace, Name: old.Name}}
	r.expectations.expectDeleted(old.UID, reason)
	err := r.Client.Delete(ctx, pod, client.Preconditions{UID: ptr.To(old.UID)}, client.GracePeriodSeconds(0))
	r.deletionAnswered(old.UID, err == nil)
	if err == nil {
		r.Metrics.Deleted.WithLabelValues(string(reason)).Inc()
		return nil
	}
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // somebody else was first; a conflict says that the pod of this name is another one
	}
	return fmt.Errorf("deleting placeholder %s: %w", old.Name, err)
}
