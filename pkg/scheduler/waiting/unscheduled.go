package waiting

import (
	"cmp"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// YieldsFor is how long placeholders yield to one pod at most, from the first time on: a pod for which there is room and which is still not
// bound then is kept by something else than room.
const YieldsFor = time.Minute

// Unscheduled are the pods, whichever scheduler is theirs, for which no node was found. Methods may be called concurrently.
type Unscheduled struct {
	mu   sync.Mutex
	pods map[types.UID]*unscheduled
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
	return &Unscheduled{pods: map[types.UID]*unscheduled{}}
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

// Forget drops a pod that is gone.
func (u *Unscheduled) Forget(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.pods, uid)
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
