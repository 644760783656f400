package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

const (
	resource = "headrooms"
	// firstProbe and lastProbe bound how long it takes to notice that the CustomResourceDefinition was installed.
	firstProbe = 250 * time.Millisecond
	lastProbe  = 2 * time.Second
)

// Follow keeps the catalog up to date until the context ends, and calls changed after each change of a Headroom, and with no name
// when there can be none any more. Without a configuration for the API server, which only tests lack, it holds what Set is told.
func (c *Catalog) Follow(ctx context.Context, config *rest.Config, changed func(types.NamespacedName)) error {
	if config == nil {
		c.setReady()
		return nil
	}
	client, err := customresource.NewClient(config, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	if err != nil {
		return fmt.Errorf("making a client for Headrooms: %w", err)
	}
	go c.follow(ctx, client, changed)
	return nil
}

// follow waits for the CustomResourceDefinition, runs an informer until it is gone, and waits again.
func (c *Catalog) follow(ctx context.Context, client *rest.RESTClient, changed func(types.NamespacedName)) {
	for ctx.Err() == nil {
		if c.awaitDefinition(ctx, client, changed); ctx.Err() == nil {
			c.inform(ctx, client, changed)
		}
		if ctx.Err() == nil {
			c.forgetAll()
		}
	}
}

// awaitDefinition returns once Headrooms can be listed.
func (c *Catalog) awaitDefinition(ctx context.Context, client *rest.RESTClient, changed func(types.NamespacedName)) {
	logger := klog.FromContext(ctx)
	backoff := wait.Backoff{Duration: firstProbe, Factor: 2, Cap: lastProbe, Steps: 1 << 30}
	said, complaint := false, ""
	_ = backoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		err := client.Get().Resource(resource).VersionedParams(&metav1.ListOptions{Limit: 1}, metav1.ParameterCodec).Do(ctx).Error()
		switch {
		case err == nil:
			c.setCRDAbsent(false)
			return true, nil
		case apierrors.IsNotFound(err):
			if !said {
				c.setCRDAbsent(true)
				c.setReady()
				changed(types.NamespacedName{})
				logger.Info("No headroom is taken until the CustomResourceDefinition is installed; all pods are scheduled as by kube-scheduler",
					"definition", "headrooms.headroom.dev")
				said = true
			}
		case ctx.Err() == nil && err.Error() != complaint:
			complaint = err.Error()
			logger.Error(err, "Headrooms cannot be read; no placeholder is taken until they can")
		}
		return false, nil
	})
}

// inform runs an informer until the CustomResourceDefinition is gone.
func (c *Catalog) inform(ctx context.Context, client *rest.RESTClient, changed func(types.NamespacedName)) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	logger := klog.FromContext(ctx)
	set := func(obj any) {
		headroom, ok := obj.(*v1alpha1.Headroom)
		if !ok {
			return
		}
		if err := c.Set(headroom); err != nil {
			logger.Error(err, "A Headroom entitles no pod", "headroom", klog.KObj(headroom))
		}
		changed(types.NamespacedName{Namespace: headroom.Namespace, Name: headroom.Name})
	}
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(client, resource, metav1.NamespaceAll, fields.Everything()), &v1alpha1.Headroom{}, 0, nil)
	_ = informer.SetTransform(trim)
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, reflector *cache.Reflector, err error) {
		if apierrors.IsNotFound(err) {
			gone()
			return
		}
		cache.DefaultWatchErrorHandler(ctx, reflector, err)
	})
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: set,
		UpdateFunc: func(old, updated any) {
			// Status changes with every placeholder; only the spec is of interest here, and over what units of spec.shapeFrom are spread.
			if before, ok := old.(*v1alpha1.Headroom); ok {
				if after, ok := updated.(*v1alpha1.Headroom); ok && before.Generation == after.Generation && after.Generation != 0 &&
					before.UID == after.UID && slices.Equal(spreadKeys(before), spreadKeys(after)) {
					return
				}
			}
			set(updated)
		},
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			if headroom, ok := obj.(*v1alpha1.Headroom); ok {
				name := types.NamespacedName{Namespace: headroom.Namespace, Name: headroom.Name}
				c.Delete(name)
				changed(name)
			}
		},
	})
	if err != nil {
		logger.Error(err, "Headrooms cannot be followed")
		return
	}
	go func() {
		select {
		case <-registration.HasSyncedChecker().Done():
			c.setReady()
		case <-ctx.Done():
		}
	}()
	informer.RunWithContext(ctx)
}

// trim drops what the scheduler does not read.
func trim(obj any) (any, error) {
	if headroom, ok := obj.(*v1alpha1.Headroom); ok {
		headroom.ManagedFields = nil
		headroom.Annotations = nil
		var shape *v1alpha1.ShapeStatus
		if headroom.Status.Shape != nil {
			shape = &v1alpha1.ShapeStatus{TopologySpreadConstraints: headroom.Status.Shape.TopologySpreadConstraints}
		}
		headroom.Status = v1alpha1.HeadroomStatus{Shape: shape}
	}
	return obj, nil
}
