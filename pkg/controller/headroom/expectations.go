package headroom

import (
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// expectations are the controller's own writes that the cache has not shown yet, so that a plan is made from what is, and a pod
// that the controller deleted is not taken for one that a consumer took. All of it may be lost: a create that is repeated finds
// its name taken, a delete that is repeated finds its UID gone. It is safe for concurrent use: reconciles write to it, and the
// handlers of the cache.
type expectations struct {
	mu sync.Mutex
	// created are pods of each Headroom that the cache may not have yet.
	created map[types.NamespacedName]map[types.UID]*corev1.Pod
	// observed is the highest resource version that the cache has shown of any pod of the Headroom.
	observed map[types.NamespacedName]uint64
	// deleted are pods whose deletion was asked for, and early the bound units among them that the cache showed to be gone before the
	// answer came.
	deleted map[types.UID]deletion
	early   map[types.UID]earlyEnd
	// reported are the Headrooms as they were when their status was last written.
	reported map[types.NamespacedName]*v1alpha1.Headroom
}

// deletion is one that was asked for, why, and whether the API server has answered that it is done: until then it may be somebody else who
// deleted the pod.
type deletion struct {
	reason topup.Reason
	done   bool
}

// earlyEnd is that of a bound unit which the cache showed to be gone before the deletion was answered: when that was, and what becomes of
// the unit if it was the controller who deleted it.
type earlyEnd struct {
	headroom types.NamespacedName
	at       time.Time
	reason   topup.Reason
	loss     account.Loss
}

func newExpectations() *expectations {
	return &expectations{
		created:  map[types.NamespacedName]map[types.UID]*corev1.Pod{},
		observed: map[types.NamespacedName]uint64{},
		deleted:  map[types.UID]deletion{},
		early:    map[types.UID]earlyEnd{},
		reported: map[types.NamespacedName]*v1alpha1.Headroom{},
	}
}

// expectCreated notes a pod that was created.
func (e *expectations) expectCreated(headroom types.NamespacedName, pod *corev1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if version(pod) <= e.observed[headroom] {
		return
	}
	if e.created[headroom] == nil {
		e.created[headroom] = map[types.UID]*corev1.Pod{}
	}
	e.created[headroom][pod.UID] = pod
}

// expectDeleted notes that a pod is about to be deleted; deletionFailed takes it back, deletionDone says that the API server did it.
func (e *expectations) expectDeleted(uid types.UID, reason topup.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deleted[uid] = deletion{reason: reason}
}

func (e *expectations) deletionFailed(uid types.UID) (early earlyEnd, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.deleted, uid)
	return e.takeEarly(uid)
}

func (e *expectations) deletionDone(uid types.UID) (early earlyEnd, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d, ok := e.deleted[uid]; ok {
		d.done = true
		e.deleted[uid] = d
	}
	return e.takeEarly(uid)
}

// takeEarly returns, and removes, the end that the cache showed before the deletion was answered. The lock is held.
func (e *expectations) takeEarly(uid types.UID) (early earlyEnd, ok bool) {
	early, ok = e.early[uid]
	delete(e.early, uid)
	return early, ok
}

// endedEarly notes the end of a bound unit whose deletion is not answered yet.
func (e *expectations) endedEarly(uid types.UID, early earlyEnd) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.early[uid] = early
}

// expectStatus notes a Headroom whose status was written.
func (e *expectations) expectStatus(headroom *v1alpha1.Headroom) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reported[client.ObjectKeyFromObject(headroom)] = headroom
}

// observedPod notes that the cache has shown this state of a pod. Whatever is not newer has been shown too.
func (e *expectations) observedPod(headroom types.NamespacedName, pod *corev1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observed[headroom] = max(e.observed[headroom], version(pod))
	for uid, created := range e.created[headroom] {
		if version(created) <= e.observed[headroom] {
			delete(e.created[headroom], uid)
		}
	}
}

// observedDelete notes that the cache has shown that a pod is gone, and returns the deletion that the controller asked for, if it did.
func (e *expectations) observedDelete(headroom types.NamespacedName, pod *corev1.Pod) (asked deletion, own bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked, own = e.deleted[pod.UID]
	delete(e.deleted, pod.UID)
	delete(e.created[headroom], pod.UID)
	return asked, own
}

// pods returns the created pods that the cache may not have yet.
func (e *expectations) pods(headroom types.NamespacedName) []*corev1.Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	var pods []*corev1.Pod
	for _, pod := range e.created[headroom] {
		pods = append(pods, pod)
	}
	return pods
}

// isDeleting reports whether a deletion of the pod is under way.
func (e *expectations) isDeleting(uid types.UID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.deleted[uid]
	return ok
}

// newest returns the Headroom as it was when its status was last written, if the cache has not come so far. Without it, the
// next status would be written on top of one that is no more, and be refused.
func (e *expectations) newest(cached *v1alpha1.Headroom) *v1alpha1.Headroom {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := client.ObjectKeyFromObject(cached)
	reported := e.reported[key]
	if reported == nil || reported.UID != cached.UID || version(reported) <= version(cached) {
		delete(e.reported, key)
		return cached
	}
	return reported
}

func (e *expectations) forget(headroom types.NamespacedName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.created, headroom)
	delete(e.observed, headroom)
	delete(e.reported, headroom)
}

// version is the resource version as the number it is; the API server promises that they compare within one resource.
func version(object client.Object) uint64 {
	v, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return v
}
