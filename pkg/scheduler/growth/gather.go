package growth

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/apis/scheduling"

	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Knowledge is what has to be known of pods, beside the pods themselves, to say who may take what.
type Knowledge struct {
	// Serves reports whether the resizes of the pods of a scheduler are served.
	Serves func(scheduler string) bool
	// OwnerOf returns the Headroom of a placeholder, and whether the pod is one.
	OwnerOf func(pod *corev1.Pod) (placeholder.Owner, bool)
	// Rule returns whom the Headroom of a placeholder entitles, nil if nothing is known of it.
	Rule func(owner placeholder.Owner) *entitlement.Rule
	// Identity returns what a Headroom may ask about a pod.
	Identity func(pod *corev1.Pod) entitlement.Consumer
	// Reserved reports whether a placeholder is reserved for a consumer or was deleted for one, Stays whether one that should go does not.
	Reserved, Stays func(uid types.UID) bool
}

// scene is a node with the pods that a decision is about.
type scene struct {
	Node
	// pods are those of Node.Pods.
	pods []*corev1.Pod
	// placeholders are what Index of a placeholder points into.
	placeholders []*corev1.Pod
}

// gather looks at all pods of a node.
func gather(node *corev1.Node, pods []*corev1.Pod, k *Knowledge) *scene {
	s := &scene{Node: Node{Allocatable: allocatableOf(node), Used: make(evictionorder.Resources, evictionorder.FirstExtended)}}
	var evidence []evictionorder.Placeholder
	var rules []*entitlement.Rule
	for _, pod := range pods {
		held := requestsOf(Allocated(pod))
		add(s.Used, held, 1)
		owner, is := k.OwnerOf(pod)
		switch {
		case is && !k.Stays(pod.UID):
			evidence = append(evidence, evictionorder.Placeholder{
				UID: string(pod.UID), Name: pod.Namespace + "/" + pod.Name, Index: len(s.placeholders), Requests: held,
				Created: pod.CreationTimestamp.UnixNano(), Priority: corev1helpers.PodPriority(pod),
				Leaving: pod.DeletionTimestamp != nil || k.Reserved(pod.UID),
			})
			rules, s.placeholders = append(rules, k.Rule(owner)), append(s.placeholders, pod)
		case !is && pod.DeletionTimestamp == nil && k.Serves(pod.Spec.SchedulerName) && Deferred(pod) != nil:
			s.pods = append(s.pods, pod)
			s.Pods = append(s.Pods, Pod{
				UID: string(pod.UID), Priority: corev1helpers.PodPriority(pod), Since: Deferred(pod).LastTransitionTime.UnixNano(),
				Allocated: held, Desired: requestsOf(pod),
			})
		}
	}
	if preemptionDisabled(node) {
		return s // nothing may go for a resize, whatever a Headroom says
	}
	for i, pod := range s.pods {
		s.Pods[i].entitle(k.Identity(pod), evidence, s.placeholders, rules)
	}
	return s
}

// preemptionDisabled reports whether somebody wants that no pod of a node goes for the resize of another one.
func preemptionDisabled(node *corev1.Node) bool {
	return node.Spec.PodPreemptionPolicy != nil && len(node.Spec.PodPreemptionPolicy.DisableResizePreemption) > 0
}

// entitle says which placeholders of its node the pod may take. Those of its own or higher priority it never may, but for reserved units of
// a Headroom that names it.
func (p *Pod) entitle(
	identity entitlement.Consumer, evidence []evictionorder.Placeholder, pods []*corev1.Pod, rules []*entitlement.Rule,
) {
	critical := p.Priority >= scheduling.SystemCriticalPriority && !identity.NonPreempting
	for i, held := range evidence {
		entitled := rules[i] != nil && rules[i].Entitles(&identity)
		named := entitled && rules[i].Named()
		if reserved := named && placeholder.IsReserved(pods[i]); held.Priority >= p.Priority && !reserved {
			continue
		}
		if entitled {
			held.NamesConsumer = named
			p.Entitled = append(p.Entitled, held)
		} else {
			held.Unentitled = true
		}
		if critical {
			p.ByPriority = append(p.ByPriority, held)
		}
	}
}
