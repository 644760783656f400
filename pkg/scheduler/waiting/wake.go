package waiting

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
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
)

// Waker has the scheduler try waiting pods again when something changed that entitles them to headroom.
type Waker struct {
	// Handle of any profile: the scheduler's queue is one.
	Handle fwk.Handle
	// Pods that wait.
	Pods *Pods
	// Catalog of the Headrooms.
	Catalog *catalog.Catalog
	// RecheckControllers is called when DaemonSets may make placeholders of pods that were none before.
	RecheckControllers func()
}

// Listen follows namespaces and DaemonSets. What follows the Headrooms calls HeadroomChanged.
func (w *Waker) Listen(ctx context.Context, factory informers.SharedInformerFactory) error {
	if err := w.listenToNamespaces(ctx, factory); err != nil {
		return err
	}
	return w.listenToDaemonSets(ctx, factory)
}

func (w *Waker) identityOf(pod *corev1.Pod) entitlement.Consumer {
	return entitlement.ConsumerOf(pod, w.Handle.SharedInformerFactory().Core().V1().Namespaces().Lister().Get)
}

// HeadroomChanged wakes the pods that a Headroom entitles which has just changed, and all if there can be no Headrooms any more.
func (w *Waker) HeadroomChanged(ctx context.Context, name types.NamespacedName) {
	entry, none := w.Catalog.Get(name), w.Catalog.CRDAbsent()
	w.Pods.retry(ctx, w.Handle, func(pod *corev1.Pod) bool {
		identity := w.identityOf(pod)
		return none || entry != nil && entry.Rule.Entitles(&identity)
	})
}

// listenToNamespaces wakes the pods of a namespace whose new labels entitle them to more than the old ones did. The labels of a new
// namespace are new: its pods may have been seen before it was.
func (w *Waker) listenToNamespaces(ctx context.Context, factory informers.SharedInformerFactory) error {
	relabeled := func(was map[string]string, namespace *corev1.Namespace) {
		w.Pods.retry(ctx, w.Handle, func(pod *corev1.Pod) bool {
			after := w.identityOf(pod)
			before := after
			before.NamespaceLabels, after.NamespaceLabels = was, namespace.Labels
			return pod.Namespace == namespace.Name && w.Catalog.Gains(&before, &after)
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
// Headroom entitles once it is known that they are.
func (w *Waker) listenToDaemonSets(ctx context.Context, factory informers.SharedInformerFactory) error {
	recheck := func(object any) {
		if set, ok := object.(*appsv1.DaemonSet); ok && set.Labels[v1alpha1.LabelHeadroom] != "" {
			w.RecheckControllers()
		}
	}
	known := func(object any) {
		recheck(object)
		set, ok := object.(*appsv1.DaemonSet)
		if !ok {
			return
		}
		if headroom, ok := placeholder.Controller(set); ok {
			w.HeadroomChanged(ctx, headroom)
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
