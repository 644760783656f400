package accounts

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

const (
	// WriteInterval is the shortest time between two writes of one account.
	WriteInterval = 10 * time.Second
	// keepAlive is the longest time without a write of any account, so that what all of them reach through stays recent.
	keepAlive = 30 * time.Second
	// lookForDefinition is when to look again for a definition of HeadroomAccounts that was missing.
	lookForDefinition = time.Minute
	// lastWrites is how long the accounts may take to be written when the controller stops.
	lastWrites = 5 * time.Second
	// maxOpen is how many undecided departures a record holds; an account that has more waits for decisions before it is written.
	maxOpen = 128
	// delay is how many ticks pass before the changes of that time are certain to be worked on.
	delay = 2
)

// Start reads the stored accounts, replays what is not in them, and then writes what changes until the context ends.
func (k *Keeper) Start(ctx context.Context) error {
	if err := k.load(ctx); err != nil {
		return nil // the context ended
	}
	k.replay(ctx, k.kept())
	if ctx.Err() != nil {
		return nil // what was to be replayed is not in the accounts: the next controller does it
	}
	k.mu.Lock()
	k.complete = true
	k.mu.Unlock()
	ticker := k.Clock.NewTicker(WriteInterval)
	defer ticker.Stop()
	next := k.Clock.Now().Add(lookForDefinition)
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			k.writeAll(last, 0)
			return nil
		case <-ticker.C():
		}
		k.look()
		if !k.takeOver(ctx) {
			return nil // as above
		}
		if !k.isStored() {
			if k.Clock.Now().Before(next) {
				continue
			}
			next = k.Clock.Now().Add(lookForDefinition)
			if _, err := k.list(ctx); err != nil {
				continue
			}
			k.setStored(ctx, true)
		}
		k.advance(ctx)
		k.writeAll(ctx, WriteInterval)
	}
}

// load reads the stored accounts, and tries until it succeeds or the context ends.
func (k *Keeper) load(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		list, err := k.list(ctx)
		if err == nil || isUndefined(err) {
			k.setStored(ctx, err == nil)
			if err = k.begin(ctx, list); err == nil {
				return nil
			}
		}
		klog.FromContext(ctx).Error(err, "Reading the accounts failed; it is tried again", "wait", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.Clock.After(wait):
		}
	}
}

func isUndefined(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err)
}

func (k *Keeper) list(ctx context.Context) ([]v1alpha1.HeadroomAccount, error) {
	var all []v1alpha1.HeadroomAccount
	for _, namespace := range k.namespaces() {
		list := &v1alpha1.HeadroomAccountList{}
		if err := k.Live.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

func (k *Keeper) namespaces() []string {
	if len(k.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	return k.Namespaces
}

// begin takes up the stored accounts of the Headrooms that no other installation keeps.
func (k *Keeper) begin(ctx context.Context, stored []v1alpha1.HeadroomAccount) error {
	elsewhere, err := k.elsewhere(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	for name, installation := range elsewhere {
		k.entry(name).leave(installation)
	}
	open := k.take(ctx, stored, func(e *entry) bool { return e.keeper == "" })
	for _, e := range k.entries {
		e.early = nil
	}
	k.loaded = true
	close(k.ready)
	k.mu.Unlock()
	k.resume(open)
	return nil
}

// take puts the stored accounts that are due in the place of those that were begun meanwhile, with what was recorded in these, and returns
// what is not decided in them. The lock is held.
func (k *Keeper) take(
	ctx context.Context, stored []v1alpha1.HeadroomAccount, due func(*entry) bool,
) map[types.NamespacedName][]consumption.Departure {
	open := map[types.NamespacedName][]consumption.Departure{}
	for i := range stored {
		name := client.ObjectKeyFromObject(&stored[i])
		e := k.entry(name)
		if !due(e) {
			continue
		}
		record := &stored[i].Record
		a, err := account.Decode(record)
		if err != nil {
			klog.FromContext(ctx).Error(err, "A stored account cannot be read; a new one is begun", "headroomAccount", name)
			a = account.New(k.Clock.Now())
		}
		e.replace(a)
		e.adopt(&stored[i])
		open[name] = departuresOf(name.Namespace, record)
	}
	return open
}

// resume has the Ledger decide what other processes left undecided.
func (k *Keeper) resume(open map[types.NamespacedName][]consumption.Departure) {
	for name, departures := range open {
		k.Ledger.Resume(name, departures)
	}
}

// replace puts an account in the place of the entry's, with what was recorded in this meanwhile.
func (e *entry) replace(a *account.Account) {
	for _, change := range e.early {
		change(a)
	}
	e.account = a
}

// adopt notes which stored object the entry is written over.
func (e *entry) adopt(stored *v1alpha1.HeadroomAccount) {
	position := &stored.Record.Position
	e.version, e.size = stored.ResourceVersion, len(stored.Record.Hours)
	e.position, e.allThrough = parse(position.Through), parse(position.AllThrough)
	e.through = max(e.through, e.position)
	e.recordedGeneration = position.Generation
	if e.generation == 0 {
		e.generation = position.Generation
	}
	if owner := metav1.GetControllerOfNoCopy(stored); owner != nil {
		e.owner = owner.UID
	}
}

func departuresOf(namespace string, record *v1alpha1.AccountRecord) []consumption.Departure {
	var departures []consumption.Departure
	for _, open := range record.Position.Open {
		departures = append(departures, consumption.Departure{
			Placeholder: types.NamespacedName{Namespace: namespace, Name: open.Placeholder}, UID: types.UID(open.UID), Node: open.Node,
			Time: open.Time.Time, Preempted: ptr.Deref(open.Preempted, false), Otherwise: account.LossAbandoned,
		})
	}
	return departures
}

func (k *Keeper) isStored() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stored
}

// setStored notes whether the API server has HeadroomAccounts, and says so if that is news.
func (k *Keeper) setStored(ctx context.Context, stored bool) {
	k.mu.Lock()
	news := !k.loaded || k.stored != stored
	k.stored = stored
	k.mu.Unlock()
	if stored {
		k.Metrics.AccountStored.Set(1)
		return
	}
	k.Metrics.AccountStored.Set(0)
	if news {
		klog.FromContext(ctx).Error(nil, "Accounts of who took what are not kept across restarts: the CustomResourceDefinition "+
			"headroomaccounts.headroom.dev is not installed; apply manifests/crd")
	}
}
