package headroom

import (
	"context"
	"maps"
	"slices"
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

// retry makes the scheduler try waiting pods again that a Headroom, which has just changed, admits, and all of them if there can be no
// Headrooms any more. Changes of Headrooms are not
// among the events that the scheduler's queue knows, as their definition need not be installed.
func (m *misses) retry(ctx context.Context, handle fwk.Handle, known *catalogue.Catalogue, changed types.NamespacedName) {
	entry, none := known.Get(changed), known.Missing()
	if entry == nil && !none {
		return
	}
	again := map[string]*corev1.Pod{}
	for _, pod := range m.waiting() {
		if identity := identityOf(handle, pod); none || entry.Rule.Admits(&identity) {
			again[pod.Namespace+"/"+pod.Name] = pod
		}
	}
	if len(again) > 0 {
		handle.Activate(klog.FromContext(ctx), again)
	}
}

func (m *misses) waiting() []*corev1.Pod {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.pods))
}
