package accounts

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// replayFor bounds the watch that replays, in seconds. The API server sends the past at once, and what is new comes a second time.
const replayFor = 5

// Departed tells of a placeholder that went while no controller ran, with its last state, and what becomes of it if no pod took it. It may
// tell of one again.
type Departed func(ctx context.Context, pod *corev1.Pod, otherwise account.Loss)

// replay has the API server tell which placeholders of these Headrooms were deleted after what is in the records. It remembers that for a
// minute and more; how long depends on how much happens.
func (k *Keeper) replay(ctx context.Context, names map[types.NamespacedName]bool) {
	from := k.recorded(names)
	if from == 0 {
		return // there are no records
	}
	for _, namespace := range k.namespaces() {
		err := k.replayIn(ctx, namespace, from, names)
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			err = k.compareIn(ctx, namespace, names)
		}
		if err != nil && ctx.Err() == nil {
			k.Metrics.AccountGaps.Inc()
			klog.FromContext(ctx).Error(err, "What happened to placeholders while no controller ran is not known; accounts lack it",
				"namespace", namespace, "resourceVersion", from)
		}
	}
}

// recorded returns the resource version through which the records of these Headrooms are complete; zero if there are none.
func (k *Keeper) recorded(names map[types.NamespacedName]bool) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, first := uint64(0), uint64(0)
	for name := range names {
		if e := k.entries[name]; e != nil {
			all = max(all, e.allThrough)
		}
	}
	for name := range names {
		e := k.entries[name]
		if e == nil || e.version == "" {
			continue
		}
		e.position = max(e.position, all)
		if first == 0 || e.position < first {
			first = e.position
		}
	}
	return first
}

func (k *Keeper) replayIn(ctx context.Context, namespace string, from uint64, names map[types.NamespacedName]bool) error {
	changes, err := k.Pods.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{
		LabelSelector: v1alpha1.LabelHeadroom, ResourceVersion: format(from), TimeoutSeconds: ptr.To(int64(replayFor)),
	})
	if err != nil {
		return err
	}
	defer changes.Stop()
	for change := range changes.ResultChan() {
		pod, ok := change.Object.(*corev1.Pod)
		switch {
		case change.Type == watch.Error:
			return apierrors.FromObject(change.Object)
		case !ok || change.Type != watch.Deleted:
			continue
		}
		k.vacated(pod)
		if pod.Spec.NodeName == "" {
			continue
		}
		if otherwise, missed := k.missed(ctx, pod, names); missed {
			k.Departed(ctx, pod, otherwise)
		}
	}
	return nil
}

// compareIn finds the placeholders that were there when a record was written and are no longer, where the API server does not remember
// their ends. It remembers how things were for longer, five minutes by default.
func (k *Keeper) compareIn(ctx context.Context, namespace string, names map[types.NamespacedName]bool) error {
	pods := k.Pods.CoreV1().Pods(namespace)
	now, err := pods.List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom})
	if err != nil {
		return err
	}
	present := map[types.UID]bool{}
	for i := range now.Items {
		present[now.Items[i].UID] = true
	}
	for name, position := range k.positions(namespace, names) {
		then, err := k.Pods.CoreV1().Pods(name.Namespace).List(ctx, metav1.ListOptions{
			LabelSelector: v1alpha1.LabelHeadroom + "=" + name.Name, ResourceVersion: format(position),
			ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		})
		if err != nil {
			return err
		}
		for i := range then.Items {
			pod := &then.Items[i]
			pod.ResourceVersion = "" // not that of its end
			if present[pod.UID] {
				continue
			}
			k.vacated(pod)
			if pod.Spec.NodeName == "" {
				continue
			}
			if otherwise, missed := k.missed(ctx, pod, names); missed {
				k.Departed(ctx, pod, otherwise)
			}
		}
	}
	return nil
}

func (k *Keeper) vacated(pod *corev1.Pod) {
	if k.Vacated != nil {
		k.Vacated(pod)
	}
}

// positions returns through which resource versions the records of these Headrooms in a namespace, or in all, are complete.
func (k *Keeper) positions(namespace string, names map[types.NamespacedName]bool) map[types.NamespacedName]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	positions := map[types.NamespacedName]uint64{}
	for name := range names {
		e := k.entries[name]
		if e != nil && e.version != "" && e.position > 0 && (namespace == metav1.NamespaceAll || namespace == name.Namespace) {
			positions[name] = e.position
		}
	}
	return positions
}

// missed reports whether the end of a placeholder of one of these Headrooms is not in the record, and what becomes of it if no pod took
// it: if the Headroom's spec changed since, the last controller may have deleted it.
func (k *Keeper) missed(
	ctx context.Context, pod *corev1.Pod, names map[types.NamespacedName]bool,
) (otherwise account.Loss, missed bool) {
	name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelHeadroom]}
	if !names[name] {
		return "", false
	}
	headroom := &v1alpha1.Headroom{}
	if err := k.Client.Get(ctx, name, headroom); err != nil {
		return "", false // it is gone, and its account with it
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[name]
	if e == nil || e.version == "" || pod.ResourceVersion != "" && parse(pod.ResourceVersion) <= e.position {
		return "", false
	}
	if e.recordedGeneration != headroom.Generation {
		return account.LossOther, true
	}
	return account.LossAbandoned, true
}
