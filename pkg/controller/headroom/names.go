package headroom

import (
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// coolDown is how long the name of a placeholder that is gone is not given to another. kube-scheduler's preemption looks for its
// victim by name: it would take the next placeholder of that name for the old one, and the pod that preempted it would wait
// forever. Preemption is over within seconds. Who deleted the placeholder makes no difference, so that two controllers, should
// there be two by mistake, choose the same names.
const coolDown = time.Minute

// takenMemory is after how long a name that another pod had is tried again, when a unit is missing.
const takenMemory = time.Minute

// names are the names that a new placeholder of each Headroom cannot have now, although the cache shows no pod of that name that
// carries the Headroom's label. It is safe for concurrent use: reconciles write to it, and the handlers of the cache.
type names struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	// vacated is when the cache showed that a pod of this ordinal was gone.
	vacated map[types.NamespacedName]map[int]time.Time
	// taken are pods without the Headroom's label that have the name of a placeholder, by name.
	taken map[types.NamespacedName]map[string]takenName
}

// takenName is a pod that has the name of a placeholder, and when the API server said so.
type takenName struct {
	pod *corev1.Pod
	at  time.Time
}

func newNames(clock clock.PassiveClock) *names {
	return &names{
		clock:   clock,
		vacated: map[types.NamespacedName]map[int]time.Time{},
		taken:   map[types.NamespacedName]map[string]takenName{},
	}
}

// nameVacated notes that the cache has shown that the pod of this name is gone.
func (n *names) nameVacated(headroom types.NamespacedName, pod string) {
	ordinal, ok := placeholder.Ordinal(headroom.Name, pod)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.vacated[headroom] == nil {
		n.vacated[headroom] = map[int]time.Time{}
	}
	n.vacated[headroom][ordinal] = n.clock.Now()
}

// nameTaken notes that a pod has the name of a placeholder and does not even carry its label, so that the cache never has it.
func (n *names) nameTaken(headroom types.NamespacedName, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taken[headroom] == nil {
		n.taken[headroom] = map[string]takenName{}
	}
	n.taken[headroom][pod.Name] = takenName{pod: pod, at: n.clock.Now()}
}

// coolingDown returns the ordinals whose names were vacated a moment ago, in order.
func (n *names) coolingDown(headroom types.NamespacedName) []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.vacated[headroom], func(_ int, since time.Time) bool { return n.clock.Since(since) > coolDown })
	return slices.Sorted(maps.Keys(n.vacated[headroom]))
}

// pods returns the pods that have the name of a placeholder and not the label.
func (n *names) pods(headroom types.NamespacedName) []*corev1.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.taken[headroom], func(_ string, t takenName) bool { return n.clock.Since(t.at) > takenMemory })
	var pods []*corev1.Pod
	for _, t := range n.taken[headroom] {
		pods = append(pods, t.pod)
	}
	return pods
}

func (n *names) forget(headroom types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.vacated, headroom)
	delete(n.taken, headroom)
}
