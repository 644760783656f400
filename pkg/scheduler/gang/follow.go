package gang

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

const (
	plural = "podgroups"
	// firstProbe and lastProbe bound how long it takes to notice that the CustomResourceDefinition was installed.
	firstProbe = 250 * time.Millisecond
	lastProbe  = 30 * time.Second
)

// Listener is told about groups.
type Listener struct {
	// Ready is called once it is known which groups there are, or that there can be none.
	Ready func()
	// Changed is called after each change of one that may let its members be scheduled, Gone once one is deleted.
	Changed, Gone func(types.NamespacedName)
}

// Follow keeps the groups up to date until the context ends, and tells a listener. Where PodGroups are not installed, it asks for them
// twice a minute and does nothing else. Without a configuration for the API server, which only tests lack, the groups are what Set is told.
func (g *Groups) Follow(ctx context.Context, config *rest.Config, listener Listener) error {
	if config == nil {
		g.setReady()
		return nil
	}
	client, err := customresource.NewClient(config, schedulingv1alpha1.SchemeGroupVersion, schedulingv1alpha1.AddToScheme)
	if err != nil {
		return fmt.Errorf("making a client for PodGroups: %w", err)
	}
	go func() {
		select {
		case <-g.ready:
			listener.Ready()
		case <-ctx.Done():
		}
	}()
	go func() {
		for ctx.Err() == nil {
			if g.awaitDefinition(ctx, client); ctx.Err() == nil {
				g.inform(ctx, client, listener)
				g.end()
			}
		}
	}()
	return nil
}

// awaitDefinition returns once PodGroups can be listed.
func (g *Groups) awaitDefinition(ctx context.Context, client *rest.RESTClient) {
	backoff := wait.Backoff{Duration: firstProbe, Factor: 2, Cap: lastProbe, Steps: 1 << 30}
	complaint := ""
	_ = backoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		err := client.Get().Resource(plural).VersionedParams(&metav1.ListOptions{Limit: 1}, metav1.ParameterCodec).Do(ctx).Error()
		switch {
		case apierrors.IsNotFound(err):
			g.setReady()
		case err != nil && ctx.Err() == nil && err.Error() != complaint:
			complaint = err.Error()
			klog.FromContext(ctx).Error(err,
				"PodGroups of scheduler-plugins cannot be read; no pod with their label takes headroom until they can")
		}
		return err == nil, nil
	})
}

// inform runs an informer until the CustomResourceDefinition is gone.
func (g *Groups) inform(ctx context.Context, client *rest.RESTClient, listener Listener) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	set := func(object any) {
		if podGroup, ok := object.(*schedulingv1alpha1.PodGroup); ok {
			if group := GroupOf(podGroup); g.Set(group) {
				listener.Changed(group.Name)
			}
		}
	}
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(client, plural, metav1.NamespaceAll, fields.Everything()), &schedulingv1alpha1.PodGroup{}, 0, nil)
	_ = informer.SetTransform(trim)
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, reflector *cache.Reflector, err error) {
		if apierrors.IsNotFound(err) {
			end()
			return
		}
		cache.DefaultWatchErrorHandler(ctx, reflector, err)
	})
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, updated any) { set(updated) },
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if podGroup, ok := object.(*schedulingv1alpha1.PodGroup); ok {
				name := types.NamespacedName{Namespace: podGroup.Namespace, Name: podGroup.Name}
				g.Delete(name)
				listener.Gone(name)
			}
		},
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "PodGroups cannot be followed")
		return
	}
	go func() {
		select {
		case <-registration.HasSyncedChecker().Done():
			g.begin(client)
		case <-ctx.Done():
		}
	}()
	informer.RunWithContext(ctx)
}

// trim drops what the scheduler does not read.
func trim(object any) (any, error) {
	if podGroup, ok := object.(*schedulingv1alpha1.PodGroup); ok {
		podGroup.ManagedFields, podGroup.Annotations, podGroup.Status = nil, nil, schedulingv1alpha1.PodGroupStatus{}
	}
	return object, nil
}
