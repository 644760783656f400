package accounts

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// Options is what a Keeper needs.
type Options struct {
	// Client reads Headrooms from the cache and writes HeadroomAccounts.
	Client client.Client
	// Live reads HeadroomAccounts from the API server.
	Live client.Reader
	// Pods replays the changes of placeholders.
	Pods kubernetes.Interface
	// Namespaces are those to work in; empty: all.
	Namespaces []string
	// Clock tells the time.
	Clock clock.WithTicker
	// Metrics are counted.
	Metrics *metrics.Controller
	// Identity names this process, and no other.
	Identity string
	// Installation names the installation, as in status.controller: the same for its replicas.
	Installation string
}

// Keeper keeps the accounts. It is safe for concurrent use, and a Runnable of a controller-runtime manager.
type Keeper struct {
	Options
	// Ledger has the departures that are not decided. It is set before Start.
	Ledger *consumption.Ledger
	// Departed is told of placeholders that went while no controller ran. It is set before Start.
	Departed Departed
	// Vacated is told of pods with a Headroom's label that went while no controller ran, whether their ends are in the accounts or not, as
	// far as the API server remembers from the oldest record on; nil: nobody is. It is set before Start.
	Vacated func(pod *corev1.Pod)
	// Lacking is told of Headrooms whose units pods lacked, without the lock; nil: nobody is. It is set before Start.
	Lacking func(headroom types.NamespacedName)

	mu      sync.Mutex
	entries map[types.NamespacedName]*entry
	// loaded says that the stored accounts were read, or that there can be none; then ready is closed.
	loaded bool
	ready  chan struct{}
	// complete says that what happened before this process started is in the accounts as well.
	complete bool
	// stored says that the API server has HeadroomAccounts.
	stored bool
	// lastWrite is when any account was last written.
	lastWrite time.Time
	// current are the resource versions of pods at the last ticks, the newest last.
	current []uint64
	// asked is what pods lacked and took.
	asked once
}

var _ consumption.Book = &Keeper{}

// entry is the account of one Headroom, and what is known of its stored form.
type entry struct {
	account *account.Account
	// early are the changes that were made before the stored account was read.
	early []func(*account.Account)
	// keeper is the other installation that keeps the account, or kept it until this one has read what the other wrote; empty if this one
	// keeps it.
	keeper string
	// returning says that this installation keeps the account again, and has yet to read what the other wrote.
	returning bool
	// misses are the pods that were missed of late while the other installation kept the account.
	misses []miss
	// through is the resource version of the last change of the Headroom's placeholders that was worked on.
	through    uint64
	generation int64
	// position is through at the last write, and version the resource version of the stored object, empty if there is none.
	position uint64
	version  string
	owner    types.UID
	// allThrough and recordedGeneration are what the record said when it was read.
	allThrough         uint64
	recordedGeneration int64
	// size is the length of the stored hours, by which accounts are compared.
	size    int
	dirty   bool
	written time.Time
	// observed says that a reconcile of this process saw the Headroom, ready how many units were ready at the last one, and went how many
	// went since.
	observed    bool
	ready, went int
}

// New returns a Keeper without accounts.
func New(options Options) *Keeper {
	return &Keeper{Options: options, entries: map[types.NamespacedName]*entry{}, ready: make(chan struct{})}
}

// entry returns the entry of a Headroom, a new one if there is none. The lock is held.
func (k *Keeper) entry(headroom types.NamespacedName) *entry {
	e := k.entries[headroom]
	if e == nil {
		e = &entry{account: account.New(k.Clock.Now())}
		k.entries[headroom] = e
	}
	return e
}

// change changes an account, and the stored one too once it is read, unless another installation keeps it. The lock is held.
func (k *Keeper) change(headroom types.NamespacedName, dirty bool, change func(*account.Account)) (changed bool) {
	e := k.entry(headroom)
	if e.isElsewhere() {
		return false
	}
	change(e.account)
	if !k.loaded || e.returning {
		e.early = append(e.early, change)
	}
	e.dirty = e.dirty || dirty
	return true
}

// Took notes that a pod took a unit.
func (k *Keeper) Took(headroom types.NamespacedName, take account.Take) {
	k.mu.Lock()
	defer k.mu.Unlock()
	again := 0
	if k.asked.took(headroom, take.Consumer.UID, k.Clock.Now()) {
		again = 1
	}
	if k.change(headroom, true, func(a *account.Account) {
		a.Take(take)
		a.Again(again, take.Time)
	}) {
		k.Metrics.Consumed.WithLabelValues(headroom.Namespace, headroom.Name).Inc()
	}
}

// Lost notes that a unit went otherwise.
func (k *Keeper) Lost(headroom types.NamespacedName, why account.Loss, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.change(headroom, true, func(a *account.Account) { a.Lose(why, at) }) {
		k.Metrics.Lost.WithLabelValues(headroom.Namespace, headroom.Name, string(why)).Inc()
	}
}

// Missed notes that no unit served an entitled pod, which was told at that time that there is no room, and how many units it lacked.
func (k *Keeper) Missed(headroom types.NamespacedName, pod types.UID, why account.Miss, units int, at time.Time) {
	k.mu.Lock()
	m := miss{why: why, units: units, again: k.asked.lacks(headroom, pod, units, k.Clock.Now()), at: at}
	counts := k.change(headroom, true, m.record)
	if !counts {
		k.entries[headroom].remember(m, k.Clock.Now())
	}
	k.mu.Unlock()
	if !counts {
		return
	}
	k.Metrics.CountMiss(headroom, why, units)
	if units > 0 && k.Lacking != nil {
		k.Lacking(headroom)
	}
}

// Ready is how many units of a Headroom can be taken: as many as the last reconcile found, less those that went since.
func (k *Keeper) Ready(headroom types.NamespacedName) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[headroom]; e != nil {
		return max(0, e.ready-e.went)
	}
	return 0
}

// Taken is how many units of a Headroom pods took since its account was opened. It is complete when all is in it that happened before this
// process started; stored says that it survives restarts.
func (k *Keeper) Taken(headroom types.NamespacedName) (units int64, complete, stored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.entry(headroom).account.Totals().Taken, k.complete, k.stored
}

// Loaded is closed when the stored accounts are read.
func (k *Keeper) Loaded() <-chan struct{} { return k.ready }

// LackedThrough is when the last pod in the account of a Headroom was told that there is no room.
func (k *Keeper) LackedThrough(headroom types.NamespacedName) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.entry(headroom).account.LackedThrough()
}

// Demand calls use with what the account of a Headroom remembers of the demand, and since when the account is kept, while nothing changes
// it; missing units that are parked say nothing of how long a refill takes. It reports false, without a call, as long as the stored account
// is not read.
func (k *Keeper) Demand(headroom types.NamespacedName, parked bool, use func(history demand.History, since time.Time)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entry(headroom)
	if !k.loaded || e.keeper != "" {
		return false
	}
	history := e.account.Demand(parked)
	history.Kept(k.Clock.Now()) // so that the reconcile that says so itself is not the reason why the next one counts a window more
	use(history, e.account.Opened())
	return true
}

// Went notes that a bound unit went that has to be replaced.
func (k *Keeper) Went(headroom types.NamespacedName, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.change(headroom, true, func(a *account.Account) { a.Went(at) })
	k.entries[headroom].went++
}

// Bound notes that a unit was bound to a node that came into being at nodeCreated, and returns how long one was missing, if one was.
func (k *Keeper) Bound(headroom types.NamespacedName, nodeCreated time.Time) (refill time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.Clock.Now()
	k.change(headroom, false, func(a *account.Account) { refill, ok = a.Bound(now, nodeCreated) })
	k.entries[headroom].dirty = k.entries[headroom].dirty || ok
	return refill, ok
}

// Observed notes what a reconcile found: the Headroom's generation, how many units are ready, and how many are missing, at that time.
func (k *Keeper) Observed(headroom types.NamespacedName, generation int64, ready, missing int, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	began := false
	if !k.change(headroom, false, func(a *account.Account) {
		a.Limit(missing, at)
		began = a.Observe(at, ready)
	}) {
		return
	}
	e := k.entries[headroom]
	if !e.observed {
		k.Metrics.Show(headroom)
	}
	e.dirty = e.dirty || began || e.generation != generation
	e.generation, e.observed, e.ready, e.went = generation, true, ready, 0
}

// look notes that the accounts are kept at this time, also those of Headrooms of which nothing changes: a quiet hour is evidence, too, and
// without this it could not be told from one in which no controller ran.
func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.Clock.Now()
	for _, e := range k.entries {
		if e.observed && e.account.Observe(now, e.ready) {
			e.dirty = true
		}
	}
}

// Processed notes that everything that a change of one of the Headroom's placeholders means is recorded.
func (k *Keeper) Processed(headroom types.NamespacedName, resourceVersion uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entry(headroom)
	e.through = max(e.through, resourceVersion)
}

// Forget drops the account of a Headroom that is gone.
func (k *Keeper) Forget(headroom types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.entries, headroom)
}

// Read calls use with the account of a Headroom, nil if there is none or another installation keeps it, while nothing changes it.
func (k *Keeper) Read(headroom types.NamespacedName, use func(*account.Account)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[headroom]; e != nil && e.keeper == "" {
		use(e.account)
		return
	}
	use(nil)
}
