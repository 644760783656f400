package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

// advance notes how far the API server has come, so that later ticks know that everything up to there was worked on.
func (k *Keeper) advance(ctx context.Context) {
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	err := k.Live.List(ctx, pods, client.InNamespace(k.namespaces()[0]), client.HasLabels{v1alpha1.LabelHeadroom}, client.Limit(1))
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Asking for the current resource version failed", "err", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = append(k.current, parse(pods.ResourceVersion))
	if over := len(k.current) - delay - 1; over > 0 {
		k.current = k.current[over:]
	}
}

// allThrough is the resource version through which the records of all Headrooms are complete; zero if that is not known. The lock is held.
func (k *Keeper) allThrough() uint64 {
	if len(k.current) <= delay {
		return 0
	}
	through := k.current[0]
	for _, e := range k.entries {
		if e.dirty || e.returning {
			through = min(through, e.position)
		}
	}
	return through
}

// writeAll writes the accounts that changed and were not written within the interval, and one if none was written for long.
func (k *Keeper) writeAll(ctx context.Context, interval time.Duration) {
	now := k.Clock.Now()
	k.mu.Lock()
	if !k.stored {
		k.mu.Unlock()
		return
	}
	var due []types.NamespacedName
	smallest, size := types.NamespacedName{}, -1
	for name, e := range k.entries {
		switch {
		case e.keeper != "": // another installation's
		case e.dirty && now.Sub(e.written) >= interval:
			due = append(due, name)
		case e.version != "" && (size < 0 || e.size < size):
			smallest, size = name, e.size
		}
	}
	if len(due) == 0 && size >= 0 && now.Sub(k.lastWrite) >= keepAlive && interval > 0 {
		due = append(due, smallest)
	}
	k.mu.Unlock()
	slices.SortFunc(due, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, name := range due {
		if err := k.write(ctx, name); err != nil {
			k.Metrics.AccountWriteErrors.Inc()
			klog.FromContext(ctx).Error(err, "Writing an account failed; it is tried again", "headroomAccount", name)
		}
	}
}

// write writes one account.
func (k *Keeper) write(ctx context.Context, name types.NamespacedName) error {
	headroom := &v1alpha1.Headroom{}
	if err := k.Client.Get(ctx, name, headroom); err != nil {
		if apierrors.IsNotFound(err) {
			return nil // the Reconciler will say so
		}
		return fmt.Errorf("reading Headroom %s: %w", name, err)
	}
	if headroom.DeletionTimestamp != nil {
		return nil
	}
	object, err := k.snapshot(name, headroom)
	if err != nil || object == nil {
		return err
	}
	if object.ResourceVersion == "" {
		err = k.Client.Create(ctx, object)
	} else {
		err = k.Client.Update(ctx, object)
	}
	return k.wrote(ctx, name, object, err)
}

// snapshot returns the object to write for an account, nil if it has to wait, and counts the account as written.
func (k *Keeper) snapshot(name types.NamespacedName, headroom *v1alpha1.Headroom) (object *v1alpha1.HeadroomAccount, err error) {
	k.Ledger.Snapshot(name, func(open []consumption.Departure) {
		k.mu.Lock()
		defer k.mu.Unlock()
		e := k.entries[name]
		if e == nil || len(open) > maxOpen {
			return
		}
		if e.owner != "" && e.owner != headroom.UID {
			e.version = "" // it belongs to an earlier Headroom of the name, with which it goes
		}
		now := k.Clock.Now()
		position := v1alpha1.AccountPosition{
			Writer: k.Identity, Through: format(e.through), AllThrough: format(k.allThrough()), Generation: e.generation,
		}
		for _, d := range open {
			position.Open = append(position.Open, storedDeparture(d))
		}
		var record v1alpha1.AccountRecord
		if record, err = e.account.Encode(position); err != nil {
			return
		}
		record.WrittenTime = &metav1.Time{Time: now}
		object = &v1alpha1.HeadroomAccount{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: name.Namespace, Name: name.Name, ResourceVersion: e.version, OwnerReferences: []metav1.OwnerReference{{
					APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom, Name: headroom.Name, UID: headroom.UID,
					Controller: ptr.To(true),
				}},
			},
			Record: record,
		}
		e.dirty, e.written, k.lastWrite = false, now, now
	})
	return object, err
}

func storedDeparture(d consumption.Departure) v1alpha1.AccountDeparture {
	stored := v1alpha1.AccountDeparture{
		Placeholder: d.Placeholder.Name, UID: string(d.UID), Node: d.Node, Time: metav1.NewMicroTime(d.Time),
	}
	if d.Preempted {
		stored.Preempted = ptr.To(true)
	}
	return stored
}

// wrote notes how a write ended.
func (k *Keeper) wrote(ctx context.Context, name types.NamespacedName, object *v1alpha1.HeadroomAccount, err error) error {
	var current *v1alpha1.HeadroomAccount
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		if current, err = k.stale(ctx, name, err); current == nil && err == nil {
			err = errors.New("the HeadroomAccount changed and is gone")
		}
		if current != nil && current.Record.Position.Writer != k.Identity && k.isLost(ctx, name) {
			return nil
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[name]
	if e == nil {
		return err
	}
	switch {
	case current != nil:
		// It was this process's own write whose answer was lost, or that of another controller that does not keep the account. In either
		// case what is in memory is written over it, next time.
		e.dirty = true
		e.adopt(current)
		if current.Record.Position.Writer != k.Identity {
			return fmt.Errorf("another controller, %s, wrote it", current.Record.Position.Writer)
		}
		return nil
	case err != nil:
		e.dirty = true
		if apierrors.IsNotFound(err) {
			e.version = "" // somebody deleted it
		}
		return err
	}
	e.version, e.owner, e.size = object.ResourceVersion, object.OwnerReferences[0].UID, len(object.Record.Hours)
	e.position = parse(object.Record.Position.Through)
	return nil
}

// stale returns the stored object that stood in the way of a write, nil if it is gone.
func (k *Keeper) stale(ctx context.Context, name types.NamespacedName, cause error) (*v1alpha1.HeadroomAccount, error) {
	list := &v1alpha1.HeadroomAccountList{}
	err := k.Live.List(ctx, list, client.InNamespace(name.Namespace), client.MatchingFields{"metadata.name": name.Name})
	if err != nil {
		return nil, fmt.Errorf("%w; reading it: %w", cause, err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return &list.Items[0], nil
}

// parse reads a resource version as the number it is; zero if there is none.
func parse(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func format(resourceVersion uint64) string {
	if resourceVersion == 0 {
		return ""
	}
	return strconv.FormatUint(resourceVersion, 10)
}
