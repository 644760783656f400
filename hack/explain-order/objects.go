package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// objects are what the files hold, as far as the order asks about it.
type objects struct {
	decoder    runtime.Decoder
	pods       []*corev1.Pod
	nodes      []*corev1.Node
	headrooms  map[types.NamespacedName]*v1alpha1.Headroom
	namespaces map[string]*corev1.Namespace
	daemonSets map[types.UID]*appsv1.DaemonSet
}

func newObjects() *objects {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(appsv1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return &objects{
		decoder:    serializer.NewCodecFactory(scheme).UniversalDeserializer(),
		headrooms:  map[types.NamespacedName]*v1alpha1.Headroom{},
		namespaces: map[string]*corev1.Namespace{},
		daemonSets: map[types.UID]*appsv1.DaemonSet{},
	}
}

func (o *objects) readFile(name string, in io.Reader) error {
	if name == "-" {
		return o.read(in)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return o.read(file)
}

func (o *objects) read(in io.Reader) error {
	documents := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for {
		var raw runtime.RawExtension
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := o.add(raw.Raw); err != nil {
			return err
		}
	}
}

func (o *objects) add(data []byte) error {
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	decoded, kind, err := o.decoder.Decode(data, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch object := decoded.(type) {
	case *corev1.List:
		for _, item := range object.Items {
			if err := o.add(item.Raw); err != nil {
				return err
			}
		}
	case *corev1.Pod:
		if object.Name == "" {
			return fmt.Errorf("a %s has no metadata.name", kind.Kind)
		}
		if object.Namespace == "" {
			object.Namespace = corev1.NamespaceDefault
		}
		o.pods = append(o.pods, object)
	case *corev1.Node:
		o.nodes = append(o.nodes, object)
	case *corev1.Namespace:
		o.namespaces[object.Name] = object
	case *appsv1.DaemonSet:
		o.daemonSets[object.UID] = object
	case *v1alpha1.Headroom:
		if object.Namespace == "" {
			object.Namespace = corev1.NamespaceDefault
		}
		o.headrooms[types.NamespacedName{Namespace: object.Namespace, Name: object.Name}] = object
	}
	return nil
}

// pod returns the pod of a NAMESPACE/NAME, nil for none.
func (o *objects) pod(name string) (*corev1.Pod, error) {
	if name == "" {
		return nil, nil
	}
	want := name
	if !strings.Contains(name, "/") {
		want = corev1.NamespaceDefault + "/" + name
	}
	for _, pod := range o.pods {
		if pod.Namespace+"/"+pod.Name == want {
			return pod, nil
		}
	}
	return nil, fmt.Errorf("pod %s is not in the files: name the consumer as NAMESPACE/NAME and include it", want)
}
