// Package waiting keeps the pods that no headroom could serve and that still wait, and has the scheduler try them again
// when a Headroom, a namespace or a DaemonSet changes: such changes are not among the events that the scheduler's queue
// knows, or, as for Headrooms, cannot be, because their definition need not be installed.
package waiting

import (
	"context"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// Pods are the pods that wait, by UID. Methods may be called concurrently.
type Pods struct {
	mu   sync.Mutex
	pods map[types.UID]waitingPod
	// generation counts the calls of retry.
	generation uint64
}

// waitingPod is one pod that waits. What the pod is like now, only the informer knows.
type waitingPod struct {
	types.NamespacedName
	// counted says that the metric has it.
	counted bool
}

// NewPods returns no pods.
func NewPods() *Pods {
	return &Pods{pods: map[types.UID]waitingPod{}}
}

// Generation changes whenever pods are tried again. A cycle asks for it before it reads anything on which its later Add relies.
func (p *Pods) Generation() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generation
}

// Add records a pod whose cycle began at a generation. It returns true if pods were tried again since: the cycle may not have seen
// the change that caused it, so that the caller must activate the pod itself.
func (p *Pods) Add(pod *corev1.Pod, generation uint64) (late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.pods[pod.UID]
	known.Namespace, known.Name = pod.Namespace, pod.Name
	p.pods[pod.UID] = known
	return p.generation != generation
}

// CountOnce reports whether the miss of a pod, which Add has recorded, is still to be counted, and notes that it is from now on.
func (p *Pods) CountOnce(uid types.UID) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.pods[uid]
	first, known.counted = !known.counted, true
	p.pods[uid] = known
	return first
}

// Forget drops a pod that is bound or gone.
func (p *Pods) Forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pods, uid)
}

// retry makes the scheduler try those waiting pods again that a change may help. Informers and the catalog show the change already.
func (p *Pods) retry(ctx context.Context, handle fwk.Handle, mayHelp func(*corev1.Pod) bool) {
	lister := handle.SharedInformerFactory().Core().V1().Pods().Lister()
	again := map[string]*corev1.Pod{}
	for uid, waiting := range p.nextGeneration() {
		pod, err := lister.Pods(waiting.Namespace).Get(waiting.Name)
		switch {
		case err != nil || pod.UID != uid || pod.Spec.NodeName != "":
			p.Forget(uid) // it went while it was tried, so that it was recorded too late
		case mayHelp(pod):
			again[waiting.String()] = pod
		}
	}
	if len(again) > 0 {
		handle.Activate(klog.FromContext(ctx), again)
	}
}

// nextGeneration returns a copy, and makes the pods late that are added from now on by cycles that have begun.
func (p *Pods) nextGeneration() map[types.UID]waitingPod {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	return maps.Clone(p.pods)
}
