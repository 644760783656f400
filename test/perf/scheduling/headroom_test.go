package scheduling

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	crdFile           = "../../../manifests/crd/headroom.dev_headrooms.yaml"
	crdTimeout        = 30 * time.Second
	headroomNamespace = "headroom-0"
	headroomName      = "bench"
	// maxReplicas is the most that a Headroom can ask for. What the scheduler knows of a Headroom does not include how many units it
	// wants, so that a workload may have more placeholders.
	maxReplicas = 10000
)

// installHeadroom prepares a cluster whose workload has placeholders: it installs the resource definition, creates the Headroom
// of the placeholders and fills its UID into their template. The garbage collector deletes placeholders whose owner it cannot
// find. scheduler_perf's own createAny cannot create an object whose definition is this new.
//
// The scheduler runs already: the plugin looks for the definition every two seconds at the most, and each scenario settles for
// five or more before it creates consumers. One that came sooner would find placeholders of a Headroom that is not known yet.
func installHeadroom(ctx context.Context, client dynamic.Interface, crd []byte, w *perf.Workload) error {
	placeholders, err := w.GetParam("placeholders")
	if err != nil {
		return nil //nolint:nilerr // a workload without this parameter is one without headroom
	}
	perNode, err := w.GetParam("perNode")
	if err != nil {
		return fmt.Errorf("reading the workload's parameters: %w", err)
	}
	if err := createDefinition(ctx, client, crd); err != nil {
		return err
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetName(headroomNamespace)
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	namespaces := client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	if _, err := namespaces.Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the namespace of the placeholders: %w", err)
	}
	owner, err := createHeadroom(ctx, client, placeholders, perNode)
	if err != nil {
		return err
	}
	return fillInOwner(string(owner.GetUID()))
}

func createDefinition(ctx context.Context, client dynamic.Interface, crd []byte) error {
	definition := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(crd, &definition.Object); err != nil {
		return fmt.Errorf("parsing the definition of Headroom: %w", err)
	}
	definitions := client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the definition of Headroom: %w", err)
	}
	return nil
}

// createHeadroom creates the Headroom that the placeholders stand for. The API server takes a moment to serve a new definition.
func createHeadroom(ctx context.Context, client dynamic.Interface, replicas, perNode int) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.Headroom{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom},
		ObjectMeta: metav1.ObjectMeta{Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To(int32(min(replicas, maxReplicas))),
			Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(int64(1000/perNode), resource.DecimalSI)},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: headroomName}},
			}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("converting the Headroom: %w", err)
	}
	delete(content, "status")
	headrooms := client.Resource(v1alpha1.GroupVersion.WithResource("headrooms")).Namespace(headroomNamespace)
	var created *unstructured.Unstructured
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, crdTimeout, true, func(ctx context.Context) (bool, error) {
		created, last = headrooms.Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
		return last == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("creating the Headroom of the placeholders: %w (last error: %w)", err, last)
	}
	return created, nil
}

// fillInOwner writes the template of the placeholders with the UID of the Headroom that owns them.
func fillInOwner(uid string) error {
	template, err := os.ReadFile("templates/placeholder.yaml.tmpl")
	if err != nil {
		return fmt.Errorf("reading the template of the placeholders: %w", err)
	}
	filled := strings.ReplaceAll(string(template), "HEADROOM_UID", uid)
	if err := os.WriteFile("templates/placeholder.yaml", []byte(filled), 0o600); err != nil {
		return fmt.Errorf("writing the template of the placeholders: %w", err)
	}
	return nil
}
