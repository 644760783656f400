package promised

import (
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/utils/clock"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
)

// Settle is how long a pod has to be nominated to a node before that counts. As a rule its victims are gone and it is bound within moments,
// and a status that follows each of these says nothing.
const Settle = 5 * time.Second

// labelPodGroup is the label of pods that wait for each other as a group. A nomination of one counts at once: the others come after it, and
// only with the last one the units go.
const labelPodGroup = schedulingv1alpha1.PodGroupLabel

// Nominations are the pods that wait, by the node that a scheduler has nominated them to. It is safe for concurrent use.
type Nominations struct {
	clock clock.PassiveClock
	// changed is called without the lock when a look at a node may have another result, and after how long.
	changed func(node string, after time.Duration)

	mu    sync.Mutex
	nodes map[string]map[types.UID]nomination
	of    map[types.UID]string // the node of each
}

// nomination is a pod that waits, and since when it is nominated to its node, by this clock.
type nomination struct {
	pod   Pod
	since time.Time
}

// NewNominations returns an empty memory. It calls changed, from the goroutine that brought the news, when the units of a node are to be
// looked at again, and after how long.
func NewNominations(clock clock.PassiveClock, changed func(node string, after time.Duration)) *Nominations {
	return &Nominations{
		clock: clock, changed: changed, nodes: map[string]map[types.UID]nomination{}, of: map[types.UID]string{},
	}
}

// Saw notes a pod that waits for a node, as it is now. Placeholders do not matter: they make way for other pods, not for each other.
func (n *Nominations) Saw(pod *corev1.Pod) {
	node := pod.Status.NominatedNodeName
	if pod.Labels[v1alpha1.LabelHeadroom] != "" {
		node = ""
	}
	n.mu.Lock()
	was := n.of[pod.UID]
	if was == node {
		n.mu.Unlock()
		return
	}
	counted, settle := n.drop(pod.UID), Settle
	if node != "" {
		if n.nodes[node] == nil {
			n.nodes[node] = map[types.UID]nomination{}
		}
		n.of[pod.UID] = node
		since := n.clock.Now()
		if pod.Labels[labelPodGroup] != "" {
			since, settle = since.Add(-Settle), 0
		}
		n.nodes[node][pod.UID] = nomination{pod: PodOf(pod), since: since}
	}
	n.mu.Unlock()
	if counted {
		n.changed(was, 0)
	}
	if node != "" {
		n.changed(node, settle)
	}
}

// Gone notes that a pod does not wait any more.
func (n *Nominations) Gone(pod types.UID) {
	n.mu.Lock()
	was := n.of[pod]
	counted := n.drop(pod)
	n.mu.Unlock()
	if counted {
		n.changed(was, 0)
	}
}

// drop forgets the nomination of a pod, and reports whether it counted. The lock is held.
func (n *Nominations) drop(pod types.UID) (counted bool) {
	node, ok := n.of[pod]
	if !ok {
		return false
	}
	counted = n.clock.Since(n.nodes[node][pod].since) >= Settle
	delete(n.of, pod)
	delete(n.nodes[node], pod)
	if len(n.nodes[node]) == 0 {
		delete(n.nodes, node)
	}
	return counted
}

// On returns the pods that wait for a node and have been nominated to it for long enough, in the order of their UIDs, and after how long
// the next one has been; zero: there is none.
func (n *Nominations) On(node string) (pods []Pod, next time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, nomination := range n.nodes[node] {
		left := Settle - n.clock.Since(nomination.since)
		switch {
		case left <= 0:
			pods = append(pods, nomination.pod)
		case next == 0 || left < next:
			next = left
		}
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return pods, next
}

// PodOf returns what the decision asks about a pod. Whether it is a unit, and of what consumers, and which labels the pod's namespace has,
// is for the caller to say.
func PodOf(pod *corev1.Pod) Pod {
	return Pod{
		UID: pod.UID, Requests: resource.PodRequests(pod, resource.PodResourcesOptions{}), Priority: corev1helpers.PodPriority(pod),
		Created: pod.CreationTimestamp.Time,
		Asks: entitlement.Consumer{
			Namespace: pod.Namespace, Labels: pod.Labels, Priority: corev1helpers.PodPriority(pod), NonPreempting: entitlement.NonPreempting(pod),
		},
	}
}
