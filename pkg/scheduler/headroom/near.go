package headroom

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/nearness"
)

const (
	// reasonInvalidNear is the reason of the event on a pod whose headroom.dev/near annotation is no label selector.
	reasonInvalidNear = "InvalidNearAnnotation"
	actionScheduling  = "Scheduling"
)

// warnings are the annotations that authors of pods that still wait were warned of, by the pod's UID.
type warnings struct {
	mu     sync.Mutex
	values map[types.UID]string
}

func newWarnings() *warnings {
	return &warnings{values: map[types.UID]string{}}
}

// due notes a warning and reports whether it is the first of this value: an attempt to schedule a pod is often not the only one.
func (w *warnings) due(uid types.UID, value string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	warned, ok := w.values[uid]
	w.values[uid] = value
	return !ok || warned != value
}

// forget drops a pod that is bound or gone.
func (w *warnings) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.values, uid)
}

// warnOfNear tells the author of a pod, once, that its annotation has no effect.
func (p *Plugin) warnOfNear(ctx context.Context, pod *corev1.Pod) {
	_, err := nearness.Near(pod)
	if err != nil && p.shared.warnings.due(pod.UID, pod.Annotations[v1alpha1.AnnotationNear]) {
		p.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(pod, nil, corev1.EventTypeWarning,
			reasonInvalidNear, actionScheduling, "%s; the pod is scheduled as if it had none", err.Error())
	}
}
