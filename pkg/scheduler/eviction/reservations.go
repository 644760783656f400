// Package eviction takes placeholders away: it keeps which of them are the victims of a swap that was decided but is not done,
// and deletes them.
package eviction

import (
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Reservations are the placeholders that are reserved for consumers. Several consumers may share one: its room, less
// what the first needs, may be enough for a second. Methods may be called concurrently.
type Reservations struct {
	mu      sync.Mutex
	byUID   map[types.UID]*reservation
	onNode  map[string]int
	stayed  map[types.UID]struct{}
	changed func(node string)
}

// reservation is one placeholder that is reserved, or that is deleted and not yet seen to be gone by the scheduler's cache.
type reservation struct {
	node    string
	holders map[types.UID]struct{}
	// turn is held by the one that deletes the placeholder or waits for it to be gone.
	turn chan struct{}
	// deleted says that the API server has deleted the placeholder.
	deleted bool
	// missing says that the scheduler's cache does not have the placeholder on its node, or not even the node.
	missing bool
	// gone is closed when the API server no longer has the placeholder.
	gone     chan struct{}
	goneOnce sync.Once
}

// NewReservations returns no reservations. changed is called with the name of a node on which a placeholder became, or
// stopped to be, reserved, or stayed.
func NewReservations(changed func(node string)) *Reservations {
	return &Reservations{byUID: map[types.UID]*reservation{}, onNode: map[string]int{}, stayed: map[types.UID]struct{}{}, changed: changed}
}

// Reserved reports whether a placeholder is reserved for a consumer, or deleted.
func (r *Reservations) Reserved(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.byUID[uid]
	return ok
}

// Evicted reports whether a reserved placeholder was deleted for one of those that hold it, and not by somebody else.
func (r *Reservations) Evicted(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	reserved, ok := r.byUID[uid]
	return ok && reserved.deleted
}

// Stays reports whether a placeholder was waited for until the time was up, and is still there. Its room cannot be counted on.
func (r *Reservations) Stays(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.stayed[uid]
	return ok
}

// Reserved is a placeholder that is reserved, or that stays.
type Reserved struct {
	// Placeholder is its UID.
	Placeholder types.UID `json:"placeholder"`
	// Node is where it is, empty if it is not known any more.
	Node string `json:"node,omitempty"`
	// Consumers are the UIDs of the pods for which it is reserved, none if it is deleted and their swaps are done.
	Consumers []types.UID `json:"consumers,omitempty"`
	// Stays says that it was waited for until the time was up, and is still there.
	Stays bool `json:"stays,omitempty"`
}

// List returns the placeholders that are reserved, or that stay, in the order of their UIDs.
func (r *Reservations) List() []Reserved {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Reserved{}
	for uid, reserved := range r.byUID {
		_, stays := r.stayed[uid]
		all = append(all, Reserved{
			Placeholder: uid, Node: reserved.node, Consumers: slices.Sorted(maps.Keys(reserved.holders)), Stays: stays,
		})
	}
	for uid := range r.stayed {
		if r.byUID[uid] == nil {
			all = append(all, Reserved{Placeholder: uid, Stays: true})
		}
	}
	slices.SortFunc(all, func(a, b Reserved) int { return strings.Compare(string(a.Placeholder), string(b.Placeholder)) })
	return all
}

// noteStayed remembers that a placeholder was waited for until the time was up, for as long as it is there. Otherwise
// one that never goes would be chosen again and again, as one that is being deleted already goes first.
func (r *Reservations) noteStayed(uid types.UID, reserved *reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-reserved.gone:
	default:
		r.stayed[uid] = struct{}{}
		r.changed(reserved.node)
	}
}

// Reserve reserves the victims for a consumer.
func (r *Reservations) Reserve(consumer types.UID, victims []*corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, victim := range victims {
		reserved := r.byUID[victim.UID]
		if reserved == nil {
			reserved = &reservation{
				node: victim.Spec.NodeName, holders: map[types.UID]struct{}{}, turn: make(chan struct{}, 1), gone: make(chan struct{}),
			}
			r.byUID[victim.UID] = reserved
			r.onNode[reserved.node]++
			r.changed(reserved.node)
		}
		reserved.holders[consumer] = struct{}{}
	}
}

// Release takes back what was reserved to a consumer, after it was bound or when it will not be. A victim that was deleted
// remains reserved until it is missing.
func (r *Reservations) Release(consumer types.UID, victims []*corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, victim := range victims {
		reserved := r.byUID[victim.UID]
		if reserved == nil {
			continue
		}
		delete(reserved.holders, consumer)
		if len(reserved.holders) == 0 && (!reserved.deleted || reserved.missing) {
			r.drop(victim.UID, reserved)
			r.changed(reserved.node)
		}
	}
}

// ObserveNode drops the reservations on deleted placeholders of a node that the scheduler's cache no longer has there.
// Those that pods still rely on go when these are done, as nobody may ask about a node that left.
func (r *Reservations) ObserveNode(node string, present func(uid types.UID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onNode[node] == 0 {
		return
	}
	for uid, reserved := range r.byUID {
		if reserved.node != node {
			continue
		}
		reserved.missing = !present(uid)
		if reserved.missing && reserved.deleted && len(reserved.holders) == 0 {
			r.drop(uid, reserved)
		}
	}
}

func (r *Reservations) drop(uid types.UID, reserved *reservation) {
	delete(r.byUID, uid)
	if r.onNode[reserved.node]--; r.onNode[reserved.node] == 0 {
		delete(r.onNode, reserved.node)
	}
}

// Gone notes that the API server no longer has a pod.
func (r *Reservations) Gone(uid types.UID) {
	if reserved := r.get(uid); reserved != nil {
		reserved.goneOnce.Do(func() { close(reserved.gone) })
		r.markDeleted(reserved)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stayed, uid)
}

func (r *Reservations) get(uid types.UID) *reservation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byUID[uid]
}

func (r *Reservations) markDeleted(reserved *reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reserved.deleted = true
}

func (r *Reservations) isDeleted(reserved *reservation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return reserved.deleted
}
