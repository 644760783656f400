package headroom

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/catalogue"
)

// misses are the pods that no headroom could serve and that still wait, by UID.
type misses struct {
	mu   sync.Mutex
	pods map[types.UID]*corev1.Pod
}

func newMisses() *misses {
	return &misses{pods: map[types.UID]*corev1.Pod{}}
}

// add notes a miss and says whether it is the pod's first.
func (m *misses) add(pod *corev1.Pod) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.pods[pod.UID]
	m.pods[pod.UID] = pod
	return !known
}

// forget drops a pod that is bound or gone.
func (m *misses) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, uid)
}

// retry makes the scheduler try again the waiting pods after a Headroom changed. Changes of Headrooms are not among the events
// that the scheduler's queue knows, as long as their definition need not be installed.
func (m *misses) retry(ctx context.Context, handle fwk.Handle, _ *catalogue.Catalogue, _ types.NamespacedName) {
	m.mu.Lock()
	again := make(map[string]*corev1.Pod, len(m.pods))
	for _, pod := range m.pods {
		again[pod.Namespace+"/"+pod.Name] = pod
	}
	m.mu.Unlock()
	if len(again) > 0 {
		handle.Activate(klog.FromContext(ctx), again)
	}
}
