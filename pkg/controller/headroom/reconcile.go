package headroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
	"github.com/headroom-dev/headroom/pkg/controller/rules"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/price"
)

// Options is what a Reconciler needs.
type Options struct {
	// Client reads from the cache and writes to the API server.
	Client client.Client
	// Live reads from the API server, where a stale answer would do harm.
	Live client.Reader
	// Recorder writes events.
	Recorder events.EventRecorder
	// Clock tells the time.
	Clock clock.Clock
	// Metrics are counted.
	Metrics *metrics.Controller
	// Identity names the installation: the same for its replicas, another one for each other installation. It is written to all that the
	// controller writes.
	Identity string
	// Namespaces are those whose pods may be read; empty: all.
	Namespaces []string
	// Defaults are what placeholders get where their Headroom is silent.
	Defaults placeholder.Defaults
	// Limits are the priorities that placeholders may have.
	Limits priority.Limits
	// Policy is what placeholders may be.
	Policy *podpolicy.Policy
	// Units is how many placeholders there may be, and may wait for a node.
	Units allotment.Limits
	// HideOthers leaves the names of pods of other namespaces than a Headroom's out of its events and its account.
	HideOthers bool
	// Accounts is where what happened to units is written down.
	Accounts Accounts
	// Workloads are what Headrooms size themselves by.
	Workloads *workload.Watcher
	// Prices are those of nodes.
	Prices price.Prices
}

// Accounts is where what happened to units is written down, and read by rules.
type Accounts interface {
	consumption.Book
	rules.Accounts
	// Went notes that a bound unit went that has to be replaced.
	Went(headroom types.NamespacedName, at time.Time)
	// Bound notes that a unit was bound to a node that came into being at nodeCreated, and returns how long one was missing, if one was.
	Bound(headroom types.NamespacedName, nodeCreated time.Time) (refill time.Duration, ok bool)
	// Observed notes what a reconcile found: the Headroom's generation, how many units are ready, and how many are missing, at that time.
	Observed(headroom types.NamespacedName, generation int64, ready, missing int, at time.Time)
	// Taken is how many units of the Headroom pods took since its account was opened. It is complete when all is in it that happened
	// before this controller started; stored says that it survives restarts.
	Taken(headroom types.NamespacedName) (units int64, complete, stored bool)
	// Read calls use with the account of a Headroom, nil if there is none, while nothing changes it.
	Read(headroom types.NamespacedName, use func(*account.Account))
	// Processed notes that everything that a change of a placeholder means is written down.
	Processed(headroom types.NamespacedName, resourceVersion uint64)
	// Leave says that another installation keeps the account of a Headroom, Keep that this one does.
	Leave(headroom types.NamespacedName, installation string)
	Keep(headroom types.NamespacedName)
	// Keeps reports whether this installation keeps the account of a Headroom.
	Keeps(headroom types.NamespacedName) bool
	// Forget drops the account of a Headroom that is gone.
	Forget(headroom types.NamespacedName)
}

// Reconciler keeps Headrooms topped up.
//
// Its fields are set by New and never change. Reconcile runs in several goroutines, but never in two for the same Headroom; the
// handlers of the cache and the watch of events run in others. So each memory below has a lock of its own, which is held within
// one of its methods only: no memory calls another, and what a reconcile decides on it reads once, in observe. Only ends is held around
// several of them.
type Reconciler struct {
	Options
	// Short reports whether pods that came a moment ago, and may go to nodes with these labels, find no room. It is set before Register, or
	// nil.
	Short func(now time.Time, nodeSelector map[string]string) bool
	// NamespaceLabels returns the labels of a namespace, as far as they may be read. It is set before Register; nil: none are known.
	NamespaceLabels func(ctx context.Context, name string) map[string]string
	expectations    *expectations
	names           *names
	rollouts        *rollouts
	refusals        *retries // creations that the API server refused
	losses          *retries // placeholders that failed
	deviations      *retries // placeholders that admission changed
	relapses        *relapses
	changes         *changes
	rivals          *rivals
	surges          *surges
	departures      *departures
	parkings        *parkings
	allotments      *allotments
	words           *words
	// daemonSetsSeen saves asking the API server again and again about DaemonSets that nobody touched.
	daemonSetsSeen *daemonSetsSeen
	ledger         *consumption.Ledger
	// ends is held while the end of a unit is worked on, and while a deletion that was answered is: which of the two comes first decides
	// what the other has to do.
	ends        sync.Mutex
	nominations *promised.Nominations
	wake        chan types.NamespacedName
	nodes       chan nodeWake
}

// New returns a Reconciler.
func New(options Options) *Reconciler {
	r := &Reconciler{
		Options:        options,
		expectations:   newExpectations(),
		names:          newNames(options.Clock),
		rollouts:       newRollouts(),
		refusals:       newRetries(options.Clock),
		losses:         newRetries(options.Clock),
		deviations:     newRetries(options.Clock),
		relapses:       newRelapses(options.Clock),
		changes:        newChanges(options.Clock),
		rivals:         newRivals(options.Clock),
		surges:         newSurges(),
		departures:     newDepartures(options.Clock),
		parkings:       newParkings(),
		words:          newWords(),
		daemonSetsSeen: newDaemonSetsSeen(),
		wake:           make(chan types.NamespacedName, wakeBuffer),
		nodes:          make(chan nodeWake, wakeBuffer),
	}
	r.nominations = promised.NewNominations(options.Clock, func(node string, after time.Duration) { r.nodes <- nodeWake{node, after} })
	wake := func(headroom types.NamespacedName) { r.wake <- headroom }
	options.Workloads.OnChange(wake)
	r.allotments = newAllotments(options.Units, options.Clock, wake)
	r.ledger = consumption.NewLedger(options.Clock, options.Accounts, wake)
	r.ledger.HideOthers = options.HideOthers
	return r
}

// Lacking is told that an entitled pod lacked units of a Headroom, which may have to be larger.
func (r *Reconciler) Lacking(headroom types.NamespacedName) { r.wake <- headroom }

// Ledger is what decides who took which placeholder.
func (r *Reconciler) Ledger() *consumption.Ledger { return r.ledger }

// Reconcile brings one Headroom to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	headroom := &v1alpha1.Headroom{}
	if err := r.Client.Get(ctx, request.NamespacedName, headroom); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, r.failed(metrics.StageGather, fmt.Errorf("reading the Headroom: %w", err))
	}
	r.names.begin()
	headroom = r.expectations.newest(headroom)
	if headroom.DeletionTimestamp != nil {
		r.allotments.forget(request.NamespacedName)
		return reconcile.Result{}, nil // the garbage collector deletes what the Headroom owns
	}

	who := r.roleIn(headroom)
	if !who.acts {
		return reconcile.Result{RequeueAfter: who.again}, r.failed(metrics.StageStatus, r.standBack(ctx, headroom, who))
	}
	r.Accounts.Keep(request.NamespacedName)
	headroom, measured := r.measure(headroom, r.Clock.Now())
	if measured.awaits && headroom.Status.ObservedGeneration == 0 {
		return reconcile.Result{}, nil // nothing was said of it yet, and in a moment there is more to say than that it is being read
	}
	seen, err := r.observe(ctx, headroom, measured)
	if err != nil {
		return reconcile.Result{}, r.failed(metrics.StageGather, err)
	}
	plan := decide(headroom, seen, r.Defaults, r.Limits, r.Policy)
	plan = r.allot(headroom, seen, plan)
	if plan.places, err = r.places(ctx, headroom, seen, plan.actions); err != nil {
		return reconcile.Result{}, r.failed(metrics.StageGather, err)
	}
	done, applyErr := r.apply(ctx, headroom, seen, plan)
	r.allotments.made(request.NamespacedName, uidsOf(done.created), done.deleted)
	done = outcome{problem: plan.limited, retry: plan.again}.and(done)
	done = r.tellChange(ctx, headroom, done)
	if who.rival != "" {
		done = outcome{problem: anotherController(r.Identity, who.rival), retry: who.again}.and(done)
	}
	retry, statusErr := r.report(ctx, headroom, who, seen, plan, done)

	again := soonest(seen.surge.Recheck, done.retry, retry, seen.maturing, seen.recalling, seen.recheck(), refillRecheck(seen.refill))
	return reconcile.Result{RequeueAfter: again}, errors.Join(
		r.failed(metrics.StageApply, applyErr),
		r.failed(metrics.StageStatus, statusErr),
	)
}

// failed counts an error, if there is one, and returns it.
func (r *Reconciler) failed(stage string, err error) error {
	if err != nil {
		r.Metrics.ReconcileErrors.WithLabelValues(stage).Inc()
	}
	return err
}

// forget drops what is remembered of a Headroom that is gone.
func (r *Reconciler) forget(headroom types.NamespacedName) {
	r.expectations.forget(headroom)
	r.names.forget(headroom)
	r.rollouts.forget(headroom)
	r.refusals.succeeded(headroom)
	r.losses.succeeded(headroom)
	r.deviations.succeeded(headroom)
	r.relapses.forget(headroom)
	r.changes.forget(headroom)
	r.surges.forget(headroom)
	r.departures.forget(headroom)
	r.parkings.forget(headroom)
	r.words.forget(headroom)
	r.allotments.forget(headroom)
	r.daemonSetsSeen.forget(headroom)
	r.rivals.forget(headroom)
	r.ledger.Forget(headroom)
	r.Accounts.Forget(headroom)
	r.Metrics.Forget(headroom)
	r.Workloads.Forget(headroom)
}

// daemonSets finds the Headroom of a DaemonSet in the cache.
func (r *Reconciler) daemonSets(ctx context.Context) placeholder.HeadroomOfDaemonSet {
	return func(namespace, name string, uid types.UID) (types.NamespacedName, bool) {
		daemonSet := &appsv1.DaemonSet{}
		key := types.NamespacedName{Namespace: namespace, Name: name}
		if err := r.Client.Get(ctx, key, daemonSet); err != nil {
			if !apierrors.IsNotFound(err) {
				klog.FromContext(ctx).Error(err, "Reading a DaemonSet from the cache failed", "daemonSet", key)
			}
			return types.NamespacedName{}, false
		}
		owner, ok := placeholder.Controller(daemonSet)
		return owner, ok && daemonSet.UID == uid
	}
}

// soonest is the shortest of some waits, where zero means no wait is needed.
func soonest(waits ...time.Duration) time.Duration {
	var shortest time.Duration
	for _, wait := range waits {
		if shortest == 0 || wait != 0 && wait < shortest {
			shortest = wait
		}
	}
	return shortest
}
