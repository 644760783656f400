package podwire

import (
	"fmt"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Pod is what is kept of a pod.
type Pod struct {
	// Namespace and Name name it.
	Namespace, Name string
	// Held reports whether it is bound to a node and is not being deleted. One that is gone is not.
	Held bool
	// Class is what it has in common with others. It is empty unless the pod is held.
	Class Class
}

var _ runtime.Object = &Pod{}

// Of keeps what counts of a pod that was decoded.
func Of(pod *corev1.Pod) (*Pod, error) {
	wire, err := pod.Marshal()
	if err != nil {
		return nil, fmt.Errorf("keeping what counts of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return Read(wire)
}

// GetObjectKind says nothing: there are only pods.
func (p *Pod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject copies it.
func (p *Pod) DeepCopyObject() runtime.Object {
	copied := *p
	return &copied
}

// Changes are pods that changed, each as it is since then, in the order in which they did. They are the objects of a watch's events.
type Changes struct {
	// Pods are those pods. A pod that changed several times is there several times.
	Pods []*Pod
	// ResourceVersion is that of the last change, or a later one until which there was none.
	ResourceVersion string
}

var (
	_ runtime.Object            = &Changes{}
	_ metav1.ObjectMetaAccessor = &Changes{}
)

// GetObjectMeta tells a reflector up to where it knows all changes.
func (c *Changes) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{ResourceVersion: c.ResourceVersion}
}

// GetObjectKind says nothing: there are only pods.
func (c *Changes) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject copies it.
func (c *Changes) DeepCopyObject() runtime.Object {
	return &Changes{Pods: copies(c.Pods), ResourceVersion: c.ResourceVersion}
}

func copies(pods []*Pod) []*Pod {
	var copied []*Pod
	for _, pod := range pods {
		one := *pod
		copied = append(copied, &one)
	}
	return copied
}

// Class is what pods have in common that have the same labels, and containers with the same requests. It can be compared, and be the
// key of a map. Pods of two classes may be alike: the API server may send the same in two ways.
type Class struct {
	// wire is a pod with these fields alone.
	wire unique.Handle[string]
}

// Pod is a pod of the class, with nothing but its labels, and what containers and the pod itself request.
func (c Class) Pod() (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if c == (Class{}) {
		return pod, nil
	}
	if err := pod.Unmarshal([]byte(c.wire.Value())); err != nil {
		return nil, fmt.Errorf("decoding labels and requests of a pod: %w", err)
	}
	return pod, nil
}
