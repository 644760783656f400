package consumption

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// atOnce is how many nodes are looked at at the same time.
const atOnce = 8

// Finder looks at the pods of the nodes from which placeholders went, for the annotations that say who took them. It keeps no pods and
// watches none: most pods of a cluster never take any. It is a Runnable of a controller-runtime manager.
type Finder struct {
	// Live reads the metadata of pods from the API server.
	Live client.Reader
	// Cache reads the metadata of nodes.
	Cache client.Reader
	// Namespaces are those whose pods may be read; empty: all.
	Namespaces []string
	// Ledger says where to look, and is told.
	Ledger *Ledger
	// Clock says when.
	Clock clock.Clock
}

// Start looks until the context ends.
func (f *Finder) Start(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	f.Ledger.SetWake(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	for {
		nodes, again := f.Ledger.Due()
		f.lookAt(ctx, nodes)
		if again == 0 {
			again = time.Hour
		}
		timer := f.Clock.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-wake:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// lookAt looks at nodes, several at a time, and returns when all are done.
func (f *Finder) lookAt(ctx context.Context, nodes []string) {
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for _, node := range nodes {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if err := f.look(ctx, node); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Looking for the pods that took placeholders failed; it is tried again", "node", node)
			}
		})
	}
	running.Wait()
}

func (f *Finder) look(ctx context.Context, node string) error {
	began := f.Clock.Now()
	namespaces := f.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var pods []Bound
	for _, namespace := range namespaces {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		err := f.Live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"spec.nodeName": node})
		if err != nil {
			return err
		}
		for i := range list.Items {
			pods = append(pods, boundOf(ctx, &list.Items[i]))
		}
	}
	gone, err := f.nodeGone(ctx, node)
	if err != nil {
		return err
	}
	f.Ledger.Looked(node, began, pods, gone)
	return nil
}

func (f *Finder) nodeGone(ctx context.Context, name string) (bool, error) {
	node := &corev1.Node{}
	err := f.Cache.Get(ctx, client.ObjectKey{Name: name}, node)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// boundOf reads what a pod says of itself.
func boundOf(ctx context.Context, pod *metav1.PartialObjectMetadata) Bound {
	bound := Bound{Consumer: consumerOf(pod)}
	value, ok := pod.Annotations[v1alpha1.AnnotationTook]
	if !ok {
		return bound
	}
	took, err := swapevent.ParseAnnotation(value)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("An annotation that no scheduler wrote is left alone", "pod", klog.KObj(pod), "err", err)
		return bound
	}
	bound.Took = took
	return bound
}

// consumerOf names a pod and its controller.
func consumerOf(pod metav1.Object) account.Consumer {
	consumer := account.Consumer{
		NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: pod.GetName()}, UID: pod.GetUID(),
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		consumer.Owner = owner.Kind + "/" + owner.Name
	}
	return consumer
}
