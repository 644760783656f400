package holes

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
)

// yield is a pod to which placeholders yield the room that it waits for.
type yield struct {
	info  fwk.PodInfo
	until time.Time
}

// Yield has placeholders leave the room on a node to a pod, until it is bound or gone, or the time is up.
func (n *Nodes) Yield(node string, info fwk.PodInfo, until time.Time) {
	now := n.Clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.yieldNoMore(info.GetPod().UID, now)
	n.yieldedOn[info.GetPod().UID] = node
	n.update(node, now, func(on *onNode) { on.yields = append(on.yields, yield{info: info, until: until}) })
}

// yieldNoMore forgets that placeholders yield to a pod, and returns the node on which they did.
func (n *Nodes) yieldNoMore(pod types.UID, now time.Time) (node string) {
	name, known := n.yieldedOn[pod]
	if !known {
		return ""
	}
	delete(n.yieldedOn, pod)
	n.update(name, now, func(on *onNode) {
		on.yields = slices.DeleteFunc(on.yields, func(y yield) bool { return y.info.GetPod().UID == pod })
	})
	return name
}
