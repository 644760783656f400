package selection

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Consumer is a pod that may take headroom, as the inventory was when it was made.
type Consumer struct {
	// Pod is the pod itself.
	Pod *corev1.Pod
	// Entitled says that at least one Headroom of the inventory lets the pod take its placeholders. Without that only Pod
	// is meaningful.
	Entitled bool

	priority int32
	identity entitlement.Consumer
	request  evictionorder.Resources
	// devices are the requested resources that dynamic resource allocation can stand behind, as indices of the request.
	devices      []int
	entitlements Entitlements
	// near selects the pods that the pod's annotation wants it to be near to, nil if it has none.
	near labels.Selector
}

// Entitlements say, for each Headroom by its index in the inventory, to what it entitles one pod.
type Entitlements []Entitlement

// Entitlement is what a Headroom lets one pod do.
type Entitlement int8

const (
	// NotEntitled: its `consumers` do not include the pod, or nothing is known of the Headroom.
	NotEntitled Entitlement = iota
	// OpenToAll: it is open to all.
	OpenToAll
	// NamedConsumer: its `consumers` name the pod.
	NamedConsumer
	// ByPriority: its `consumers` do not include the pod, or nothing is known of it, but the pod may take placeholders of lower priority
	// whatever they say, reserved units only if it is system-critical.
	ByPriority
	// Undeletable: whatever its `consumers` say, the API server refuses to delete its placeholders.
	Undeletable
)

// takes reports whether the pod may take placeholders of the Headroom, if these are of lower priority.
func (e Entitlement) takes() bool { return e != NotEntitled && e != Undeletable }

// lets reports whether a pod of some priority may take a placeholder of the Headroom. The priority has to be above the placeholder's, but
// for a reserved unit of a Headroom that names the pod.
func (e Entitlement) lets(priority int32, p *inventory.Placeholder) bool {
	switch {
	case p.ReservedUnit && e == NamedConsumer:
		return true
	case p.ReservedUnit && e == ByPriority && priority < scheduling.SystemCriticalPriority:
		return false
	default:
		return e.takes() && p.Evidence.Priority < priority
	}
}

// SystemCritical reports whether a pod has a priority that is kept for the system, and may preempt: it never waits for room that
// placeholders hold. A pod whose preemptionPolicy is Never takes what `consumers` let it take, whatever its priority.
func SystemCritical(pod *corev1.Pod) bool {
	return corev1helpers.PodPriority(pod) >= scheduling.SystemCriticalPriority && !entitlement.NonPreempting(pod)
}

// Consumer returns the pod as a consumer, nil if it can take nothing whatever the cluster looks like. The inventory must be
// fresh.
func (s *Selector) Consumer(pod *corev1.Pod) *Consumer {
	if s.Inventory.Placeholders() == 0 || IsBound(pod) || s.isPlaceholder(pod) {
		return nil
	}
	c := &Consumer{Pod: pod, priority: corev1helpers.PodPriority(pod), identity: s.identityOf(pod)}
	c.entitlements, c.Entitled = s.entitlementsOf(&c.identity)
	if c.Entitled {
		s.addRequest(c)
	}
	return c
}

// Unrestricted returns the consumer as one that may take placeholders of lower priority whatever `consumers` say, see ByPriority.
func (s *Selector) Unrestricted(c *Consumer) *Consumer {
	unrestricted := *c
	unrestricted.entitlements = slices.Clone(c.entitlements)
	for i, entitlement := range unrestricted.entitlements {
		if entitlement == NotEntitled {
			unrestricted.entitlements[i] = ByPriority
		}
	}
	if !c.Entitled {
		unrestricted.Entitled, unrestricted.devices = true, nil
		s.addRequest(&unrestricted)
	}
	return &unrestricted
}

// Withhold returns the consumer without what it may take of some Headrooms.
func (s *Selector) Withhold(c *Consumer, withheld func(headroom types.NamespacedName) bool) *Consumer {
	less := *c
	less.entitlements = slices.Clone(c.entitlements)
	for i, h := range s.Inventory.Headrooms() {
		if i < len(less.entitlements) && less.entitlements[i] != NotEntitled && withheld(h.Name) {
			less.entitlements[i] = NotEntitled
		}
	}
	return &less
}

// addRequest fills in what the consumer asks of a node, and what it wants to be near to.
func (s *Selector) addRequest(c *Consumer) {
	requests := s.requests(c.Pod)
	c.request = s.Inventory.Request(requests)
	if len(s.Args.TopologyKeys) > 0 {
		// The plugin warns of an annotation that does not parse; here it counts as absent.
		c.near, _ = nearness.Near(c.Pod)
	}
	for name := range requests.ScalarResources {
		if s.allocatedAsDevice(name) {
			c.devices = append(c.devices, s.Inventory.Extended(name))
		}
	}
}

// shortfall writes over dst what the pod lacks on a node on which that much is requested. As for NodeResourcesFit, a
// device that the node has none of by itself is not short: that is for dynamic resource allocation to say.
func (c *Consumer) shortfall(dst, requested evictionorder.Resources, node *inventory.Node) evictionorder.Resources {
	dst = evictionorder.Shortfall(dst, c.request, requested, node.Allocatable)
	for _, i := range c.devices {
		if node.Allocatable.At(i) == 0 {
			dst[i] = 0
		}
	}
	return dst
}

// IsBound reports whether a pod has its node already. It is here for a resize in place then, which package growth serves.
func IsBound(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != ""
}

func (s *Selector) isPlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.OwnerOf(pod, s.DaemonSets)
	return ok
}

func (s *Selector) identityOf(pod *corev1.Pod) entitlement.Consumer {
	return entitlement.ConsumerOf(pod, s.Handle.SharedInformerFactory().Core().V1().Namespaces().Lister().Get)
}

// Entitlements returns to what each Headroom of the inventory entitles a pod.
func (s *Selector) Entitlements(pod *corev1.Pod) Entitlements {
	identity := s.identityOf(pod)
	entitlements, _ := s.entitlementsOf(&identity)
	return entitlements
}

func (s *Selector) entitlementsOf(identity *entitlement.Consumer) (entitlements Entitlements, some bool) {
	headrooms := s.Inventory.Headrooms()
	entitlements = make(Entitlements, len(headrooms))
	for i, h := range headrooms {
		if s.Undeletable != nil && s.Undeletable(h.Name) {
			entitlements[i] = Undeletable
			continue
		}
		if h.Entry == nil || !h.Entry.Rule.Entitles(identity) {
			continue
		}
		entitlements[i], some = OpenToAll, true
		if h.Entry.Rule.Named() {
			entitlements[i] = NamedConsumer
		}
	}
	return entitlements, some
}

// To returns to what the Headroom of a placeholder entitles the pod.
func (e Entitlements) To(p *inventory.Placeholder) Entitlement {
	if p.Evidence.Headroom < len(e) {
		return e[p.Evidence.Headroom]
	}
	return NotEntitled
}

// mayTake reports whether the consumer may take a placeholder.
func (c *Consumer) mayTake(p *inventory.Placeholder) bool {
	return c.entitlements.To(p).lets(c.priority, p)
}

// takeable appends to dst[:0] the evidence about the placeholders on a node that the consumer may take.
func (c *Consumer) takeable(dst []evictionorder.Placeholder, node *inventory.Node) []evictionorder.Placeholder {
	dst = dst[:0]
	for i := range node.Placeholders {
		p := &node.Placeholders[i]
		if c.mayTake(p) {
			dst = append(dst, p.Evidence)
			last, entitlement := &dst[len(dst)-1], c.entitlements.To(p)
			last.NamesConsumer, last.Unentitled = entitlement == NamedConsumer, entitlement == ByPriority
		}
	}
	return dst
}

// requests returns what NodeResourcesFit wants to find free for a pod.
func (s *Selector) requests(pod *corev1.Pod) *framework.Resource {
	requests := &framework.Resource{}
	options := resource.PodResourcesOptions{SkipPodLevelResources: !s.Features.EnablePodLevelResources}
	requests.SetMaxResource(resource.PodRequests(pod, options))
	for name := range requests.ScalarResources {
		if s.ignored(name) {
			delete(requests.ScalarResources, name)
		}
	}
	return requests
}

// ignored reports whether NodeResourcesFit is told to leave a resource to somebody else.
func (s *Selector) ignored(name corev1.ResourceName) bool {
	if s.Ignores != nil && s.Ignores(name) {
		return true
	}
	if slices.Contains(s.Args.IgnoredResources, string(name)) {
		return true
	}
	group, _, _ := strings.Cut(string(name), "/")
	return slices.Contains(s.Args.IgnoredResourceGroups, group)
}

// allocatedAsDevice reports whether dynamic resource allocation stands behind an extended resource, on nodes where no
// device plugin does.
func (s *Selector) allocatedAsDevice(name corev1.ResourceName) bool {
	manager := s.Handle.SharedDRAManager()
	return s.Features.EnableDRAExtendedResource && manager != nil && manager.DeviceClassResolver().GetDeviceClass(name) != nil
}
