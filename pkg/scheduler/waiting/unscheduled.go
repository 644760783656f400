package waiting

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// YieldsFor is how long placeholders yield to one pod at most, from the first time on, and how long one placeholder does to all pods that
// are not bound meanwhile: a pod for which there is room and which is still not bound then is kept by something else than room.
const YieldsFor = time.Minute

// Unscheduled are the pods, whichever scheduler is theirs, for which no node was found. Methods may be called concurrently.
type Unscheduled struct {
	mu   sync.Mutex
	pods map[types.UID]*unscheduled
	// delays are those of placeholders that wait for pods to which placeholders yield.
	delays map[types.UID]delay
}

// delay is since when a placeholder waits for others, and for which.
type delay struct {
	since time.Time
	pods  sets.Set[types.UID]
}

// Waiting is a pod for which no node was found.
type Waiting struct {
	*framework.PodInfo
	// Kind is equal for pods that Filter plugins cannot tell apart, see kindOf.
	Kind string
}

type unscheduled struct {
	Waiting
	// yielded is when a placeholder yielded to the pod first, zero if none did.
	yielded time.Time
}

// NewUnscheduled returns no pods.
func NewUnscheduled() *Unscheduled {
	return &Unscheduled{pods: map[types.UID]*unscheduled{}, delays: map[types.UID]delay{}}
}

// Observe takes note of a pod as it is now.
func (u *Unscheduled) Observe(pod *corev1.Pod) {
	failed := unschedulable(pod)
	u.mu.Lock()
	defer u.mu.Unlock()
	known := u.pods[pod.UID]
	if !failed {
		delete(u.pods, pod.UID)
		return
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return // it will never run: its affinity does not parse
	}
	info.CalculateResource()
	if known == nil {
		known = &unscheduled{}
		u.pods[pod.UID] = known
	}
	known.Waiting = Waiting{PodInfo: info, Kind: kindOf(pod)}
}

// Bound drops a pod that has its node. Placeholders that waited for it did not do so for nothing.
func (u *Unscheduled) Bound(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if known := u.pods[uid]; known != nil && !known.yielded.IsZero() {
		maps.DeleteFunc(u.delays, func(_ types.UID, d delay) bool { return d.pods.Has(uid) })
	}
	u.drop(uid)
}

// Forget drops a pod that is gone.
func (u *Unscheduled) Forget(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(uid)
}

func (u *Unscheduled) drop(uid types.UID) {
	delete(u.pods, uid)
	delete(u.delays, uid)
}

// Delay notes that a placeholder waits for pods to which it yields, or for none in particular where other placeholders do, and returns
// until when it waits at most.
func (u *Unscheduled) Delay(placeholder types.UID, now time.Time, pods ...types.UID) (until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d, known := u.delays[placeholder]
	if !known || now.Sub(d.since) >= 2*YieldsFor {
		d = delay{since: now, pods: sets.New[types.UID]()}
		u.delays[placeholder] = d
	}
	d.pods.Insert(pods...)
	return d.since.Add(YieldsFor)
}

// Insists reports whether a placeholder yields no more, because it did for YieldsFor and none of those pods was bound. After that long
// again it does once more.
func (u *Unscheduled) Insists(placeholder types.UID, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	d, known := u.delays[placeholder]
	waited := now.Sub(d.since)
	return known && waited >= YieldsFor && waited < 2*YieldsFor
}

// Matching returns those of the pods to which placeholders may yield and that match, the most important first, and of equals the oldest.
func (u *Unscheduled) Matching(now time.Time, match func(*framework.PodInfo) bool) []Waiting {
	u.mu.Lock()
	defer u.mu.Unlock()
	var pods []Waiting
	for _, known := range u.pods {
		if (known.yielded.IsZero() || now.Sub(known.yielded) < YieldsFor) && match(known.PodInfo) {
			pods = append(pods, known.Waiting)
		}
	}
	slices.SortFunc(pods, func(a, b Waiting) int {
		return cmp.Or(
			cmp.Compare(corev1helpers.PodPriority(b.Pod), corev1helpers.PodPriority(a.Pod)),
			a.Pod.CreationTimestamp.Compare(b.Pod.CreationTimestamp.Time), cmp.Compare(a.Pod.UID, b.Pod.UID))
	})
	return pods
}

// Yield notes that a placeholder yields to a pod, and returns until when placeholders do.
func (u *Unscheduled) Yield(uid types.UID, now time.Time) (until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	known := u.pods[uid]
	if known == nil {
		return now // it was bound in the meantime
	}
	if known.yielded.IsZero() {
		known.yielded = now
	}
	return known.yielded.Add(YieldsFor)
}

// unschedulable reports whether a scheduler has said of a pod that there is no node for it.
func unschedulable(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return false
	}
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason != corev1.PodReasonSchedulingGated
		}
	}
	return false
}
