package headroom

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// dryRunOrdinal is that of placeholders that are never made: no unit has it, so that its name is free.
const dryRunOrdinal = 1 << 20

// changedError says that admission made a pod out of a placeholder by which the controller does not know it as a unit.
type changedError struct{ change *placeholder.Change }

// Error says what to do about it.
func (e *changedError) Error() string { return changed(e.change).message }

// changed words what admission changed as a problem.
func changed(c *placeholder.Change) *problem {
	message := fmt.Sprintf("Admission changes the placeholders: %s. Have the policy or webhook leave out pods with the label %s.",
		c, v1alpha1.LabelHeadroom)
	if c.Unrecognizable {
		message += " Until then none is made: it would not be known as a unit."
	}
	return &problem{reason: v1alpha1.ReasonAdmissionChanged, message: message}
}

// changes is what admission was last seen to change about the placeholders of each Headroom. It is safe for concurrent use.
type changes struct {
	clock   clock.PassiveClock
	mu      sync.Mutex
	entries map[types.NamespacedName]changeEntry
}

type changeEntry struct {
	change *placeholder.Change
	at     time.Time
}

func newChanges(clock clock.PassiveClock) *changes {
	return &changes{clock: clock, entries: map[types.NamespacedName]changeEntry{}}
}

// note remembers what admission made of a placeholder just now; nil: nothing.
func (c *changes) note(headroom types.NamespacedName, change *placeholder.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[headroom] = changeEntry{change: change, at: c.clock.Now()}
}

// last returns what was last noted, and how long ago; false if nothing was.
func (c *changes) last(headroom types.NamespacedName) (change *placeholder.Change, age time.Duration, noted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, noted := c.entries[headroom]
	return entry.change, c.clock.Since(entry.at), noted
}

func (c *changes) forget(headroom types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, headroom)
}

// dryRunCreate asks the API server whether it would accept a placeholder of the spec as it is, without making one. It returns the pod
// that would become of it; nil if that is not known.
func (r *Reconciler) dryRunCreate(ctx context.Context, headroom *v1alpha1.Headroom) (*corev1.Pod, error) {
	want := placeholder.Build(headroom, r.Defaults, dryRunOrdinal)
	got := want.DeepCopy()
	err := r.Client.Create(ctx, got, client.DryRunAll)
	if apierrors.IsAlreadyExists(err) {
		return nil, nil // every other check comes before the name's
	}
	if err != nil {
		return nil, fmt.Errorf("asking the API server whether it accepts a placeholder of this spec: %w", err)
	}
	change := placeholder.ChangeOf(want, got)
	r.changes.note(client.ObjectKeyFromObject(headroom), change)
	if change != nil && change.Unrecognizable {
		return nil, &changedError{change}
	}
	return got, nil
}

// undoIfUnrecognizable looks at what admission made of a new placeholder, and deletes it at once if the next reconcile would not know it.
func (r *Reconciler) undoIfUnrecognizable(ctx context.Context, headroom *v1alpha1.Headroom, want, got *corev1.Pod) error {
	change := placeholder.ChangeOf(want, got)
	r.changes.note(client.ObjectKeyFromObject(headroom), change)
	if change == nil || !change.Unrecognizable {
		return nil
	}
	err := r.Client.Delete(ctx, got, client.Preconditions{UID: ptr.To(got.UID)}, client.GracePeriodSeconds(0))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting pod %s, which admission made of a placeholder: %w", got.Name, err)
	}
	return &changedError{change}
}

// tellChange adds what admission changes to the outcome, if nothing else is wrong. As long as it does, the API server is asked again once
// in a while; also after a restart, if the status says so.
func (r *Reconciler) tellChange(ctx context.Context, headroom *v1alpha1.Headroom, done outcome) outcome {
	key := client.ObjectKeyFromObject(headroom)
	change, age, noted := r.changes.last(key)
	told := conditionOf(headroom.Status, v1alpha1.ConditionReady).Reason == v1alpha1.ReasonAdmissionChanged
	if noted && change != nil && age >= lastRetry || !noted && told {
		if _, err := r.dryRunCreate(ctx, headroom); err == nil || problemOf(err) != nil {
			change, age, _ = r.changes.last(key)
		}
	}
	if change == nil {
		return done
	}
	if done.problem == nil {
		done.problem = changed(change)
	}
	done.retry = soonest(done.retry, max(time.Second, lastRetry-age))
	return done
}
