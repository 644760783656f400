package workload

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// again is after how long a kind that is not known is looked for again, and a scale subresource that could not be read.
const again = 30 * time.Second

// Ref names a workload.
type Ref struct {
	Namespace, APIVersion, Kind, Name string
}

// String is for example "Deployment web".
func (r Ref) String() string { return r.Kind + " " + r.Name }

func (r Ref) group() string {
	version, err := schema.ParseGroupVersion(r.APIVersion)
	if err != nil {
		return r.APIVersion
	}
	return version.Group
}

// Target is what counts of a workload.
type Target struct {
	// Selector selects its pods; nil if it has none of its own.
	Selector labels.Selector
	// Newest selects those of its newest revision; nil if it has none of its own.
	Newest labels.Selector
	// Replicas is how many it is to have.
	Replicas int
	// Template is what size and placement of its pods depend on; nil if it has none that is known.
	Template *corev1.PodSpec
	// Rolls says that it is replacing its pods by those of a newer template.
	Rolls bool
}

// equal reports whether two say the same.
func (t *Target) equal(other *Target) bool {
	return t.Replicas == other.Replicas && t.Rolls == other.Rolls && textOf(t.Selector) == textOf(other.Selector) &&
		textOf(t.Newest) == textOf(other.Newest) && equality.Semantic.DeepEqual(t.Template, other.Template)
}

func textOf(selector labels.Selector) string {
	if selector == nil {
		return "none"
	}
	return selector.String()
}

// target follows one workload. It is the store of a reflector.
type target struct {
	feed
	ref     Ref
	mapper  meta.RESTMapper
	dynamic dynamic.Interface
	// found is what the workload says, nil if there is none.
	found *Target
	// template is that of an object whose pods the scale subresource knows.
	template *corev1.PodSpec
	// scale says that the scale subresource has to be read, because the object itself does not say what counts.
	scale chan struct{}
}

var _ cache.ReflectorStore = &target{}

func newTarget(client dynamic.Interface, mapper meta.RESTMapper, ref Ref) *target {
	return &target{
		feed: newFeed(fmt.Sprintf("%s in namespace %s", ref, ref.Namespace)), ref: ref, mapper: mapper, dynamic: client,
		scale: make(chan struct{}, 1),
	}
}

func (t *target) run(ctx context.Context) {
	t.begin()
	for ctx.Err() == nil {
		mapping, problem := t.mapping()
		if problem == nil {
			t.follow(ctx, mapping)
			return
		}
		t.fail(problem)
		wait(ctx, again)
	}
}

// mapping finds the resource of the workload's kind.
func (t *target) mapping() (*meta.RESTMapping, *Problem) {
	version, err := schema.ParseGroupVersion(t.ref.APIVersion)
	if err != nil {
		return nil, &Problem{v1alpha1.ReasonUnknownKind, fmt.Sprintf("%s has no valid apiVersion: %v", t.what, err)}
	}
	mapping, err := t.mapper.RESTMapping(schema.GroupKind{Group: version.Group, Kind: t.ref.Kind}, version.Version)
	if err != nil {
		return nil, problemOf(t.what, err)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return nil, &Problem{v1alpha1.ReasonUnknownKind, fmt.Sprintf("%s is of a kind that is in no namespace, and so no workload", t.ref)}
	}
	return mapping, nil
}

// follow watches the one object until the context ends.
func (t *target) follow(ctx context.Context, mapping *meta.RESTMapping) {
	client := t.dynamic.Resource(mapping.Resource).Namespace(t.ref.Namespace)
	if readers[mapping.GroupVersionKind.GroupKind()] == nil {
		go t.readScales(ctx, client)
	}
	byName := fields.OneTermEqualSelector("metadata.name", t.ref.Name).String()
	source := t.watched(
		func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, options)
		},
		client.Watch,
		func(options *metav1.ListOptions) { options.FieldSelector = byName },
	)
	kind := &unstructured.Unstructured{}
	kind.SetGroupVersionKind(mapping.GroupVersionKind)
	streams := cache.ToListWatcherWithWatchListSemantics(source, t.dynamic)
	cache.NewReflectorWithOptions(streams, kind, t, cache.ReflectorOptions{Name: t.what}).RunWithContext(ctx)
}

// readScales reads the scale subresource whenever the object changed, at most once a second.
func (t *target) readScales(ctx context.Context, client dynamic.ResourceInterface) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.scale:
		}
		object, err := client.Get(ctx, t.ref.Name, metav1.GetOptions{}, "scale")
		if ctx.Err() != nil {
			return
		}
		found, problem := t.ofScale(object, err)
		if problem == nil {
			t.set(found)
		}
		t.fail(problem)
		if problem == nil {
			wait(ctx, calm)
			continue
		}
		wait(ctx, again)
		t.readScale()
	}
}

func (t *target) readScale() {
	select {
	case t.scale <- struct{}{}:
	default:
	}
}

// ofScale reads what counts from a scale subresource; nil if the object is gone.
func (t *target) ofScale(object *unstructured.Unstructured, err error) (*Target, *Problem) {
	if apierrors.IsNotFound(err) && strings.Contains(err.Error(), fmt.Sprintf("%q not found", t.ref.Name)) {
		return nil, nil
	}
	if err != nil {
		problem := problemOf("the scale subresource of "+t.what, err)
		if problem.Reason == v1alpha1.ReasonUnknownKind {
			problem.Message = fmt.Sprintf("%s has no scale subresource, which says how many pods there are and which: %v", t.ref, err)
		}
		return nil, problem
	}
	// Both may be absent, and a wrong type counts as that.
	replicas, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	text, _, _ := unstructured.NestedString(object.Object, "status", "selector")
	selector, err := labels.Parse(text)
	if err != nil || selector.Empty() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.template != nil { // which is all that a shape needs
			return &Target{Replicas: int(replicas), Template: t.template}, nil
		}
		return nil, &Problem{v1alpha1.ReasonInvalidRule, fmt.Sprintf(
			"the scale subresource of %s has no selector of pods, and there is no template at spec.template; name pods by percentOf.pods", t.ref)}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return &Target{Selector: selector, Newest: selector, Replicas: int(replicas), Template: t.template}, nil
}

// get is what the workload says.
func (t *target) get() (Target, *Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if problem := t.state(); problem != nil {
		return Target{}, problem
	}
	if t.found == nil {
		return Target{}, &Problem{v1alpha1.ReasonTargetNotFound, fmt.Sprintf("there is no %s in namespace %s", t.ref, t.ref.Namespace)}
	}
	return *t.found, nil
}

// set keeps what the workload says, nil if it is gone.
func (t *target) set(found *Target) {
	t.mu.Lock()
	same := t.synced && (t.found == nil) == (found == nil) && (found == nil || t.found.equal(found))
	t.found, t.synced = found, true
	t.mu.Unlock()
	if !same {
		t.notify()
	}
}

// Add keeps it when it comes.
func (t *target) Add(object any) error { return t.Update(object) }

// Update keeps it as it is now.
func (t *target) Update(object any) error {
	seen, ok := object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("%s: got a %T", t.what, object)
	}
	read := readers[schema.GroupKind{Group: t.ref.group(), Kind: t.ref.Kind}]
	if read == nil {
		t.mu.Lock()
		t.template = templateOf(seen)
		t.mu.Unlock()
		t.readScale()
		return nil
	}
	found, err := read(seen.Object)
	if err != nil {
		t.fail(&Problem{v1alpha1.ReasonInvalidRule, fmt.Sprintf("%s cannot be read: %v", t.ref, err)})
		return nil
	}
	t.set(found)
	return nil
}

// Delete notes that it is gone.
func (t *target) Delete(any) error {
	t.set(nil)
	return nil
}

// Replace keeps what was listed, which is one object or none.
func (t *target) Replace(objects []any, _ string) error {
	if len(objects) == 0 {
		return t.Delete(nil)
	}
	return t.Update(objects[0])
}

// Resync does nothing: there is nobody to tell again.
func (t *target) Resync() error { return nil }

// wait returns when the time is over, or the context.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
