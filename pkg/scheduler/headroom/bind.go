package headroom

import (
	"cmp"
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Bind makes sure that the victims are gone, and binds the pod. The placeholders go here, not earlier, so that nothing but one API
// call lies between their end and the binding, and nothing goes for a pod that a Permit plugin still holds back. The binding carries
// who was evicted by the decision; a pod by whose decision nothing was evicted is left to the next Bind plugin.
func (p *Plugin) Bind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	if status := p.lookTwice(ctx, state, pod); !status.IsSuccess() {
		return status
	}
	s := swapOn(state, node)
	if s != nil {
		if err := p.evict(ctx, s, pod); err != nil {
			return fwk.AsStatus(err)
		}
	}
	took := p.shared.credits.Of(pod.UID, node, p.isGone)
	if len(took) == 0 {
		return fwk.NewStatus(fwk.Skip)
	}
	slices.SortFunc(took, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	state.Write(evictionsKey, &evictions{took: took})
	if !p.bindsAlone() {
		return fwk.NewStatus(fwk.Skip) // PostBind writes the annotation
	}
	return fwk.AsStatus(p.bind(ctx, pod, node, annotation(pod, took)))
}

// guard keeps other schedulers off the node of a swap until its end, if there are any and the arguments say so. It is called twice for a
// swap that evicts before Bind.
func (p *Plugin) guard(ctx context.Context, s *swap) {
	if s.unguard != nil || !p.shared.holes.BesideOthers() {
		return
	}
	if image := guard.Image(p.args.GuardHoles, s.Victims); image != "" {
		s.unguard = p.shared.guards.Hold(ctx, s.place, image)
	}
}

// endGuard lets other schedulers onto the node again. It is for swaps that are done or came to nothing, and for none at all.
func (s *swap) endGuard() {
	if s != nil && s.unguard != nil {
		s.unguard()
		s.unguard = nil
	}
}

// evict makes sure that the victims of a swap are gone.
func (p *Plugin) evict(ctx context.Context, s *swap, pod *corev1.Pod) error {
	p.guard(ctx, s)
	deleted, err := p.evictor.Evict(ctx, pod, s.Victims)
	metrics.CountEvictions(len(deleted))
	p.countUnentitled(pod, deleted)
	switch {
	case err == nil:
		s.outcome = evicted
		klog.FromContext(ctx).V(3).Info("Placeholders are gone", "pod", klog.KObj(pod), "node", s.Node, "deleted", len(deleted))
	case errors.Is(err, eviction.ErrStayed):
		s.outcome = victimStayed
	case errors.Is(err, eviction.ErrRefused):
		s.outcome = evictionRefused
	}
	return err
}

// isGone reports whether the API server no longer has a pod, as far as the scheduler knows.
func (p *Plugin) isGone(pod *corev1.Pod) bool {
	current, err := p.evictor.Pods.Pods(pod.Namespace).Get(pod.Name)
	return apierrors.IsNotFound(err) || err == nil && current.UID != pod.UID
}

// bind binds a pod with annotations, which the API server merges into the pod in the same write, by the way that the scheduler's own
// bindings go: through its queue of API calls where it has one.
func (p *Plugin) bind(ctx context.Context, pod *corev1.Pod, node string, annotations map[string]string) error {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, Annotations: annotations},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
	calls := p.handle.APICacher()
	if calls == nil {
		return schedutil.BindPod(ctx, p.handle.ClientSet(), binding)
	}
	done, err := calls.BindPod(binding)
	if err != nil {
		return err
	}
	return calls.WaitOnFinish(ctx, done)
}

// annotation is what a consumer carries of the placeholders that were evicted by the decision to bind it.
func annotation(pod *corev1.Pod, took []*corev1.Pod) map[string]string {
	uids := make([]types.UID, 0, len(took))
	for _, placeholder := range took {
		uids = append(uids, placeholder.UID)
	}
	return map[string]string{v1alpha1.AnnotationTook: swapevent.Annotation(uids, pod.Annotations)}
}

// evictionsKey is where a cycle that binds a pod keeps its evictions.
const evictionsKey fwk.StateKey = "Bind" + Name

// evictions are the placeholders that were evicted by the decision to bind the pod, by an earlier attempt or by this one.
type evictions struct{ took []*corev1.Pod }

// Clone returns the same: nothing changes it.
func (e *evictions) Clone() fwk.StateData { return e }

// evictionsOf returns the placeholders that were evicted by the decision to bind the pod.
func evictionsOf(state fwk.CycleState) []*corev1.Pod {
	data, err := state.Read(evictionsKey)
	if err != nil {
		return nil
	}
	if e, ok := data.(*evictions); ok {
		return e.took
	}
	return nil
}
