package workload

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Autoscaler is what counts of a HorizontalPodAutoscaler.
type Autoscaler struct {
	// Name is that of the object.
	Name string
	// MaxReplicas is the largest number of replicas that it sets.
	MaxReplicas int

	group, kind, target string
}

// autoscalers are the HorizontalPodAutoscalers of a namespace. It is the store of a reflector.
type autoscalers struct {
	feed
	namespace string
	client    kubernetes.Interface
	byName    map[string]Autoscaler
}

var _ cache.ReflectorStore = &autoscalers{}

func newAutoscalers(client kubernetes.Interface, namespace string) *autoscalers {
	return &autoscalers{
		feed: newFeed("the HorizontalPodAutoscalers of namespace " + namespace), namespace: namespace, client: client,
		byName: map[string]Autoscaler{},
	}
}

func (a *autoscalers) run(ctx context.Context) {
	a.begin()
	client := a.client.AutoscalingV2().HorizontalPodAutoscalers(a.namespace)
	source := a.watched(
		func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, options)
		},
		func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, options)
		},
		func(*metav1.ListOptions) {},
	)
	kind := &autoscalingv2.HorizontalPodAutoscaler{}
	streams := cache.ToListWatcherWithWatchListSemantics(source, a.client)
	cache.NewReflectorWithOptions(streams, kind, a, cache.ReflectorOptions{Name: a.what}).RunWithContext(ctx)
}

// of is the one that scales a workload; of several that do, the one that allows most.
func (a *autoscalers) of(ref Ref) (Autoscaler, *Problem) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if problem := a.state(); problem != nil {
		return Autoscaler{}, problem
	}
	var found *Autoscaler
	for _, each := range a.byName {
		if each.group != ref.group() || each.kind != ref.Kind || each.target != ref.Name {
			continue
		}
		if found == nil || each.MaxReplicas > found.MaxReplicas || each.MaxReplicas == found.MaxReplicas && each.Name < found.Name {
			found = &each
		}
	}
	if found == nil {
		return Autoscaler{}, &Problem{v1alpha1.ReasonNoAutoscaler, fmt.Sprintf("no HorizontalPodAutoscaler has %s as scaleTargetRef", ref)}
	}
	if found.MaxReplicas <= 0 {
		return Autoscaler{}, &Problem{v1alpha1.ReasonInvalidRule, fmt.Sprintf("HorizontalPodAutoscaler %s has no maxReplicas", found.Name)}
	}
	return *found, nil
}

// Add keeps one that is new.
func (a *autoscalers) Add(object any) error { return a.Update(object) }

// Update keeps one as it is now.
func (a *autoscalers) Update(object any) error {
	hpa, ok := object.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return fmt.Errorf("%s: got a %T", a.what, object)
	}
	a.mu.Lock()
	next := autoscalerOf(hpa)
	changed := a.byName[hpa.Name] != next
	a.byName[hpa.Name] = next
	a.mu.Unlock()
	if changed { // not at each change of its status
		a.notify()
	}
	return nil
}

// Delete forgets one.
func (a *autoscalers) Delete(object any) error {
	hpa, ok := object.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return fmt.Errorf("%s: got a %T", a.what, object)
	}
	a.mu.Lock()
	delete(a.byName, hpa.Name)
	a.mu.Unlock()
	a.notify()
	return nil
}

// Replace keeps these and no others.
func (a *autoscalers) Replace(objects []any, _ string) error {
	a.mu.Lock()
	a.byName, a.synced = map[string]Autoscaler{}, true
	for _, object := range objects {
		if hpa, ok := object.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			a.byName[hpa.Name] = autoscalerOf(hpa)
		}
	}
	a.mu.Unlock()
	a.notify()
	return nil
}

// Resync does nothing: there is nobody to tell again.
func (a *autoscalers) Resync() error { return nil }

func autoscalerOf(hpa *autoscalingv2.HorizontalPodAutoscaler) Autoscaler {
	target := hpa.Spec.ScaleTargetRef
	version, err := schema.ParseGroupVersion(target.APIVersion)
	if err != nil {
		version.Group = target.APIVersion // no workload has such a group
	}
	return Autoscaler{
		Name: hpa.Name, MaxReplicas: int(hpa.Spec.MaxReplicas), group: version.Group, kind: target.Kind, target: target.Name,
	}
}
