// Package inventory mirrors, for the scheduler's snapshot of the cluster, which placeholders are where and how many units each
// Headroom has in each topology domain. A refresh costs one comparison a node, and work only for nodes that changed.
package inventory

import (
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
)

// Reservations knows which placeholders are victims of swaps that have been decided.
type Reservations interface {
	// Reserved reports whether a placeholder, by its UID, is such a victim, or was deleted as one.
	Reserved(uid types.UID) bool
	// Stays reports whether a placeholder was waited for until the time was up. Such a one is left out: it counts as any other pod.
	Stays(uid types.UID) bool
	// ObserveNode is told, after a node was read, which placeholders are still on it.
	ObserveNode(node string, present func(uid types.UID) bool)
}

// Inventory belongs to the scheduling goroutine; only MarkDirty and RecheckControllers may be called from others.
type Inventory struct {
	catalog      *catalog.Catalog
	daemonSets   placeholder.OwnerOfDaemonSet
	reservations Reservations

	nodes            []Node
	byName           map[string]int
	headrooms        []*Headroom
	headroomIDs      map[placeholder.Owner]int
	headroomsLeft    int
	version          uint64
	extended         map[corev1.ResourceName]int
	keys             []topologyKey
	keyIDs           map[string]int
	controllers      atomic.Bool
	dirtyMu          sync.Mutex
	dirty            map[string]struct{}
	placeholders     int
	revision         uint64
	nodeListVersion  uint64
	crossNodeVersion uint64
	// affinityKeys counts on how many nodes there are pods whose terms read a label key of other pods.
	affinityKeys map[string]int
}

// Node is one node of the snapshot. It is valid until the next refresh.
type Node struct {
	// Info is the node in the snapshot.
	Info fwk.NodeInfo
	// Name of the node.
	Name string
	// Rank is the node's place among all nodes in the order of their names.
	Rank int
	// Hash is Hash of the name.
	Hash uint64
	// Requested by all pods on the node, placeholders and assumed pods included.
	Requested evictionorder.Resources
	// Allocatable of the node.
	Allocatable evictionorder.Resources
	// Placeholders are the placeholders on the node.
	Placeholders []Placeholder
	// LowestPriority is the lowest among the node's pods that are no placeholders and are not being deleted, math.MaxInt32 if there are none.
	LowestPriority int32
	// Revision changes whenever the node is read anew, and is never used twice.
	Revision uint64

	generation int64
	object     *corev1.Node
	// affine identifies the pods with affinity or anti-affinity.
	affine uint64
	// affinityKeys are the label keys that their terms read of other pods, each once.
	affinityKeys []string
	// domains has, for each topology key by its ID, the ID of the node's domain.
	domains []int32
	// labeled says that pods carry the label of a placeholder whose DaemonSet may become known later.
	labeled bool
	dirty   bool
}

// Placeholder is a placeholder on a node.
type Placeholder struct {
	// Evidence about the placeholder: Headroom is an index into Inventory.Headroom, Index one into Node.Placeholders, and Leaving is
	// also set for a placeholder that is reserved.
	Evidence evictionorder.Placeholder
	// Reserved says that the placeholder is a victim of a swap that has been decided.
	Reserved bool
	// ReservedUnit says that it is a unit of reserved headroom, which only pods take that its Headroom's consumers name.
	ReservedUnit bool
	// Pod is the placeholder itself.
	Pod *corev1.Pod
	// Info is the placeholder as the snapshot has it.
	Info fwk.PodInfo
}

// Headroom is a Headroom that has, or had not long ago, placeholders in the snapshot. One that was deleted and made anew is two.
type Headroom struct {
	// Name of the Headroom.
	Name types.NamespacedName
	// UID of the Headroom.
	UID types.UID
	// Entry is what the catalog knows of it, nil if nothing, also if the Headroom of that name is another one.
	Entry *catalog.Entry

	keys  []int
	units [][]int32
}

type topologyKey struct {
	name    string
	domains map[string]int32
}

// New returns an empty inventory. daemonSets resolves DaemonSets of PerNode Headrooms, reservations are asked whenever a node is
// read anew.
func New(known *catalog.Catalog, daemonSets placeholder.OwnerOfDaemonSet, reservations Reservations) *Inventory {
	return &Inventory{
		catalog:      known,
		daemonSets:   daemonSets,
		reservations: reservations,
		byName:       map[string]int{},
		headroomIDs:  map[placeholder.Owner]int{},
		extended:     map[corev1.ResourceName]int{},
		keyIDs:       map[string]int{},
		dirty:        map[string]struct{}{},
		affinityKeys: map[string]int{},
	}
}

// Nodes returns the nodes in the order of the snapshot's list.
func (inv *Inventory) Nodes() []Node {
	return inv.nodes
}

// Node returns a node by name, nil if the snapshot has none.
func (inv *Inventory) Node(name string) *Node {
	if i, ok := inv.byName[name]; ok {
		return &inv.nodes[i]
	}
	return nil
}

// CrossNodeVersion changes whenever something changed on one node that may change what Filter and Score plugins say of
// others: which nodes there are, the images that they have, and the pods with affinity or anti-affinity, which reaches
// beyond their node. It also changes with the indices of Headrooms.
func (inv *Inventory) CrossNodeVersion() uint64 {
	return inv.crossNodeVersion
}

// NodeListVersion changes whenever nodes come or go, or their order in the snapshot changes, and with the indices of Headrooms.
// CrossNodeVersion changes with it.
func (inv *Inventory) NodeListVersion() uint64 {
	return inv.nodeListVersion
}

// Placeholders is the number of placeholders on all nodes.
func (inv *Inventory) Placeholders() int {
	return inv.placeholders
}

// Headrooms returns all Headrooms; the index of one is Evidence.Headroom of its placeholders. Indices may change with each Refresh that is
// not thorough.
func (inv *Inventory) Headrooms() []*Headroom {
	return inv.headrooms
}

// Request converts the requests of a pod, of which there is one.
func (inv *Inventory) Request(r fwk.Resource) evictionorder.Resources {
	request := inv.resources(nil, r)
	request[evictionorder.Pods] = 1
	return request
}

// Extended returns the index of an extended resource in what Request returns.
func (inv *Inventory) Extended(name corev1.ResourceName) int {
	return inv.extendedID(name)
}

// Units appends to dst[:0] how many units, bound, not terminating and not reserved, the Headroom has in the node's domain of
// each of its spread keys.
func (inv *Inventory) Units(dst []int, node *Node, headroom int) []int {
	dst = dst[:0]
	h := inv.headrooms[headroom]
	for i, key := range h.keys {
		dst = append(dst, int(at(h.units[i], node.domains[key])))
	}
	return dst
}

// Domains names the domains that Units counts in.
func (inv *Inventory) Domains(node *Node, headroom int) []evictionorder.Domain {
	h := inv.headrooms[headroom]
	domains := make([]evictionorder.Domain, 0, len(h.keys))
	for _, key := range h.keys {
		name := inv.keys[key].name
		domains = append(domains, evictionorder.Domain{Key: name, Value: node.Info.Node().Labels[name], Headroom: h.Name.String()})
	}
	return domains
}

func at(counts []int32, domain int32) int32 {
	if int(domain) < len(counts) {
		return counts[domain]
	}
	return 0
}

// MarkDirty makes the next refresh read a node anew, because a reservation on it changed or because the snapshot changed without a
// new generation, as it does for the pods of a group.
func (inv *Inventory) MarkDirty(node string) {
	inv.dirtyMu.Lock()
	defer inv.dirtyMu.Unlock()
	inv.dirty[node] = struct{}{}
}

// RecheckControllers makes the next refresh look again at pods that are placeholders if their DaemonSet says so.
func (inv *Inventory) RecheckControllers() {
	inv.controllers.Store(true)
}
