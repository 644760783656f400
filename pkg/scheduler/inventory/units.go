package inventory

import (
	"slices"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// RefreshHeadrooms takes over what changed in the catalog. Refresh does that, too.
func (inv *Inventory) RefreshHeadrooms() {
	version := inv.catalog.Version()
	if version == inv.version {
		return
	}
	inv.version = version
	for id, h := range inv.headrooms {
		if inv.setEntry(h) {
			inv.recount(id)
		}
	}
}

func (h *Headroom) owner() placeholder.Owner {
	return placeholder.Owner{NamespacedName: h.Name, UID: h.UID}
}

// setEntry looks a Headroom up in the catalog and reports whether its spread keys changed.
func (inv *Inventory) setEntry(h *Headroom) (keysChanged bool) {
	h.Entry = inv.catalog.Of(h.owner())
	var names []string
	if h.Entry != nil {
		names = h.Entry.SpreadKeys
	}
	keys := make([]int, 0, len(names))
	for _, name := range names {
		keys = append(keys, inv.keyID(name))
	}
	if slices.Equal(keys, h.keys) {
		return false
	}
	h.keys = keys
	h.units = make([][]int32, len(keys))
	return true
}

// spareHeadrooms is how many Headrooms that are gone are kept, beside as many as were left the last time.
const spareHeadrooms = 100

// forgetHeadrooms drops the Headrooms of which nothing is known and that have no placeholders, if there are more than twice as many as
// were left the last time, and that many beyond: where Headrooms come and go, each has a name of its own, and a pod's cycle goes through
// all of them. The others get new indices.
func (inv *Inventory) forgetHeadrooms(spare int) {
	if len(inv.headrooms) <= 2*inv.headroomsLeft+spare {
		return
	}
	used := make([]bool, len(inv.headrooms))
	inv.eachPlaceholder(func(p *Placeholder) { used[p.Evidence.Headroom] = true })
	ids := make([]int, len(inv.headrooms))
	var left []*Headroom
	for id, h := range inv.headrooms {
		if h.Entry == nil && !used[id] {
			delete(inv.headroomIDs, h.owner())
			continue
		}
		ids[id], inv.headroomIDs[h.owner()] = len(left), len(left)
		left = append(left, h)
	}
	inv.eachPlaceholder(func(p *Placeholder) { p.Evidence.Headroom = ids[p.Evidence.Headroom] })
	inv.headrooms, inv.headroomsLeft = left, len(left)
	inv.nodeListVersion++ // nobody may keep what was found out by the old indices
	inv.crossNodeVersion++
}

func (inv *Inventory) eachPlaceholder(do func(*Placeholder)) {
	for i := range inv.nodes {
		for j := range inv.nodes[i].Placeholders {
			do(&inv.nodes[i].Placeholders[j])
		}
	}
}

// recount counts the units of one Headroom from scratch.
func (inv *Inventory) recount(id int) {
	for i := range inv.nodes {
		node := &inv.nodes[i]
		for j := range node.Placeholders {
			if node.Placeholders[j].Evidence.Headroom == id && !node.Placeholders[j].Evidence.Leaving {
				inv.headrooms[id].add(node, 1)
			}
		}
	}
}

// count adds the units of a node to those of their Headrooms, times 1 or -1.
func (inv *Inventory) count(node *Node, times int32) {
	inv.placeholders += int(times) * len(node.Placeholders)
	for i := range node.Placeholders {
		if !node.Placeholders[i].Evidence.Leaving {
			inv.headrooms[node.Placeholders[i].Evidence.Headroom].add(node, times)
		}
	}
}

func (h *Headroom) add(node *Node, n int32) {
	for i, key := range h.keys {
		domain := node.domains[key]
		for len(h.units[i]) <= int(domain) {
			h.units[i] = append(h.units[i], 0)
		}
		h.units[i][domain] += n
	}
}

// keyID returns the ID of a topology key, and gives every node a domain of it if the key is new.
func (inv *Inventory) keyID(name string) int {
	id, ok := inv.keyIDs[name]
	if ok {
		return id
	}
	id = len(inv.keys)
	inv.keyIDs[name] = id
	inv.keys = append(inv.keys, topologyKey{name: name, domains: map[string]int32{}})
	for i := range inv.nodes {
		// Only the new key is added: the others must stay as the units were counted, even if the node's labels changed since.
		if node := &inv.nodes[i]; node.Info != nil {
			node.domains = append(node.domains, inv.keys[id].domain(node))
		}
	}
	return id
}

// setDomains gives a node its domain of each topology key. A node without the label is in the domain "".
func (inv *Inventory) setDomains(node *Node) {
	node.domains = node.domains[:0]
	for i := range inv.keys {
		node.domains = append(node.domains, inv.keys[i].domain(node))
	}
}

// domain returns the ID of the node's domain, a new one if the domain is new.
func (k *topologyKey) domain(node *Node) int32 {
	value := node.Info.Node().Labels[k.name]
	id, ok := k.domains[value]
	if !ok {
		id = int32(len(k.domains))
		k.domains[value] = id
	}
	return id
}

// spareDomains is how many domains of nodes that are gone are kept, beside as many as there are nodes.
const spareDomains = 100

// compact forgets the domains of nodes that are gone, if one topology key has more of them than that beyond the number
// of nodes: where nodes come and go, every hostname is new.
func (inv *Inventory) compact(spare int) {
	if !slices.ContainsFunc(inv.keys, func(k topologyKey) bool { return len(k.domains) > 2*len(inv.nodes)+spare }) {
		return
	}
	for i := range inv.keys {
		inv.keys[i].domains = map[string]int32{}
	}
	for _, h := range inv.headrooms {
		h.units = make([][]int32, len(h.keys))
	}
	for i := range inv.nodes {
		inv.setDomains(&inv.nodes[i])
	}
	for id := range inv.headrooms {
		inv.recount(id)
	}
}
