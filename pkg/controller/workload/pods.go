package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
)

// boundPods are the pods that are bound to nodes and have not finished. The API server says when one is no more.
const boundPods = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"

// group is how many bound pods have the same labels, and containers with the same requests.
type group struct {
	class    podwire.Class
	labels   labels.Set
	requests corev1.ResourceList
	count    int
	// size is the same for groups with the same requests.
	size string
	// in are the selections that it belongs to.
	in []*selected
}

// PodSource lists and watches the pods of a namespace, as podwire.Client does.
type PodSource interface {
	List(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error)
	Watch(ctx context.Context, namespace string, options metav1.ListOptions) (watch.Interface, error)
}

// pods counts the bound pods of a namespace. Placeholders are left out by the API server, and pods that are being deleted here. It is
// the store of a reflector. What changes of the pods its selections tell; it tells when it was read, and what is wrong.
type pods struct {
	feed
	namespace string
	source    PodSource
	byName    map[string]*group
	groups    map[podwire.Class]*group
	// selections are those that are kept up to date, and unsettled those of them that changed.
	selections map[*selected]bool
	unsettled  unsettled
}

var _ cache.ReflectorStore = &pods{}

func newPods(source PodSource, namespace string) *pods {
	return &pods{
		feed: newFeed("the pods of namespace " + namespace), namespace: namespace, source: source,
		byName: map[string]*group{}, groups: map[podwire.Class]*group{}, selections: map[*selected]bool{}, unsettled: newUnsettled(),
	}
}

func (p *pods) run(ctx context.Context) {
	p.begin()
	source := p.watched(
		func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return p.source.List(ctx, p.namespace, options)
		},
		func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return p.source.Watch(ctx, p.namespace, options)
		},
		func(options *metav1.ListOptions) {
			options.FieldSelector, options.LabelSelector = boundPods, "!"+v1alpha1.LabelHeadroom
		},
	)
	go p.settle(ctx)
	streams := cache.ToListWatcherWithWatchListSemantics(source, p.source)
	options := cache.ReflectorOptions{Name: p.what, TypeDescription: "*v1.Pod"}
	cache.NewReflectorWithOptions(streams, &podwire.Changes{}, p, options).RunWithContext(ctx)
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

// Add counts pods as they are now.
func (p *pods) Add(object any) error { return p.Update(object) }

// Update counts pods as they are now.
func (p *pods) Update(object any) error {
	changes, ok := object.(*podwire.Changes)
	if !ok {
		return p.unknown(object)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, pod := range changes.Pods {
		errs = append(errs, p.put(pod))
	}
	return errors.Join(errs...)
}

// Delete counts pods as they are now: those that are gone are not held.
func (p *pods) Delete(object any) error { return p.Update(object) }

// Replace counts these pods and no others.
func (p *pods) Replace(objects []any, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.byName {
		p.remove(name)
	}
	var errs []error
	for _, object := range objects {
		pod, ok := object.(*podwire.Pod)
		if !ok {
			errs = append(errs, p.unknown(object))
			continue
		}
		errs = append(errs, p.put(pod))
	}
	if !p.synced {
		p.synced = true
		p.notify()
	}
	return errors.Join(errs...)
}

func (p *pods) unknown(object any) error { return fmt.Errorf("%s: got a %T", p.what, object) }

// Resync does nothing: there is nobody to tell again.
func (p *pods) Resync() error { return nil }

// put counts a pod. The lock is held.
func (p *pods) put(pod *podwire.Pod) error {
	before := p.byName[pod.Name]
	if pod.Held && before != nil && before.class == pod.Class {
		return nil
	}
	p.remove(pod.Name)
	if !pod.Held {
		return nil
	}
	g, err := p.groupOf(pod.Class)
	if err != nil {
		return fmt.Errorf("%s: pod %s does not count: %w", p.what, pod.Name, err)
	}
	p.byName[pod.Name] = g
	g.add(1)
	return nil
}

// groupOf is the group of a class, which is new if no pod of it was counted. The lock is held.
func (p *pods) groupOf(class podwire.Class) (*group, error) {
	if g := p.groups[class]; g != nil {
		return g, nil
	}
	pod, err := class.Pod()
	if err != nil {
		return nil, err
	}
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{ExcludeOverhead: true})
	g := &group{class: class, labels: pod.Labels, requests: requests, size: sizeOf(requests)}
	p.groups[class] = g
	for s := range p.selections {
		if s.selector.Matches(g.labels) {
			g.in = append(g.in, s)
		}
	}
	return g, nil
}

// add counts pods of the group, here and in each selection that it belongs to.
func (g *group) add(pods int) {
	g.count += pods
	for _, s := range g.in {
		s.count(g, pods)
	}
}

// remove counts a pod no more. The lock is held.
func (p *pods) remove(name string) {
	g := p.byName[name]
	if g == nil {
		return
	}
	delete(p.byName, name)
	if g.add(-1); g.count == 0 {
		delete(p.groups, g.class)
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
