package headroom

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// inflight remembers the controller's own writes that the cache has not shown yet, so that a plan is made from what is, and
// a pod that the controller deleted is not taken for one that somebody took. It is safe for concurrent use. All of it may be
// lost: a create that is repeated finds its name taken, a delete that is repeated finds its UID gone.
type inflight struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	// created are pods of each Headroom that the cache may not have yet.
	created map[types.NamespacedName]map[types.UID]*corev1.Pod
	// observed is the highest resource version that the cache has shown of any pod of the Headroom.
	observed map[types.NamespacedName]uint64
	// squatters are pods without our label that have the name of a placeholder, and when they were met.
	squatters map[types.NamespacedName]map[string]squatter
	// unfinished is how many exchanges of each Headroom have the old pod deleted and the new one not created.
	unfinished map[types.NamespacedName]int
	// reported are the Headrooms as they were when their status was last written.
	reported map[types.NamespacedName]*v1alpha1.Headroom
	// deleted are pods whose deletion was asked for, and why.
	deleted map[types.UID]topup.Reason
	// vacated is when the cache showed that a pod of this ordinal was gone.
	vacated map[types.NamespacedName]map[int]time.Time
}

// nameRest is how long the name of a placeholder that is gone is not given to another. kube-scheduler's preemption looks for its
// victim by name: it would take the next placeholder of that name for the old one, and the pod that preempted it would wait for
// ever. Preemption is over within seconds. Who deleted the placeholder makes no difference, so that two controllers, should there
// be two by mistake, choose the same names.
const nameRest = time.Minute

// squatterMemory is after how long a name that somebody else had is tried again, when a unit is missing.
const squatterMemory = time.Minute

type squatter struct {
	pod *corev1.Pod
	met time.Time
}

func newInflight(clock clock.PassiveClock) *inflight {
	return &inflight{
		clock:      clock,
		reported:   map[types.NamespacedName]*v1alpha1.Headroom{},
		unfinished: map[types.NamespacedName]int{},
		squatters:  map[types.NamespacedName]map[string]squatter{},
		created:    map[types.NamespacedName]map[types.UID]*corev1.Pod{},
		observed:   map[types.NamespacedName]uint64{},
		deleted:    map[types.UID]topup.Reason{},
		vacated:    map[types.NamespacedName]map[int]time.Time{},
	}
}

// creating notes a pod that was created.
func (f *inflight) creating(headroom types.NamespacedName, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if version(pod) <= f.observed[headroom] {
		return
	}
	if f.created[headroom] == nil {
		f.created[headroom] = map[types.UID]*corev1.Pod{}
	}
	f.created[headroom][pod.UID] = pod
}

// squatting notes that a pod has the name of a placeholder and does not even carry its label, so that the cache never has it.
func (f *inflight) squatting(headroom types.NamespacedName, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.squatters[headroom] == nil {
		f.squatters[headroom] = map[string]squatter{}
	}
	f.squatters[headroom][pod.Name] = squatter{pod: pod, met: f.clock.Now()}
}

// reporting notes a Headroom whose status was written.
func (f *inflight) reporting(headroom *v1alpha1.Headroom) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported[client.ObjectKeyFromObject(headroom)] = headroom
}

// newest returns the Headroom as it was when its status was last written, if the cache has not come so far. Without it, the
// next status would be written on top of one that is no more, and be refused.
func (f *inflight) newest(cached *v1alpha1.Headroom) *v1alpha1.Headroom {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := client.ObjectKeyFromObject(cached)
	reported := f.reported[key]
	if reported == nil || reported.UID != cached.UID || version(reported) <= version(cached) {
		delete(f.reported, key)
		return cached
	}
	return reported
}

// exchanging notes a step of an exchange: 1 when the old pod was deleted, -1 when a new one was created.
func (f *inflight) exchanging(headroom types.NamespacedName, step int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unfinished[headroom] = max(0, f.unfinished[headroom]+step)
}

// unfinishedOf is the number of exchanges that were begun and not ended.
func (f *inflight) unfinishedOf(headroom types.NamespacedName) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unfinished[headroom]
}

// deleting notes that a pod is about to be deleted; undelete takes it back.
func (f *inflight) deleting(uid types.UID, reason topup.Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted[uid] = reason
}

func (f *inflight) undelete(uid types.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.deleted, uid)
}

// isDeleting reports whether a deletion of the pod is under way.
func (f *inflight) isDeleting(uid types.UID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.deleted[uid]
	return ok
}

// shown notes that the cache has shown this state of a pod. Whatever is not newer has been shown too.
func (f *inflight) shown(headroom types.NamespacedName, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observed[headroom] = max(f.observed[headroom], version(pod))
	for uid, created := range f.created[headroom] {
		if version(created) <= f.observed[headroom] {
			delete(f.created[headroom], uid)
		}
	}
}

// gone notes that the cache has shown that a pod is gone, and returns why the controller deleted it, if it did.
func (f *inflight) gone(headroom types.NamespacedName, pod *corev1.Pod) (reason topup.Reason, own bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reason, own = f.deleted[pod.UID]
	delete(f.deleted, pod.UID)
	delete(f.created[headroom], pod.UID)
	if ordinal, ok := placeholder.Ordinal(headroom.Name, pod.Name); ok {
		if f.vacated[headroom] == nil {
			f.vacated[headroom] = map[int]time.Time{}
		}
		f.vacated[headroom][ordinal] = f.clock.Now()
	}
	return reason, own
}

// resting returns the ordinals whose names rest, in order.
func (f *inflight) resting(headroom types.NamespacedName) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.vacated[headroom], func(_ int, since time.Time) bool { return f.clock.Since(since) > nameRest })
	return slices.Sorted(maps.Keys(f.vacated[headroom]))
}

// pods returns the created pods that the cache may not have yet, and the squatters.
func (f *inflight) pods(headroom types.NamespacedName) []*corev1.Pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	var pods []*corev1.Pod
	for _, pod := range f.created[headroom] {
		pods = append(pods, pod)
	}
	for name, squatter := range f.squatters[headroom] {
		if f.clock.Since(squatter.met) > squatterMemory {
			delete(f.squatters[headroom], name)
		} else {
			pods = append(pods, squatter.pod)
		}
	}
	return pods
}

func (f *inflight) forget(headroom types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.created, headroom)
	delete(f.observed, headroom)
	delete(f.squatters, headroom)
	delete(f.unfinished, headroom)
	delete(f.vacated, headroom)
	delete(f.reported, headroom)
}

// version is the resource version as the number it is; the API server promises that they compare within one resource.
func version(object client.Object) uint64 {
	v, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return v
}
