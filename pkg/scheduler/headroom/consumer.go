package headroom

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// consumer is a pod that may take headroom.
type consumer struct {
	pod      *corev1.Pod
	priority int32
	identity entitlement.Consumer
	request  evictionorder.Resources
	// devices are the requested resources that dynamic resource allocation can stand behind, as indices of the request.
	devices []int
	// admitted says of each Headroom of the inventory what it makes of the pod.
	admitted admissions
	// near selects the pods that the pod's annotation wants it to be near to, nil if it has none.
	near labels.Selector
}

// admissions say of each Headroom of the inventory what it makes of a pod.
type admissions []admission

// admission is what a Headroom makes of a consumer.
type admission int8

const (
	// refused: its `consumers` do not admit the pod, or nothing is known of the Headroom.
	refused admission = iota
	// open: it is open to all.
	open
	// named: its `consumers` admit the pod.
	named
)

// consumer returns the pod as a consumer, nil if it can take nothing whatever the cluster looks like. The inventory must be
// fresh.
func (p *Plugin) consumer(pod *corev1.Pod) *consumer {
	inv := p.shared.inventory
	if inv.Placeholders() == 0 || !mayPreempt(pod) {
		return nil
	}
	if p.isPlaceholder(pod) {
		return nil
	}
	c := &consumer{pod: pod, priority: corev1helpers.PodPriority(pod), identity: identityOf(p.handle, pod)}
	var some bool
	c.admitted, some = admissionsOf(inv.Headrooms(), &c.identity)
	if !some {
		return c
	}
	requests := p.requests(pod)
	c.request = inv.Request(requests)
	if len(p.args.TopologyKeys) > 0 {
		// An annotation that does not parse was warned of, see warnOfNear.
		c.near, _ = nearness.Near(pod)
	}
	for name := range requests.ScalarResources {
		if p.allocatedAsDevice(name) {
			c.devices = append(c.devices, inv.Extended(name))
		}
	}
	return c
}

// shortfall writes over dst what the pod lacks on a node on which that much is requested. As for NodeResourcesFit, a device that the
// node has none of by itself is not short: that is for dynamic resource allocation to say.
func (c *consumer) shortfall(dst, requested evictionorder.Resources, node *inventory.Node) evictionorder.Resources {
	dst = evictionorder.Shortfall(dst, c.request, requested, node.Allocatable)
	for _, i := range c.devices {
		if node.Allocatable.At(i) == 0 {
			dst[i] = 0
		}
	}
	return dst
}

// requests returns what NodeResourcesFit wants to find free for a pod.
func (p *Plugin) requests(pod *corev1.Pod) *framework.Resource {
	requests := &framework.Resource{}
	options := resource.PodResourcesOptions{SkipPodLevelResources: !p.features.EnablePodLevelResources}
	requests.SetMaxResource(resource.PodRequests(pod, options))
	for name := range requests.ScalarResources {
		if p.ignored(name) {
			delete(requests.ScalarResources, name)
		}
	}
	return requests
}

// mayPreempt reports whether a pod may take anything from anyone. A pod that is bound already is here for a resize in place.
func mayPreempt(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && (pod.Spec.PreemptionPolicy == nil || *pod.Spec.PreemptionPolicy != corev1.PreemptNever)
}

func identityOf(handle fwk.Handle, pod *corev1.Pod) entitlement.Consumer {
	identity := entitlement.Consumer{Namespace: pod.Namespace, Labels: labels.Set(pod.Labels), Priority: corev1helpers.PodPriority(pod)}
	if namespace, err := handle.SharedInformerFactory().Core().V1().Namespaces().Lister().Get(pod.Namespace); err == nil {
		identity.NamespaceLabels = namespace.Labels
	}
	return identity
}

func admissionsOf(headrooms []*inventory.Headroom, identity *entitlement.Consumer) (admitted admissions, some bool) {
	admitted = make(admissions, len(headrooms))
	for i, h := range headrooms {
		if h.Entry == nil || !h.Entry.Rule.Entitles(identity) {
			continue
		}
		admitted[i], some = open, true
		if h.Entry.Rule.Named() {
			admitted[i] = named
		}
	}
	return admitted, some
}

// to says what the Headroom of a placeholder makes of the pod.
func (a admissions) to(held *inventory.Placeholder) admission {
	if held.Evidence.Headroom < len(a) {
		return a[held.Evidence.Headroom]
	}
	return refused
}

// may reports whether the consumer may take a placeholder.
func (c *consumer) may(held *inventory.Placeholder) bool {
	return held.Evidence.Priority < c.priority && c.admitted.to(held) != refused
}

// takeable appends to dst[:0] the evidence about the placeholders on a node that the consumer may take.
func (c *consumer) takeable(dst []evictionorder.Placeholder, node *inventory.Node) []evictionorder.Placeholder {
	dst = dst[:0]
	for i := range node.Placeholders {
		held := &node.Placeholders[i]
		if c.may(held) {
			dst = append(dst, held.Evidence)
			dst[len(dst)-1].NamesConsumer = c.admitted.to(held) == named
		}
	}
	return dst
}

// ignored reports whether the arguments tell NodeResourcesFit to leave a resource to somebody else.
func (p *Plugin) ignored(name corev1.ResourceName) bool {
	if slices.Contains(p.args.IgnoredResources, string(name)) {
		return true
	}
	group, _, _ := strings.Cut(string(name), "/")
	return slices.Contains(p.args.IgnoredResourceGroups, group)
}

// allocatedAsDevice reports whether dynamic resource allocation stands behind an extended resource, on nodes where no device plugin does.
func (p *Plugin) allocatedAsDevice(name corev1.ResourceName) bool {
	manager := p.handle.SharedDRAManager()
	return p.features.EnableDRAExtendedResource && manager != nil && manager.DeviceClassResolver().GetDeviceClass(name) != nil
}
