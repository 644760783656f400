package headroom

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// silence is after how long without a word an installation counts as gone.
	silence = time.Minute
	// renewal is how often two installations that know of each other say that they are there.
	renewal = 20 * time.Second
)

// role is what this installation does about one Headroom: of several that would act on it, one does.
type role struct {
	// acts says that it works on the Headroom. If not it only says that it is there.
	acts bool
	// rival is another installation that would act too, empty if there is none.
	rival string
	// renew says that the installation's own record has to be written although nothing else is to be.
	renew bool
	// again is when to look again; zero: when something changes.
	again time.Duration
}

// seenFor is for how long, by this installation's own clock, the records in a status have been as they are.
type seenFor struct{ first, other time.Duration }

// roleOf decides who acts. The first to write does as long as it answers; a later one takes over when the record of the first has
// been as it is for a minute although it was asked all the while. Nobody compares a time that another clock wrote with its own.
func roleOf(me string, status *v1alpha1.HeadroomStatus, seen seenFor, now time.Time) role {
	first, other := status.Controller, status.OtherController
	rival := other != nil && other.Identity != me && seen.other < silence
	if first == nil || first.Identity == me {
		if !rival {
			return role{acts: true}
		}
		return role{acts: true, rival: other.Identity, again: renewal, renew: first == nil || isOld(first, now)}
	}
	if seen.first >= silence {
		return role{acts: true}
	}
	asked := other != nil && other.Identity == me && !isOld(other, now)
	return role{rival: first.Identity, renew: !asked && !rival, again: min(renewal, silence-seen.first)}
}

// isOld reports whether a record of this installation should be renewed; also if a replica with another clock wrote it.
func isOld(record *v1alpha1.ControllerRecord, now time.Time) bool {
	age := now.Sub(record.LastWriteTime.Time)
	return age >= renewal || age < -renewal
}

// rivals is since when the records in a status have been as they are. It is safe for concurrent use.
type rivals struct {
	clock        clock.PassiveClock
	mu           sync.Mutex
	first, other map[types.NamespacedName]rivalEntry
}

type rivalEntry struct {
	record v1alpha1.ControllerRecord
	since  time.Time
}

func newRivals(clock clock.PassiveClock) *rivals {
	return &rivals{clock: clock, first: map[types.NamespacedName]rivalEntry{}, other: map[types.NamespacedName]rivalEntry{}}
}

// look notes the records in a status, and returns for how long they have been seen as they are.
func (r *rivals) look(headroom types.NamespacedName, status *v1alpha1.HeadroomStatus) seenFor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return seenFor{first: r.still(r.first, headroom, status.Controller), other: r.still(r.other, headroom, status.OtherController)}
}

func (r *rivals) still(
	entries map[types.NamespacedName]rivalEntry, headroom types.NamespacedName, record *v1alpha1.ControllerRecord,
) time.Duration {
	if record == nil {
		delete(entries, headroom)
		return 0
	}
	entry, ok := entries[headroom]
	if !ok || entry.record.Identity != record.Identity || !entry.record.LastWriteTime.Equal(&record.LastWriteTime) {
		entry = rivalEntry{record: *record, since: r.clock.Now()}
		entries[headroom] = entry
	}
	return r.clock.Since(entry.since)
}

func (r *rivals) forget(headroom types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.first, headroom)
	delete(r.other, headroom)
}

// roleIn is the role in which this installation looks at a Headroom now.
func (r *Reconciler) roleIn(headroom *v1alpha1.Headroom) role {
	return roleOf(r.Identity, &headroom.Status, r.rivals.look(client.ObjectKeyFromObject(headroom), &headroom.Status), r.Clock.Now())
}

// record is this installation's, now.
func (r *Reconciler) record() *v1alpha1.ControllerRecord {
	return &v1alpha1.ControllerRecord{Identity: r.Identity, LastWriteTime: metav1.NewTime(r.Clock.Now().Truncate(time.Second))}
}

// standBack leaves a Headroom, and its account, to the installation that acts on it.
func (r *Reconciler) standBack(ctx context.Context, headroom *v1alpha1.Headroom, who role) error {
	key := client.ObjectKeyFromObject(headroom)
	r.Accounts.Leave(key, who.rival)
	r.ledger.Forget(key) // the other one tells of it
	r.allotments.forget(key)
	if who.renew {
		return r.announce(ctx, headroom)
	}
	return nil
}

// announce tells the installation that acts on a Headroom that this one would act too. It changes nothing else.
func (r *Reconciler) announce(ctx context.Context, headroom *v1alpha1.Headroom) error {
	klog.FromContext(ctx).Info("Another installation acts on this Headroom",
		"identity", r.Identity, "acts", headroom.Status.Controller.Identity)
	changed := headroom.DeepCopy()
	changed.Status.OtherController = r.record()
	patch := client.MergeFromWithOptions(headroom, client.MergeFromWithOptimisticLock{})
	err := r.Client.Status().Patch(ctx, changed, patch)
	switch {
	case err == nil:
		r.expectations.expectStatus(changed)
	case !apierrors.IsNotFound(err) && !apierrors.IsConflict(err): // a conflict says that the other one is at work
		return fmt.Errorf("writing that another installation acts on the Headroom: %w", err)
	}
	return nil
}

// addRecords puts into a status who acts, and who else would.
func (r *Reconciler) addRecords(status *v1alpha1.HeadroomStatus, who role) {
	if who.rival == "" {
		status.OtherController = nil
	}
	if status.Controller == nil || status.Controller.Identity != r.Identity || who.renew {
		status.Controller = r.record()
	}
}

// anotherController words a rival as a problem.
func anotherController(me, rival string) *problem {
	return &problem{
		reason: v1alpha1.ReasonAnotherController,
		message: fmt.Sprintf("Another installation of headroom-controller, %s, would act on this Headroom too; %s does. "+
			"Uninstall one of them, or restrict them to different namespaces with --namespaces.", rival, me),
	}
}

// recordChanged lets through what other installations say of themselves.
type recordChanged struct {
	predicate.Funcs
	identity string
}

// Update reports whether another installation wrote its record.
func (p recordChanged) Update(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Headroom)
	after, same := e.ObjectNew.(*v1alpha1.Headroom)
	return ok && same && (p.theirs(before.Status.Controller, after.Status.Controller) ||
		p.theirs(before.Status.OtherController, after.Status.OtherController))
}

func (p recordChanged) theirs(before, after *v1alpha1.ControllerRecord) bool {
	if after == nil || after.Identity == p.identity {
		return false
	}
	return before == nil || before.Identity != after.Identity || !before.LastWriteTime.Equal(&after.LastWriteTime)
}
