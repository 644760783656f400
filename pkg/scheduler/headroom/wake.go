package headroom

import (
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// headroomChanged wakes the pods that a Headroom admits which has just changed, and all if there can be no Headrooms any more.
func (s *shared) headroomChanged(ctx context.Context, handle fwk.Handle, name types.NamespacedName) {
	entry, none := s.catalog.Get(name), s.catalog.Missing()
	s.misses.retry(ctx, handle, func(pod *corev1.Pod) bool {
		identity := identityOf(handle, pod)
		return none || entry != nil && entry.Rule.Entitles(&identity)
	})
}

// listenToNamespaces wakes the pods of a namespace whose new labels entitle them to more than the old ones did. The labels of a new
// namespace are new: its pods may have been seen before it was.
func (s *shared) listenToNamespaces(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) error {
	relabeled := func(was map[string]string, namespace *corev1.Namespace) {
		s.misses.retry(ctx, handle, func(pod *corev1.Pod) bool {
			after := identityOf(handle, pod)
			before := after
			before.NamespaceLabels, after.NamespaceLabels = was, namespace.Labels
			return pod.Namespace == namespace.Name && s.catalog.Gains(&before, &after)
		})
	}
	_, err := factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if namespace, ok := object.(*corev1.Namespace); ok && len(namespace.Labels) > 0 {
				relabeled(nil, namespace)
			}
		},
		UpdateFunc: func(old, updated any) {
			before, _ := old.(*corev1.Namespace)
			after, ok := updated.(*corev1.Namespace)
			if ok && before != nil && !maps.Equal(before.Labels, after.Labels) {
				relabeled(before.Labels, after)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listening to namespaces: %w", err)
	}
	return nil
}

// listenToDaemonSets has the inventory look again at pods that a DaemonSet makes placeholders of, and wakes the pods that their
// Headroom admits once it is known that they are.
func (s *shared) listenToDaemonSets(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) error {
	recheck := func(object any) {
		if set, ok := object.(*appsv1.DaemonSet); ok && set.Labels[v1alpha1.LabelHeadroom] != "" {
			s.inventory.RecheckControllers()
		}
	}
	known := func(object any) {
		recheck(object)
		set, ok := object.(*appsv1.DaemonSet)
		if !ok {
			return
		}
		if headroom, ok := placeholder.Controller(set); ok {
			s.headroomChanged(ctx, handle, headroom)
		}
	}
	_, err := factory.Apps().V1().DaemonSets().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: known,
		UpdateFunc: func(old, updated any) {
			// Its status changes with every pod.
			if sameController(old, updated) {
				recheck(updated)
				return
			}
			known(updated)
		},
		DeleteFunc: recheck,
	})
	if err != nil {
		return fmt.Errorf("listening to DaemonSets: %w", err)
	}
	return nil
}

// sameController reports whether a DaemonSet is still the same one and belongs to the same Headroom.
func sameController(old, updated any) bool {
	before, ok := old.(*appsv1.DaemonSet)
	after, also := updated.(*appsv1.DaemonSet)
	if !ok || !also || before.UID != after.UID {
		return false
	}
	a, b := metav1.GetControllerOfNoCopy(before), metav1.GetControllerOfNoCopy(after)
	return a == b || a != nil && b != nil && a.UID == b.UID
}
