package headroom

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// applyDaemonSet makes the DaemonSet of a Headroom with placement PerNode, keeps it as it should be, and removes it when the
// placement is another one. A DaemonSet of the same name that the Headroom does not control is left alone.
func (r *Reconciler) applyDaemonSet(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, p plan) (outcome, error) {
	current := seen.daemonSet
	if headroom.Spec.Placement != v1alpha1.PlacementPerNode {
		if current == nil || current.DeletionTimestamp != nil || !metav1.IsControlledBy(current, headroom) {
			return outcome{}, nil
		}
		return outcome{}, r.deleteDaemonSet(ctx, current)
	}
	if p.refused != nil {
		return outcome{}, nil // no new placeholders, and none that could not be made again are touched
	}
	if wait, last := r.refusals.due(client.ObjectKeyFromObject(headroom), headroom.Generation); wait > 0 {
		return outcome{problem: last, retry: wait}, nil
	}
	done, err := r.createOrUpdateDaemonSet(ctx, headroom, current)
	if err == nil && done.problem == nil && lacksPods(seen) {
		// The DaemonSet controller's create errors are not visible here.
		_, err = r.dryRunCreate(ctx, headroom)
	}
	if err == nil {
		return done, nil
	}
	next, err := r.refused(ctx, headroom, err)
	return done.and(next), err
}

func (r *Reconciler) createOrUpdateDaemonSet(
	ctx context.Context, headroom *v1alpha1.Headroom, current *appsv1.DaemonSet,
) (outcome, error) {
	want := placeholder.BuildDaemonSet(headroom, r.Defaults)
	placeholder.MarkMadeBy(want, r.Identity)
	if current == nil {
		err := r.Client.Create(ctx, want)
		if apierrors.IsAlreadyExists(err) {
			return outcome{problem: daemonSetNameTaken(want.Name), retry: lastRetry}, nil
		}
		if err != nil {
			return outcome{}, fmt.Errorf("creating DaemonSet %s: %w", want.Name, err)
		}
		_, err = r.dryRunCreate(ctx, headroom) // what admission makes of its pods is not visible either
		return outcome{}, err
	}
	if !metav1.IsControlledBy(current, headroom) {
		return outcome{problem: daemonSetNameTaken(want.Name)}, nil
	}
	if current.DeletionTimestamp != nil {
		return outcome{}, nil
	}
	if wanted, err := r.isAsWanted(ctx, headroom, current); wanted || err != nil {
		return outcome{}, err
	}
	changed := current.DeepCopy()
	changed.Labels, changed.Annotations = merged(current.Labels, want.Labels), merged(current.Annotations, want.Annotations)
	changed.Spec = want.Spec // whole: what somebody added goes
	if err := r.Client.Update(ctx, changed); err != nil {
		return outcome{}, fmt.Errorf("updating DaemonSet %s: %w", want.Name, err)
	}
	r.daemonSetsSeen.put(client.ObjectKeyFromObject(headroom), changed)
	return outcome{}, nil
}

// lacksPods reports whether the DaemonSet has fewer pods than it should have. A pod that waits for room is there; one that is not
// was refused, or is about to come.
func lacksPods(seen *observation) bool {
	ds := seen.daemonSet
	if ds == nil || ds.Status.ObservedGeneration != ds.Generation {
		return false
	}
	alive := 0
	for _, u := range seen.perNode {
		if u.State == topup.Pending || u.State == topup.Bound {
			alive++
		}
	}
	return alive < int(ds.Status.DesiredNumberScheduled)
}

// isAsWanted reports whether a DaemonSet is what the Headroom says now. Its spec cannot be compared as it is, since the API server
// fills in defaults. So the API server is asked what would become of it, once for each generation that somebody else wrote.
func (r *Reconciler) isAsWanted(ctx context.Context, headroom *v1alpha1.Headroom, current *appsv1.DaemonSet) (bool, error) {
	want := placeholder.BuildDaemonSet(headroom, r.Defaults)
	const hash = v1alpha1.AnnotationTemplateHash
	if want.Spec.Template.Annotations[hash] != current.Spec.Template.Annotations[hash] ||
		!equality.Semantic.DeepDerivative(want.Labels, current.Labels) {
		return false, nil
	}
	key := client.ObjectKeyFromObject(headroom)
	if r.daemonSetsSeen.has(key, current) {
		return true, nil
	}
	for _, daemonSet := range []*appsv1.DaemonSet{want, placeholder.BuildEarlierDaemonSet(headroom, r.Defaults)} {
		changed := current.DeepCopy()
		changed.Spec = daemonSet.Spec
		if err := r.Client.Update(ctx, changed, client.DryRunAll); err != nil {
			return false, fmt.Errorf("comparing DaemonSet %s with what it should be: %w", current.Name, err)
		}
		if equality.Semantic.DeepEqual(changed.Spec, current.Spec) {
			r.daemonSetsSeen.put(key, current)
			return true, nil
		}
	}
	return false, nil
}

func (r *Reconciler) deleteDaemonSet(ctx context.Context, current *appsv1.DaemonSet) error {
	err := r.Client.Delete(ctx, current, client.Preconditions{UID: ptr.To(current.UID)},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting DaemonSet %s: %w", current.Name, err)
	}
	return nil
}

func daemonSetNameTaken(name string) *problem {
	return &problem{
		reason: v1alpha1.ReasonNameTaken,
		message: fmt.Sprintf("DaemonSet %s exists and does not belong to this Headroom. Delete it, or give the Headroom another name.",
			name),
	}
}

func merged(current, want map[string]string) map[string]string {
	result := make(map[string]string, len(current)+len(want))
	for k, v := range current {
		result[k] = v
	}
	for k, v := range want {
		result[k] = v
	}
	return result
}
