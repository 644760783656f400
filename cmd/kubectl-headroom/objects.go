package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
)

// objects are what the order among placeholders depends on, and where they are from.
type objects struct {
	explain.Objects
	// where the objects are from, and what to do when the consumer is not among them.
	where, remedy string
	// taken is when the cluster was asked, the zero time for files.
	taken time.Time

	// accounts of the Headrooms, where files have them.
	accounts []*v1alpha1.HeadroomAccount
	// priorityClasses give pods that do not exist yet their priority.
	priorityClasses []*schedulingv1.PriorityClass
	// templates are pods as workloads would make them, those without a namespace of their own being in defaulted, pods too.
	templates []*corev1.Pod
	defaulted map[*corev1.Pod]bool
}

// age says how old the objects are, as the end of "the cluster is".
func (o *objects) age() string {
	if o.taken.IsZero() {
		return "as in the files, of which is not known how old they are"
	}
	return "as it was at " + o.taken.Format(time.RFC3339)
}

// newScheme knows the kinds that are read; others are left out.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(appsv1.AddToScheme(scheme))
	utilruntime.Must(batchv1.AddToScheme(scheme))
	utilruntime.Must(schedulingv1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// fileReader reads objects from YAML or JSON.
type fileReader struct {
	decoder runtime.Decoder
	found   *objects
}

// readFiles reads files, of which "-" is in.
func readFiles(names []string, in io.Reader) (*objects, error) {
	r := &fileReader{decoder: serializer.NewCodecFactory(newScheme()).UniversalDeserializer(), found: &objects{
		where: "the files", remedy: "name the consumer as NAMESPACE/NAME and include it", defaulted: map[*corev1.Pod]bool{},
	}}
	for _, name := range names {
		if err := r.readFile(name, in); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return r.found, nil
}

func (r *fileReader) readFile(name string, in io.Reader) error {
	if name == "-" {
		return r.read(in)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return r.read(file)
}

func (r *fileReader) read(in io.Reader) error {
	documents := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for {
		var raw runtime.RawExtension
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := r.add(raw.Raw); err != nil {
			return err
		}
	}
}

func (r *fileReader) add(data []byte) error {
	if len(data) == 0 { // nothing is left of a document that says null
		return nil
	}
	decoded, kind, err := r.decoder.Decode(data, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch object := decoded.(type) {
	case *corev1.List:
		for _, item := range object.Items {
			if err := r.add(item.Raw); err != nil {
				return err
			}
		}
	case *corev1.Pod:
		if object.Name == "" {
			return fmt.Errorf("a %s has no metadata.name", kind.Kind)
		}
		r.found.defaulted[object] = object.Namespace == ""
		object.Namespace = cmp.Or(object.Namespace, corev1.NamespaceDefault)
		r.found.Pods = append(r.found.Pods, object)
	case *corev1.Node:
		r.found.Nodes = append(r.found.Nodes, object)
	case *corev1.Namespace:
		r.found.Namespaces = append(r.found.Namespaces, object)
	case *appsv1.DaemonSet:
		r.found.DaemonSets = append(r.found.DaemonSets, object)
	case *v1alpha1.Headroom:
		object.Namespace = cmp.Or(object.Namespace, corev1.NamespaceDefault)
		r.found.Headrooms = append(r.found.Headrooms, object)
	case *v1alpha1.HeadroomAccount:
		object.Namespace = cmp.Or(object.Namespace, corev1.NamespaceDefault)
		r.found.accounts = append(r.found.accounts, object)
	case *schedulingv1.PriorityClass:
		r.found.priorityClasses = append(r.found.priorityClasses, object)
	case *appsv1.Deployment:
		r.found.addTemplate(&object.ObjectMeta, &object.Spec.Template)
	case *appsv1.ReplicaSet:
		r.found.addTemplate(&object.ObjectMeta, &object.Spec.Template)
	case *appsv1.StatefulSet:
		r.found.addTemplate(&object.ObjectMeta, &object.Spec.Template)
	case *batchv1.Job:
		r.found.addTemplate(&object.ObjectMeta, &object.Spec.Template)
	}
	return nil
}

// addTemplate adds a pod as a workload would make it.
func (o *objects) addTemplate(of *metav1.ObjectMeta, template *corev1.PodTemplateSpec) {
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Name, pod.Namespace = of.Name+"-...", cmp.Or(of.Namespace, corev1.NamespaceDefault)
	o.templates = append(o.templates, pod)
	o.defaulted[pod] = of.Namespace == ""
}

// pod returns the pod NAMESPACE/NAME, or NAME in the namespace that is given.
func (o *objects) pod(name, namespace string) (*corev1.Pod, error) {
	want := name
	if !strings.Contains(name, "/") {
		want = namespace + "/" + name
	}
	for _, pod := range o.Pods {
		if pod.Namespace+"/"+pod.Name == want {
			return pod, nil
		}
	}
	return nil, notFound("pod %s is not in %s: %s", want, o.where, o.remedy)
}
