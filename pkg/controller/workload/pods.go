package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// boundPods are the pods that are bound to nodes and have not finished. The API server says when one is no more.
const boundPods = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"

// Group is how many bound pods have the same labels and requests.
type Group struct {
	// Labels of each pod.
	Labels labels.Set
	// Requests of each pod, without the overhead of its RuntimeClass.
	Requests corev1.ResourceList
	// Count is how many there are.
	Count int

	key string
}

// pods counts the bound pods of a namespace. Placeholders are left out by the API server, and pods that are being deleted here. It is
// the store of a reflector.
type pods struct {
	feed
	namespace string
	client    kubernetes.Interface
	byName    map[string]*Group
	groups    map[string]*Group
	// streamed are the groups of pods that the API server sends before the first of them is counted; nil afterwards.
	streamed map[string]*Group
}

var _ cache.TransformingStore = &pods{}

// counted is what is kept of a pod from its arrival until it is counted.
type counted struct {
	metav1.ObjectMeta
	// group has its labels and requests, nil if it does not count.
	group *Group
}

func newPods(client kubernetes.Interface, namespace string) *pods {
	return &pods{
		feed: newFeed("the pods of namespace " + namespace), namespace: namespace, client: client,
		byName: map[string]*Group{}, groups: map[string]*Group{}, streamed: map[string]*Group{},
	}
}

func (p *pods) run(ctx context.Context) {
	client := p.client.CoreV1().Pods(p.namespace)
	source := p.watched(
		func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, options)
		},
		func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, options)
		},
		func(options *metav1.ListOptions) {
			options.FieldSelector, options.LabelSelector = boundPods, "!"+v1alpha1.LabelHeadroom
		},
	)
	streams := cache.ToListWatcherWithWatchListSemantics(source, p.client)
	cache.NewReflectorWithOptions(streams, &corev1.Pod{}, p, cache.ReflectorOptions{Name: p.what}).RunWithContext(ctx)
}

// selected are the groups that a selector matches.
func (p *pods) selected(selector labels.Selector) ([]Group, *Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if problem := p.state(); problem != nil {
		return nil, problem
	}
	var groups []Group
	for _, group := range p.groups {
		if selector.Matches(group.Labels) {
			groups = append(groups, *group)
		}
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.key, b.key) })
	return groups, nil
}

// Add counts a pod that is new.
func (p *pods) Add(object any) error { return p.Update(object) }

// Update counts a pod as it is now.
func (p *pods) Update(object any) error {
	p.mu.Lock()
	pod, err := p.trim(object)
	changed := err == nil && p.put(pod)
	p.mu.Unlock()
	if changed {
		p.notify()
	}
	return err
}

// Delete counts a pod no more.
func (p *pods) Delete(object any) error {
	p.mu.Lock()
	pod, err := p.trim(object)
	changed := err == nil && p.remove(pod.Name)
	p.mu.Unlock()
	if changed {
		p.notify()
	}
	return err
}

// Replace counts these pods and no others.
func (p *pods) Replace(objects []any, _ string) error {
	p.mu.Lock()
	p.byName, p.groups, p.synced = map[string]*Group{}, map[string]*Group{}, true
	var errs []error
	for _, object := range objects {
		pod, err := p.trim(object)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.put(pod)
	}
	p.streamed = nil
	p.mu.Unlock()
	p.notify()
	return errors.Join(errs...)
}

// Resync does nothing: there is nobody to tell again.
func (p *pods) Resync() error { return nil }

// Transformer has the reflector keep of the pods that come first no more than what is counted.
func (p *pods) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.trim(object)
	}
}

// trim keeps of a pod what is counted. Pods of one group share their labels and requests. The lock is held.
func (p *pods) trim(object any) (*counted, error) {
	if pod, ok := object.(*counted); ok {
		return pod, nil
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("%s: got a %T", p.what, object)
	}
	kept := &counted{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: strings.Clone(pod.Name), ResourceVersion: pod.ResourceVersion}}
	if pod.DeletionTimestamp != nil || pod.Spec.NodeName == "" {
		return kept, nil
	}
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{ExcludeOverhead: true})
	if before := p.byName[pod.Name]; before != nil && before.has(pod.Labels, requests) {
		kept.group = before
		return kept, nil
	}
	key := groupKey(pod.Labels, requests)
	if kept.group = cmp.Or(p.groups[key], p.streamed[key]); kept.group == nil {
		kept.group = &Group{Labels: pod.Labels, Requests: requests, key: key}
		if p.streamed != nil {
			p.streamed[key] = kept.group
		}
	}
	return kept, nil
}

// put counts a pod, and reports whether that changed anything. The lock is held.
func (p *pods) put(pod *counted) bool {
	before := p.byName[pod.Name]
	if pod.group != nil && before != nil && before.key == pod.group.key {
		return false
	}
	changed := p.remove(pod.Name)
	if pod.group == nil {
		return changed
	}
	group := p.groups[pod.group.key]
	if group == nil {
		group = &Group{Labels: pod.group.Labels, Requests: pod.group.Requests, key: pod.group.key}
		p.groups[group.key] = group
	}
	group.Count++
	p.byName[pod.Name] = group
	return true
}

func (g *Group) has(podLabels labels.Set, requests corev1.ResourceList) bool {
	return maps.Equal(g.Labels, podLabels) && equality.Semantic.DeepEqual(g.Requests, requests)
}

// remove counts a pod no more, and reports whether it was counted. The lock is held.
func (p *pods) remove(name string) bool {
	group := p.byName[name]
	if group == nil {
		return false
	}
	delete(p.byName, name)
	if group.Count--; group.Count == 0 {
		delete(p.groups, group.key)
	}
	return true
}

// groupKey is the same for pods with the same labels and requests.
func groupKey(podLabels labels.Set, requests corev1.ResourceList) string {
	parts := make([]string, 0, len(requests)+1)
	for name, quantity := range requests {
		parts = append(parts, string(name)+"="+quantity.String())
	}
	slices.Sort(parts)
	return podLabels.String() + ";" + strings.Join(parts, ",")
}
