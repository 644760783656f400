package growth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// announce writes down which placeholders are about to go for a pod, and returns the pod as it is then. It fails if the pod has changed
// since it was looked at: its resize may be withdrawn.
func (g *Grower) announce(ctx context.Context, pod *corev1.Pod, victims []*corev1.Pod) (*corev1.Pod, error) {
	return g.annotate(ctx, pod, map[string]any{v1alpha1.AnnotationTaking: join(uidsOf(victims))}, true)
}

// settle writes down which placeholders a pod took. With unchanged it fails if the pod has changed since it was looked at.
func (g *Grower) settle(ctx context.Context, pod *corev1.Pod, took []types.UID, unchanged bool) error {
	annotations := map[string]any{v1alpha1.AnnotationTaking: nil}
	if len(took) > 0 {
		annotations[v1alpha1.AnnotationTook] = swapevent.Extend(took, pod.Annotations)
	}
	_, err := g.annotate(ctx, pod, annotations, unchanged)
	if apierrors.IsNotFound(err) {
		return nil // the pod is gone, and with it whom to credit
	}
	return err
}

// annotate changes annotations of a pod by its status, which the scheduler may write.
func (g *Grower) annotate(ctx context.Context, pod *corev1.Pod, annotations map[string]any, unchanged bool) (*corev1.Pod, error) {
	metadata := map[string]any{"uid": pod.UID, "annotations": annotations}
	if unchanged {
		metadata["resourceVersion"] = pod.ResourceVersion
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("encoding annotations of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	written, err := g.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return nil, fmt.Errorf("writing which placeholders pod %s/%s takes: %w", pod.Namespace, pod.Name, err)
	}
	return written, nil
}

// settleLeft ends what a scheduler that was killed, or a request that failed, has left: of the placeholders that a pod was about to take,
// it took those that are gone and that nobody else took. It reports whether there was anything, and after how long to come back for what is
// too young: a request of the one that was killed may be under way.
func (g *Grower) settleLeft(ctx context.Context, pods []*corev1.Pod) (some bool, again time.Duration, err error) {
	for _, pod := range pods {
		value := pod.Annotations[v1alpha1.AnnotationTaking]
		if value == "" || pod.DeletionTimestamp != nil || !g.serves(pod.Spec.SchedulerName) {
			continue
		}
		some = true
		if wait := g.leftFor(pod.UID, value); wait > 0 {
			again = max(again, wait)
			continue
		}
		var took []types.UID
		for uid := range strings.SplitSeq(value, ",") {
			if uid := types.UID(uid); !exists(pods, uid) && !g.tookOther(pods, pod, uid) {
				took = append(took, uid)
			}
		}
		if err := g.settle(ctx, pod, took, true); err != nil {
			return some, 0, err
		}
		g.settled(pod.UID)
		klog.FromContext(ctx).V(2).Info("Wrote down what was left of a resize", "pod", klog.KObj(pod), "took", len(took))
	}
	return some, again, nil
}

// left is what a pod was found to be about to take, and since when.
type left struct {
	value string
	since time.Time
}

// leftFor returns for how long yet what was left of a pod's resize is too young.
func (g *Grower) leftFor(pod types.UID, value string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left[pod].value != value {
		g.left[pod] = left{value, g.Clock.Now()}
	}
	return settleAfter - g.Clock.Since(g.left[pod].since)
}

// settled forgets what was left of a pod's resize.
func (g *Grower) settled(pod types.UID) {
	g.Credits.Settle(pod)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.left, pod)
}

func exists(pods []*corev1.Pod, uid types.UID) bool {
	return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.UID == uid })
}

// tookOther reports whether a placeholder went for another pod than this one.
func (g *Grower) tookOther(pods []*corev1.Pod, pod *corev1.Pod, uid types.UID) bool {
	if consumer, known := g.Credits.To(uid); known {
		return consumer != pod.UID
	}
	return slices.ContainsFunc(pods, func(other *corev1.Pod) bool {
		if other.UID == pod.UID {
			return false
		}
		took, err := swapevent.ParseAnnotation(other.Annotations[v1alpha1.AnnotationTook])
		return err == nil && slices.Contains(took.Placeholders, uid)
	})
}

// tell writes the event of a take.
func (p Profile) tell(ctx context.Context, pod *corev1.Pod, node string, took []*corev1.Pod, missing evictionorder.Resources) {
	if len(took) == 0 {
		return
	}
	swap, first := swapevent.Swap{Node: node, Why: "to grow in place, for which it lacked " + describe(missing)}, runtime.Object(took[0])
	for _, placeholder := range took {
		swap.Placeholders = append(swap.Placeholders, types.NamespacedName{Namespace: placeholder.Namespace, Name: placeholder.Name})
	}
	if p.HideNames {
		if swap = swap.Hide(pod.Namespace); swap.Hidden > 0 {
			first = nil
		}
	}
	p.Recorder.WithLogger(klog.FromContext(ctx)).Eventf(pod, first, corev1.EventTypeNormal, swapevent.Reason, swapevent.ActionGrow, "%s",
		swapevent.Note(swap))
}

// describe words what a pod lacks.
func describe(missing evictionorder.Resources) string {
	var list []string
	add := func(quantity resource.Quantity, name corev1.ResourceName) {
		if !quantity.IsZero() {
			list = append(list, fmt.Sprintf("%s of %s", quantity.String(), name))
		}
	}
	add(*resource.NewMilliQuantity(missing.At(evictionorder.MilliCPU), resource.DecimalSI), corev1.ResourceCPU)
	add(*resource.NewQuantity(missing.At(evictionorder.Memory), resource.BinarySI), corev1.ResourceMemory)
	add(*resource.NewQuantity(missing.At(evictionorder.EphemeralStorage), resource.BinarySI), corev1.ResourceEphemeralStorage)
	add(*resource.NewQuantity(missing.At(evictionorder.Pods), resource.DecimalSI), corev1.ResourcePods)
	return strings.Join(list, ", ")
}

func uidsOf(pods []*corev1.Pod) []types.UID {
	uids := make([]types.UID, 0, len(pods))
	for _, pod := range pods {
		uids = append(uids, pod.UID)
	}
	return uids
}

func join(uids []types.UID) string {
	list := make([]string, 0, len(uids))
	for _, uid := range uids {
		list = append(list, string(uid))
	}
	return strings.Join(list, ",")
}
