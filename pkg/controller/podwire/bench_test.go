package podwire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
)

// ordinary is a pod as a Deployment makes it and a kubelet runs it.
func ordinary() *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web-6d4cf56db6-x7k2p", UID: "0b8a5a5c-6b1c-4a55-9a86-0b7f7c1d3a11", ResourceVersion: "123456789",
		Labels:          map[string]string{"app": "web", "pod-template-hash": "6d4cf56db6", "team": "front"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-6d4cf56db6", Controller: ptr.To(true)}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat("f", 2000))}},
	}}
	pod.Spec.NodeName = "ip-10-0-1-1.region.compute.internal"
	for i := range 2 {
		c := corev1.Container{Name: fmt.Sprint("c", i), Image: "registry.example.com/app:v1", VolumeMounts: make([]corev1.VolumeMount, 3)}
		for j := range 10 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprint("SETTING_", j), Value: "value"})
		}
		c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1Gi")}
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz"}}}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, ImageID: c.Image})
	}
	pod.Spec.Tolerations = make([]corev1.Toleration, 2)
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue})
	}
	return pod
}

// BenchmarkDecode compares what it takes to decode an event of one pod: as it is done here, as a whole, and the metadata alone, which the
// API server has to make first.
func BenchmarkDecode(b *testing.B) {
	whole, err := ordinary().Marshal()
	require.NoError(b, err)
	metadata := &metav1.PartialObjectMetadata{ObjectMeta: ordinary().ObjectMeta}
	metadata.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
	partial, err := metadata.Marshal()
	require.NoError(b, err)
	data := encoded(b, runtime.ContentTypeProtobuf, ordinary())
	event := sent(b, runtime.ContentTypeProtobuf, watch.Modified, ordinary())[4:]
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	require.True(b, ok)
	kept, remembered := &frames{}, &memory{}
	for _, of := range []struct {
		name   string
		data   []byte
		decode func() error
	}{
		{"Kept", event, func() error { _, err := kept.open(event); return err }},
		{"Whole", data, func() error { _, err := runtime.Decode(info.Serializer, data); return err }},
		{"BareKept", whole, func() error { _, err := remembered.read(whole); return err }},
		{"BareWhole", whole, func() error { return (&corev1.Pod{}).Unmarshal(whole) }},
		{"BareMetadata", partial, func() error { return (&metav1.PartialObjectMetadata{}).Unmarshal(partial) }},
	} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(of.data)))
			for b.Loop() {
				if err := of.decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
