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
// forever. And kube-scheduler 1.37 ends itself if it lists the pods anew after its watch broke, and one that it knew on a node
// is another one of that name by now. Both are over within seconds. Who deleted the placeholder makes no difference, so that two
// controllers, should there be two by mistake, choose the same names.
const coolDown = time.Minute

// recallFor is for how long a controller that begins makes no unit of a Headroom that is there already, so that it learns first which names
// were vacated while none ran (see Reconciler.Vacated). The API server tells within a few requests.
const recallFor = 2 * time.Second

// takenMemory is after how long a name that another pod had is tried again, when a unit is missing.
const takenMemory = time.Minute

// names are the names that a new placeholder of each Headroom cannot have now, although the cache shows no pod of that name that
// carries the Headroom's label. It is safe for concurrent use: reconciles write to it, and the handlers of the cache.
type names struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	// began is when this controller first looked at any Headroom, and older are the Headrooms that another one had looked at before.
	began time.Time
	older map[types.NamespacedName]bool
	// held are the ordinals that pods had at the last look, or were given since: the cache can lack a pod before its handler has told so.
	held map[types.NamespacedName]map[int]bool
	// vacated is when it was seen that a pod of this ordinal was gone. It outlives the Headroom, which somebody may make anew at once;
	// pruned is when what is too old was last dropped.
	vacated map[types.NamespacedName]map[int]time.Time
	pruned  time.Time
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
		older:   map[types.NamespacedName]bool{},
		held:    map[types.NamespacedName]map[int]bool{},
		vacated: map[types.NamespacedName]map[int]time.Time{},
		taken:   map[types.NamespacedName]map[string]takenName{},
	}
}

// begin notes that the controller looks at a Headroom.
func (n *names) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.began.IsZero() {
		n.began = n.clock.Now()
	}
}

// recalling returns for how long it may still be unknown which names of a Headroom were vacated while no controller ran; zero: that is
// known. reported says that a controller has written a status of it. It is to be asked before coolingDown.
func (n *names) recalling(headroom types.NamespacedName, reported bool) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	wait := recallFor - n.clock.Since(n.began)
	if wait <= 0 {
		clear(n.older)
		return 0
	}
	if _, looked := n.held[headroom]; !looked && reported {
		n.older[headroom] = true
	}
	if !n.older[headroom] {
		return 0
	}
	return wait
}

// nameGiven notes that a placeholder of this ordinal was created.
func (n *names) nameGiven(headroom types.NamespacedName, ordinal int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold(headroom, ordinal)
}

// nameVacated notes that the pod of this name is gone.
func (n *names) nameVacated(headroom types.NamespacedName, pod string) {
	ordinal, ok := placeholder.Ordinal(headroom.Name, pod)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.held[headroom], ordinal)
	n.vacate(headroom, ordinal)
}

func (n *names) hold(headroom types.NamespacedName, ordinal int) {
	if n.held[headroom] == nil {
		n.held[headroom] = map[int]bool{}
	}
	n.held[headroom][ordinal] = true
}

// vacate notes that an ordinal is vacated now. Once in a while it drops what is too old, also of Headrooms that are gone.
func (n *names) vacate(headroom types.NamespacedName, ordinal int) {
	now := n.clock.Now()
	if now.Sub(n.pruned) > coolDown {
		n.pruned = now
		for other := range n.vacated {
			n.prune(other)
		}
	}
	if n.vacated[headroom] == nil {
		n.vacated[headroom] = map[int]time.Time{}
	}
	n.vacated[headroom][ordinal] = now
}

// prune drops the ordinals of a Headroom that have cooled down.
func (n *names) prune(headroom types.NamespacedName) {
	maps.DeleteFunc(n.vacated[headroom], func(_ int, since time.Time) bool { return n.clock.Since(since) > coolDown })
	if len(n.vacated[headroom]) == 0 {
		delete(n.vacated, headroom)
	}
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

// coolingDown returns the ordinals whose names were vacated a moment ago, in order. units are those that there are now.
func (n *names) coolingDown(headroom types.NamespacedName, units []unit) []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.held[headroom]
	n.held[headroom] = make(map[int]bool, len(units))
	for _, u := range units {
		if _, unlabeled := n.taken[headroom][u.Name]; !unlabeled && u.Ordinal >= 0 {
			n.hold(headroom, u.Ordinal)
		}
	}
	for ordinal := range before {
		if !n.held[headroom][ordinal] {
			n.vacate(headroom, ordinal)
		}
	}
	n.prune(headroom)
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

// forget drops what is known of a Headroom that is gone, but for the names that its placeholders had: another Headroom of its name may
// come.
func (n *names) forget(headroom types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ordinal := range n.held[headroom] {
		n.vacate(headroom, ordinal)
	}
	delete(n.older, headroom)
	delete(n.held, headroom)
	delete(n.taken, headroom)
}
