// Package explain answers, from objects and without a scheduler, which placeholders the plugin would take and why. It puts the objects into
// the scheduler's own inventory and catalog, and asks the same package selection that the plugin asks: what it says of resources,
// entitlement, nearness, spread and order is what the scheduler does. A prediction asks the Filter and Score plugins of the scheduler's
// profile too; a list of nodes leaves them out. Both leave out what only a running scheduler knows: reservations and nominated pods.
package explain

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// Objects are what the order depends on.
type Objects struct {
	// Pods of all namespaces, those included that are on no node.
	Pods []*corev1.Pod
	// Nodes give sizes and topology domains.
	Nodes []*corev1.Node
	// Namespaces give the labels that consumers and affinity terms may select by.
	Namespaces []*corev1.Namespace
	// DaemonSets tell which Headroom with placement PerNode a placeholder is of.
	DaemonSets []*appsv1.DaemonSet
	// Headrooms give consumers and spread keys.
	Headrooms []*v1alpha1.Headroom
	// Reserved are the placeholders, by their UIDs, that a running scheduler has reserved, and whether it has given up to wait until they
	// are gone. Nil if no scheduler was asked.
	Reserved map[types.UID]bool
	// Undeletable are the Headrooms of which a running scheduler takes nothing, because the API server refuses to delete their placeholders.
	Undeletable map[types.NamespacedName]bool
}

// Cluster is what the objects say. It is not safe for concurrent use.
type Cluster struct {
	objects   Objects
	profile   *Profile
	handle    *handle
	inventory *inventory.Inventory
	selector  *selection.Selector
	// invalid are the Headrooms with consumers that do not parse.
	invalid map[types.NamespacedName]error
}

// New returns what the objects say to a scheduler with this profile.
func New(objects Objects, profile *Profile) (*Cluster, error) {
	headrooms := catalog.New()
	c := &Cluster{objects: objects, profile: profile, invalid: map[types.NamespacedName]error{}}
	for _, headroom := range objects.Headrooms {
		if err := headrooms.Set(headroom); err != nil {
			c.invalid[types.NamespacedName{Namespace: headroom.Namespace, Name: headroom.Name}] = err
		}
	}
	c.inventory = inventory.New(headrooms, objects.ownerOfDaemonSet, reservations(objects.Reserved))
	var err error
	if c.handle, err = newHandle(objects.Namespaces); err != nil {
		return nil, err
	}
	c.selector = selection.New(selection.Options{
		Handle: c.handle, Inventory: c.inventory, Catalog: headrooms, DaemonSets: objects.ownerOfDaemonSet, Args: profile.Args,
		Features: feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate), Clock: clock.RealClock{},
		Undeletable: func(headroom types.NamespacedName) bool { return objects.Undeletable[headroom] },
	})
	return c, nil
}

// Order is the order among nodes.
func (c *Cluster) Order() evictionorder.Order { return c.profile.Args.Order() }

// ownerOfDaemonSet finds the Headroom that controls a DaemonSet.
func (o *Objects) ownerOfDaemonSet(_, _ string, uid types.UID) (placeholder.Owner, bool) {
	i := slices.IndexFunc(o.DaemonSets, func(set *appsv1.DaemonSet) bool { return set.UID == uid })
	if i < 0 {
		return placeholder.Owner{}, false
	}
	return placeholder.ControllingOwner(o.DaemonSets[i])
}

// load puts the nodes, with all pods but one, into the inventory, in the order of their names.
func (c *Cluster) load(leftOut *corev1.Pod) {
	infos := map[string]*framework.NodeInfo{}
	for _, node := range c.objects.Nodes {
		infos[node.Name] = framework.NewNodeInfo()
		infos[node.Name].SetNode(node)
	}
	for _, pod := range c.objects.Pods {
		if pod.Spec.NodeName == "" || pod == leftOut || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		if infos[pod.Spec.NodeName] == nil { // Its Node is not among the objects: it has no room, but placeholders.
			node := &corev1.Node{}
			node.Name = pod.Spec.NodeName
			infos[node.Name] = framework.NewNodeInfo()
			infos[node.Name].SetNode(node)
		}
		infos[pod.Spec.NodeName].AddPod(pod)
	}
	sorted := make([]fwk.NodeInfo, 0, len(infos))
	for _, info := range infos {
		sorted = append(sorted, info)
	}
	slices.SortFunc(sorted, func(a, b fwk.NodeInfo) int { return strings.Compare(a.Node().Name, b.Node().Name) })
	c.inventory.Refresh(sorted, true)
}

// handle is what the selection needs of a scheduler's framework where no plugin is asked.
type handle struct {
	framework.Framework
	informers informers.SharedInformerFactory
}

func newHandle(namespaces []*corev1.Namespace) (*handle, error) {
	h := &handle{informers: informers.NewSharedInformerFactory(nil, 0)}
	indexer := h.informers.Core().V1().Namespaces().Informer().GetIndexer()
	for _, namespace := range namespaces {
		if err := indexer.Add(namespace); err != nil {
			return nil, fmt.Errorf("keeping namespace %s: %w", namespace.Name, err)
		}
	}
	return h, nil
}

// SharedInformerFactory has the namespaces.
func (h *handle) SharedInformerFactory() informers.SharedInformerFactory { return h.informers }

// SharedDRAManager is nil: nothing is known of devices, so extended resources count as they stand on the node.
func (h *handle) SharedDRAManager() fwk.SharedDRAManager { return nil }

// reservations are those that a running scheduler has told of.
type reservations map[types.UID]bool

// Reserved reports whether a placeholder is reserved.
func (r reservations) Reserved(placeholder types.UID) bool {
	_, reserved := r[placeholder]
	return reserved
}

// Stays reports whether a placeholder was waited for, and is still there.
func (r reservations) Stays(placeholder types.UID) bool { return r[placeholder] }

// ObserveNode forgets nothing.
func (reservations) ObserveNode(string, func(types.UID) bool) {}
