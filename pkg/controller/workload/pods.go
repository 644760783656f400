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

// group is how many bound pods have the same labels and requests.
type group struct {
	labels   labels.Set
	requests corev1.ResourceList
	count    int
	// size is the same for groups with the same requests, and key for those with the same labels, too.
	size, key string
	// in are the selections that it belongs to.
	in []*selected
}

// pods counts the bound pods of a namespace. Placeholders are left out by the API server, and pods that are being deleted here. It is
// the store of a reflector. What changes of the pods its selections tell; it tells when it was read, and what is wrong.
type pods struct {
	feed
	namespace string
	client    kubernetes.Interface
	byName    map[string]*group
	groups    map[string]*group
	// selections are those that are kept up to date.
	selections map[*selected]bool
	// streamed are the groups of pods that the API server sends before the first of them is counted; nil afterwards.
	streamed map[string]*group
}

var _ cache.TransformingStore = &pods{}

// counted is what is kept of a pod from its arrival until it is counted, which is when there are most of them.
type counted struct {
	namespace, name, resourceVersion string
	// group has its labels and requests, nil if it does not count.
	group *group
}

var _ metav1.ObjectMetaAccessor = &counted{}

// GetObjectMeta tells a reflector which pod it is.
func (c *counted) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: c.namespace, Name: c.name, ResourceVersion: c.resourceVersion}
}

func newPods(client kubernetes.Interface, namespace string) *pods {
	return &pods{
		feed: newFeed("the pods of namespace " + namespace), namespace: namespace, client: client,
		byName: map[string]*group{}, groups: map[string]*group{}, streamed: map[string]*group{}, selections: map[*selected]bool{},
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

// attach keeps a selection up to date from now on.
func (p *pods) attach(s *selected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.selections[s] = true
	for _, g := range p.groups {
		if s.selector.Matches(g.labels) {
			g.in = append(g.in, s)
			s.count(g, g.count)
		}
	}
}

// detach keeps a selection up to date no more.
func (p *pods) detach(s *selected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.selections, s)
	for _, g := range p.groups {
		g.in = slices.DeleteFunc(g.in, func(each *selected) bool { return each == s })
	}
}

// Add counts a pod that is new.
func (p *pods) Add(object any) error { return p.Update(object) }

// Update counts a pod as it is now.
func (p *pods) Update(object any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pod, err := p.trim(object)
	if err == nil {
		p.put(pod)
	}
	return err
}

// Delete counts a pod no more.
func (p *pods) Delete(object any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pod, err := p.trim(object)
	if err == nil {
		p.remove(pod.name)
	}
	return err
}

// Replace counts these pods and no others.
func (p *pods) Replace(objects []any, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.byName {
		p.remove(name)
	}
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
	if !p.synced {
		p.synced = true
		p.notify()
	}
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
	kept := &counted{namespace: p.namespace, name: strings.Clone(pod.Name), resourceVersion: pod.ResourceVersion}
	if pod.DeletionTimestamp != nil || pod.Spec.NodeName == "" {
		return kept, nil
	}
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{ExcludeOverhead: true})
	if before := p.byName[pod.Name]; before != nil && before.has(pod.Labels, requests) {
		kept.group = before
		return kept, nil
	}
	size := sizeOf(requests)
	key := labels.Set(pod.Labels).String() + ";" + size
	if kept.group = cmp.Or(p.groups[key], p.streamed[key]); kept.group == nil {
		kept.group = &group{labels: pod.Labels, requests: requests, size: size, key: key}
		if p.streamed != nil {
			p.streamed[key] = kept.group
		}
	}
	return kept, nil
}

// put counts a pod. The lock is held.
func (p *pods) put(pod *counted) {
	before := p.byName[pod.name]
	if pod.group != nil && before != nil && before.key == pod.group.key {
		return
	}
	p.remove(pod.name)
	if pod.group == nil {
		return
	}
	g := p.groups[pod.group.key]
	if g == nil {
		g = &group{labels: pod.group.labels, requests: pod.group.requests, size: pod.group.size, key: pod.group.key}
		p.groups[g.key] = g
		for s := range p.selections {
			if s.selector.Matches(g.labels) {
				g.in = append(g.in, s)
			}
		}
	}
	p.byName[pod.name] = g
	g.add(1)
}

// add counts pods of the group, here and in each selection that it belongs to.
func (g *group) add(pods int) {
	g.count += pods
	for _, s := range g.in {
		s.count(g, pods)
	}
}

func (g *group) has(podLabels labels.Set, requests corev1.ResourceList) bool {
	return maps.Equal(g.labels, podLabels) && equality.Semantic.DeepEqual(g.requests, requests)
}

// remove counts a pod no more. The lock is held.
func (p *pods) remove(name string) {
	g := p.byName[name]
	if g == nil {
		return
	}
	delete(p.byName, name)
	if g.add(-1); g.count == 0 {
		delete(p.groups, g.key)
	}
}

// sizeOf is the same for the same requests.
func sizeOf(requests corev1.ResourceList) string {
	parts := make([]string, 0, len(requests))
	for name, quantity := range requests {
		parts = append(parts, string(name)+"="+quantity.String())
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
