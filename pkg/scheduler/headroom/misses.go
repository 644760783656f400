package headroom

import (
	"context"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// misses are the pods that no headroom could serve and that still wait, by UID. They are tried again when a Headroom, a namespace or a
// DaemonSet changes: such changes are not among the events that the scheduler's queue knows, or, as for Headrooms, cannot be, because
// their definition need not be installed.
type misses struct {
	mu   sync.Mutex
	pods map[types.UID]miss
	// retries counts the calls of retry.
	retries uint64
}

// miss is one pod that waits. What the pod is like now, only the informer knows.
type miss struct {
	types.NamespacedName
	// counted says that the metric has it.
	counted bool
}

func newMisses() *misses {
	return &misses{pods: map[types.UID]miss{}}
}

// now is to be asked before a cycle reads anything that add then relies on.
func (m *misses) now() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.retries
}

// add notes a miss of a cycle that began at a time that now told. It is late if something changed since, which the cycle may not have
// seen and of which retry could not tell the pod.
func (m *misses) add(pod *corev1.Pod, began uint64) (late bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.pods[pod.UID]
	known.Namespace, known.Name = pod.Namespace, pod.Name
	m.pods[pod.UID] = known
	return m.retries != began
}

// count reports whether the miss of a pod, which add has noted, is still to be counted, and that it is from now on.
func (m *misses) count(uid types.UID) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.pods[uid]
	first, known.counted = !known.counted, true
	m.pods[uid] = known
	return first
}

// forget drops a pod that is bound or gone.
func (m *misses) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, uid)
}

// retry makes the scheduler try those waiting pods again that a change, which the informers and the catalog show already, may help.
func (m *misses) retry(ctx context.Context, handle fwk.Handle, mayHelp func(*corev1.Pod) bool) {
	lister := handle.SharedInformerFactory().Core().V1().Pods().Lister()
	again := map[string]*corev1.Pod{}
	for uid, waiting := range m.waiting() {
		pod, err := lister.Pods(waiting.Namespace).Get(waiting.Name)
		switch {
		case err != nil || pod.UID != uid || pod.Spec.NodeName != "":
			m.forget(uid) // it went while it was tried, so that it was noted too late
		case mayHelp(pod):
			again[waiting.String()] = pod
		}
	}
	if len(again) > 0 {
		handle.Activate(klog.FromContext(ctx), again)
	}
}

// waiting returns a copy, and makes misses that are added from now on late.
func (m *misses) waiting() map[types.UID]miss {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retries++
	return maps.Clone(m.pods)
}

// missed notes that no headroom could serve the pod, for a reason, or for none if there is no headroom, but pods that may turn out to
// hold some.
func (p *Plugin) missed(ctx context.Context, c *cycle, pod *corev1.Pod, reason metrics.MissReason) {
	if pod.Spec.NodeName != "" || p.isPlaceholder(pod) {
		return
	}
	late := p.shared.misses.add(pod, c.began)
	if reason != "" && p.shared.misses.count(pod.UID) {
		metrics.CountMiss(reason)
	}
	if late {
		p.handle.Activate(klog.FromContext(ctx), map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
	}
}
