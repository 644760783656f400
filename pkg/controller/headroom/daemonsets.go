package headroom

import (
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
)

// daemonSetsSeen are the DaemonSets whose specs are known to be as they should be, by Headroom. An edit of a spec makes a new
// generation of it. It is safe for concurrent use: reconciles of several Headrooms write to it.
type daemonSetsSeen struct {
	mu   sync.Mutex
	seen map[types.NamespacedName]daemonSetSeen
}

type daemonSetSeen struct {
	uid        types.UID
	generation int64
}

func newDaemonSetsSeen() *daemonSetsSeen {
	return &daemonSetsSeen{seen: map[types.NamespacedName]daemonSetSeen{}}
}

func (d *daemonSetsSeen) put(headroom types.NamespacedName, daemonSet *appsv1.DaemonSet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[headroom] = daemonSetSeen{uid: daemonSet.UID, generation: daemonSet.Generation}
}

func (d *daemonSetsSeen) has(headroom types.NamespacedName, daemonSet *appsv1.DaemonSet) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[headroom] == daemonSetSeen{uid: daemonSet.UID, generation: daemonSet.Generation}
}

func (d *daemonSetsSeen) forget(headroom types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen, headroom)
}
