package headroom

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

const (
	// reasonInvalidNear is the reason of the event on a pod whose headroom.dev/near annotation is no label selector.
	reasonInvalidNear = "InvalidNearAnnotation"
	actionScheduling  = "Scheduling"
)

// warnings are the annotations that authors of pods that still wait were warned of, by the pod's UID.
type warnings struct {
	mu     sync.Mutex
	values map[types.UID]string
}

func newWarnings() *warnings {
	return &warnings{values: map[types.UID]string{}}
}

// due notes a warning and reports whether it is the first of this value: an attempt to schedule a pod is often not the only one.
func (w *warnings) due(uid types.UID, value string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	warned, ok := w.values[uid]
	w.values[uid] = value
	return !ok || warned != value
}

// forget drops a pod that is bound or gone.
func (w *warnings) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.values, uid)
}

// warnOfNear tells the author of a pod, once, that its annotation has no effect.
func (p *Plugin) warnOfNear(ctx context.Context, pod *corev1.Pod) {
	_, err := nearness.Near(pod)
	if err != nil && p.shared.warnings.due(pod.UID, pod.Annotations[v1alpha1.AnnotationNear]) {
		p.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(pod, nil, corev1.EventTypeWarning,
			reasonInvalidNear, actionScheduling, "%s; the pod is scheduled as if it had none", err.Error())
	}
}

// anchors returns what the consumer wants to be near to: the pods that its annotation selects, which near says of each node whether
// it has any, else the pods that its affinity terms match, else the domains that its preferred node affinity names. They are lasting
// if they depend on nothing but the pods of a node.
func (p *Plugin) anchors(c *consumer, nodes []inventory.Node, near func(node int) bool) (anchors *nearness.Anchors, lasting bool) {
	anchors, lasting = nearness.New(p.args.TopologyKeys), true
	if len(p.args.TopologyKeys) == 0 {
		return anchors, lasting
	}
	if c.near != nil {
		addNodes(anchors, nodes, near)
	}
	if affinity := c.pod.Spec.Affinity; anchors.None() && affinity != nil && affinity.PodAffinity != nil {
		p.addAffinity(anchors, nodes, c.pod)
		lasting = false // the terms may select namespaces by their labels
	}
	if affinity := c.pod.Spec.Affinity; anchors.None() && affinity != nil && affinity.NodeAffinity != nil {
		anchors.AddPreferred(affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return anchors, lasting
}

// isNear reports whether there is a pod on a node that the consumer's annotation selects.
func (c *consumer) isNear(node *inventory.Node) bool {
	return c.near != nil && hasPod(node, func(other *corev1.Pod) bool {
		return other.Namespace == c.pod.Namespace && c.near.Matches(labels.Set(other.Labels))
	})
}

func (p *Plugin) addAffinity(anchors *nearness.Anchors, nodes []inventory.Node, pod *corev1.Pod) {
	// A term that does not parse matches nothing; the InterPodAffinity plugin reports it.
	info, _ := framework.NewPodInfo(pod)
	if info == nil {
		return
	}
	terms := append([]fwk.AffinityTerm{}, info.GetRequiredAffinityTerms()...)
	for _, preferred := range info.GetPreferredAffinityTerms() {
		terms = append(terms, preferred.AffinityTerm)
	}
	namespaces := p.handle.SharedInformerFactory().Core().V1().Namespaces().Lister()
	matches := func(other *corev1.Pod) bool {
		for i := range terms {
			var namespaceLabels labels.Set
			if namespace, err := namespaces.Get(other.Namespace); err == nil {
				namespaceLabels = namespace.Labels
			}
			if terms[i].Matches(other, namespaceLabels) {
				return true
			}
		}
		return false
	}
	addNodes(anchors, nodes, func(i int) bool { return hasPod(&nodes[i], matches) })
}

// addNodes makes some of the nodes anchors.
func addNodes(anchors *nearness.Anchors, nodes []inventory.Node, some func(node int) bool) {
	for i := range nodes {
		if some(i) {
			anchors.AddNode(nodes[i].Info.Node().Labels)
		}
	}
}

func hasPod(node *inventory.Node, match func(*corev1.Pod) bool) bool {
	return slices.ContainsFunc(node.Info.GetPods(), func(info fwk.PodInfo) bool { return match(info.GetPod()) })
}
