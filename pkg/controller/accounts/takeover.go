package accounts

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

// missMemory is for how long misses are remembered while another installation keeps the account: longer than it takes to find that the
// other one is gone, and what it had not written then.
const missMemory = 3 * time.Minute

// miss says that a pod was told at that time that there is no room, why no unit served it, and how many it lacked, of which some are demand
// already.
type miss struct {
	why          account.Miss
	units, again int
	at           time.Time
}

func (m miss) record(a *account.Account) {
	a.Miss(m.why, m.units, m.at)
	a.Again(m.again, m.at)
}

// Leave says that another installation keeps the account of a Headroom: this one records and writes nothing more.
func (k *Keeper) Leave(headroom types.NamespacedName, installation string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entry(headroom).leave(installation)
}

// Keep says that this installation keeps the account of a Headroom. If another one did, this one goes on from what the other wrote.
func (k *Keeper) Keep(headroom types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entry(headroom)
	e.returning = e.keeper != ""
}

// Keeps reports whether this installation keeps the account of a Headroom.
func (k *Keeper) Keeps(headroom types.NamespacedName) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[headroom]
	return e == nil || !e.isElsewhere()
}

// isElsewhere reports whether another installation keeps the account.
func (e *entry) isElsewhere() bool { return e.keeper != "" && !e.returning }

// leave gives the account to another installation. What is not written, that one finds in the API server's history.
func (e *entry) leave(installation string) {
	if e.keeper == installation && !e.returning {
		return
	}
	e.keeper, e.returning, e.early, e.dirty, e.observed = installation, false, nil, false, false
}

// remember keeps a miss in case that this installation takes over: no history has it.
func (e *entry) remember(m miss, now time.Time) {
	for len(e.misses) > 0 && now.Sub(e.misses[0].at) > missMemory {
		e.misses = e.misses[1:]
	}
	e.misses = append(e.misses, m)
}

// elsewhere returns the Headrooms on which other installations act, and which.
func (k *Keeper) elsewhere(ctx context.Context) (map[types.NamespacedName]string, error) {
	list := &v1alpha1.HeadroomList{}
	if err := k.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing Headrooms: %w", err)
	}
	found := map[types.NamespacedName]string{}
	for i := range list.Items {
		if acts := list.Items[i].Status.Controller; acts != nil && acts.Identity != k.Installation {
			found[client.ObjectKeyFromObject(&list.Items[i])] = acts.Identity
		}
	}
	return found, nil
}

// isLost reports whether another installation acts on a Headroom by now, and leaves the account to it. The cache may not say so yet:
// after a while without the API server, a write can reach it before its news reach the cache.
func (k *Keeper) isLost(ctx context.Context, name types.NamespacedName) bool {
	headroom := &v1alpha1.Headroom{}
	if err := k.Live.Get(ctx, name, headroom); err != nil || headroom.Status.Controller == nil ||
		headroom.Status.Controller.Identity == k.Installation {
		return false
	}
	k.Leave(name, headroom.Status.Controller.Identity)
	return true
}

// kept returns the Headrooms whose accounts no other installation keeps.
func (k *Keeper) kept() map[types.NamespacedName]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := map[types.NamespacedName]bool{}
	for name, e := range k.entries {
		if e.keeper == "" {
			names[name] = true
		}
	}
	return names
}

// takeOver goes on with the accounts that other installations kept and this one keeps now: it reads what they wrote, and what happened
// since. It reports false if it was interrupted.
func (k *Keeper) takeOver(ctx context.Context) (done bool) {
	k.mu.Lock()
	due := false
	for _, e := range k.entries {
		due = due || e.returning
	}
	k.mu.Unlock()
	if !due {
		return true
	}
	stored, err := k.list(ctx)
	if err != nil && !isUndefined(err) {
		klog.FromContext(ctx).Error(err, "Reading the accounts that another installation kept failed; it is tried again")
		return true
	}
	names, open := k.takeBack(ctx, stored)
	k.resume(open)
	k.replay(ctx, names)
	return ctx.Err() == nil
}

// takeBack takes up the stored accounts of the Headrooms that this installation keeps again. It returns them, and what is not decided.
func (k *Keeper) takeBack(
	ctx context.Context, stored []v1alpha1.HeadroomAccount,
) (names map[types.NamespacedName]bool, open map[types.NamespacedName][]consumption.Departure) {
	k.mu.Lock()
	defer k.mu.Unlock()
	through := map[string]uint64{} // through which all records of an installation are complete
	for i := range stored {
		if e := k.entries[client.ObjectKeyFromObject(&stored[i])]; e != nil && e.keeper != "" {
			through[e.keeper] = max(through[e.keeper], parse(stored[i].Record.Position.AllThrough))
		}
	}
	for _, e := range k.entries {
		if e.returning {
			e.version = ""
			e.replace(account.New(k.Clock.Now())) // unless one is stored
		}
	}
	open = k.take(ctx, stored, func(e *entry) bool { return e.returning })
	names = map[types.NamespacedName]bool{}
	for name, e := range k.entries {
		if !e.returning {
			continue
		}
		names[name] = true
		e.allThrough = through[e.keeper]
		misses := e.misses
		e.keeper, e.returning, e.early, e.misses, e.dirty = "", false, nil, nil, true
		counted := e.account.LackedThrough()
		for _, m := range misses {
			if m.at.After(counted) {
				m.record(e.account)
				k.Metrics.CountMiss(name, m.why, m.units)
			}
		}
	}
	return names, open
}
