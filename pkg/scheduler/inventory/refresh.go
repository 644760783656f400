package inventory

import (
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Refresh brings the inventory up to date with the nodes of the snapshot. Thorough also notices changes that left a node's
// generation as it was: the snapshot does that while it simulates a group of pods.
func (inv *Inventory) Refresh(nodes []fwk.NodeInfo, thorough bool) {
	inv.RefreshHeadrooms()
	if !thorough { // within the cycle of a group, somebody may rely on the indices of Headrooms
		inv.forgetHeadrooms(spareHeadrooms)
	}
	inv.drainDirty()
	aligned := false
	if len(nodes) != len(inv.nodes) {
		inv.align(nodes)
		aligned = true
	}
	for i, info := range nodes {
		if !aligned && inv.nodes[i].Info != info {
			// Nodes came and went. That is rare, so it is looked for here rather than in a pass of its own.
			inv.align(nodes)
			aligned = true
		}
		node := &inv.nodes[i]
		if node.Info == info && node.generation == info.GetGeneration() && !node.dirty && (!thorough || inv.unchanged(node)) {
			continue
		}
		inv.read(node, info)
	}
	if aligned {
		inv.compact(spareDomains)
	}
}

// align makes inv.nodes parallel to the snapshot's list.
func (inv *Inventory) align(nodes []fwk.NodeInfo) {
	inv.nodeListVersion++
	inv.crossNodeVersion++
	old := inv.nodes
	inv.nodes = make([]Node, len(nodes))
	byName := make(map[string]int, len(nodes))
	for i, info := range nodes {
		name := info.Node().Name
		byName[name] = i
		if j, ok := inv.byName[name]; ok {
			inv.nodes[i], old[j] = old[j], Node{}
		}
	}
	for i := range old {
		inv.count(&old[i], -1)
		inv.countAffinityKeys(old[i].affinityKeys, -1)
		if old[i].Info != nil {
			inv.reservations.ObserveNode(old[i].Name, func(types.UID) bool { return false })
		}
	}
	inv.byName = byName
	for rank, name := range slices.Sorted(maps.Keys(byName)) {
		inv.nodes[byName[name]].Rank = rank
	}
}

func (inv *Inventory) drainDirty() {
	if inv.controllers.Swap(false) {
		for i := range inv.nodes {
			inv.nodes[i].dirty = inv.nodes[i].dirty || inv.nodes[i].labeled
		}
	}
	inv.dirtyMu.Lock()
	defer inv.dirtyMu.Unlock()
	for name := range inv.dirty {
		if node := inv.Node(name); node != nil {
			node.dirty = true
		}
	}
	clear(inv.dirty)
}

// unchanged compares what the snapshot can change without a new generation.
func (inv *Inventory) unchanged(node *Node) bool {
	requested := node.Info.GetRequested()
	return int64(len(node.Info.GetPods())) == node.Requested.At(evictionorder.Pods) &&
		requested.GetMilliCPU() == node.Requested.At(evictionorder.MilliCPU) &&
		requested.GetMemory() == node.Requested.At(evictionorder.Memory) &&
		requested.GetEphemeralStorage() == node.Requested.At(evictionorder.EphemeralStorage)
}

// read replaces what is known of a node.
func (inv *Inventory) read(node *Node, info fwk.NodeInfo) {
	inv.count(node, -1)
	inv.revision++
	node.Revision = inv.revision
	inv.noteCrossNodeChange(node, info)
	node.Info, node.generation, node.dirty = info, info.GetGeneration(), false
	if name := info.Node().Name; node.Name != name {
		node.Name, node.Hash = name, Hash(name)
	}
	node.Requested = inv.resources(node.Requested, info.GetRequested())
	node.Requested[evictionorder.Pods] = int64(len(info.GetPods()))
	node.Allocatable = inv.resources(node.Allocatable, info.GetAllocatable())
	node.Allocatable[evictionorder.Pods] = int64(info.GetAllocatable().GetAllowedPodNumber())
	inv.setDomains(node)
	inv.readPods(node)
	inv.count(node, 1)
	inv.reservations.ObserveNode(node.Name, func(uid types.UID) bool {
		return slices.ContainsFunc(node.Placeholders, func(p Placeholder) bool { return p.Pod.UID == uid })
	})
}

func (inv *Inventory) noteCrossNodeChange(node *Node, info fwk.NodeInfo) {
	affine := hashPods(hashPods(0, info.GetPodsWithAffinity()), info.GetPodsWithRequiredAntiAffinity())
	changed := affine != node.affine
	if object := info.Node(); node.object != object {
		changed = changed || node.object != nil && (!sameImages(node.object.Status.Images, object.Status.Images) ||
			affine != 0 && !maps.Equal(node.object.Labels, object.Labels))
		node.object = object
	}
	if affine != node.affine {
		inv.countAffinityKeys(node.affinityKeys, -1)
		node.affinityKeys = affinityKeysOf(info)
		inv.countAffinityKeys(node.affinityKeys, 1)
	}
	node.affine = affine
	if changed {
		inv.crossNodeVersion++
	}
}

// hashPods adds the identities of pods to a hash, which is 0 for no pods.
func hashPods(hash uint64, pods []fwk.PodInfo) uint64 {
	for _, info := range pods {
		for _, c := range []byte(info.GetPod().UID) {
			hash = (hash ^ uint64(c)) * 1099511628211
		}
		hash++
	}
	return hash
}

func sameImages(a, b []corev1.ContainerImage) bool {
	return slices.EqualFunc(a, b, func(a, b corev1.ContainerImage) bool {
		return a.SizeBytes == b.SizeBytes && slices.Equal(a.Names, b.Names)
	})
}

// readPods finds the placeholders of a node, and the lowest priority among its other pods.
func (inv *Inventory) readPods(node *Node) {
	clear(node.Placeholders)
	node.Placeholders, node.labeled, node.LowestPriority = node.Placeholders[:0], false, math.MaxInt32
	for _, podInfo := range node.Info.GetPods() {
		pod := podInfo.GetPod()
		owner, ok := inv.ownerOf(pod, node)
		switch {
		case ok && !inv.reservations.Stays(pod.UID):
			node.Placeholders = append(node.Placeholders, inv.placeholder(podInfo, inv.headroomID(owner), len(node.Placeholders)))
		case !ok && pod.DeletionTimestamp == nil:
			node.LowestPriority = min(node.LowestPriority, corev1helpers.PodPriority(pod))
		}
	}
}

// ownerOf returns the Headroom whose placeholder a pod is, and notes of the node that a pod may be one.
func (inv *Inventory) ownerOf(pod *corev1.Pod, node *Node) (owner placeholder.Owner, ok bool) {
	if _, labeled := pod.Labels[v1alpha1.LabelHeadroom]; !labeled {
		return owner, false
	}
	node.labeled = true
	return placeholder.OwnerOf(pod, inv.daemonSets)
}

// placeholder gathers the evidence about one placeholder.
func (inv *Inventory) placeholder(podInfo fwk.PodInfo, headroom, index int) Placeholder {
	pod := podInfo.GetPod()
	requests := inv.resources(nil, podInfo.CalculateResource().Resource)
	requests[evictionorder.Pods] = 1
	reserved := inv.reservations.Reserved(pod.UID)
	return Placeholder{
		Pod:          pod,
		Info:         podInfo,
		Reserved:     reserved,
		ReservedUnit: placeholder.IsReserved(pod),
		Evidence: evictionorder.Placeholder{
			UID:      string(pod.UID),
			Name:     pod.Namespace + "/" + pod.Name,
			Headroom: headroom,
			Index:    index,
			Requests: requests,
			Created:  pod.CreationTimestamp.UnixNano(),
			Priority: corev1helpers.PodPriority(pod),
			Leaving:  pod.DeletionTimestamp != nil || reserved,
		},
	}
}

// resources writes a resource over dst, in the order of indices that the inventory keeps. Pods is left to the caller.
func (inv *Inventory) resources(dst evictionorder.Resources, r fwk.Resource) evictionorder.Resources {
	dst = append(dst[:0], 0, r.GetMilliCPU(), r.GetMemory(), r.GetEphemeralStorage())
	for name, amount := range r.GetScalarResources() {
		i := inv.extendedID(name)
		for len(dst) <= i {
			dst = append(dst, 0)
		}
		dst[i] = amount
	}
	return dst
}

func (inv *Inventory) extendedID(name corev1.ResourceName) int {
	id, ok := inv.extended[name]
	if !ok {
		id = evictionorder.FirstExtended + len(inv.extended)
		inv.extended[name] = id
	}
	return id
}

func (inv *Inventory) headroomID(owner placeholder.Owner) int {
	id, ok := inv.headroomIDs[owner]
	if !ok {
		id = len(inv.headrooms)
		inv.headroomIDs[owner] = id
		h := &Headroom{Name: owner.NamespacedName, UID: owner.UID}
		inv.headrooms = append(inv.headrooms, h)
		inv.setEntry(h)
	}
	return id
}
