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

// wanted is a Headroom that a workload has placeholders of.
type wanted struct {
	name      string
	replicas  int
	unit      resource.Quantity
	consumers *v1alpha1.Consumers
	// template is the file from which that of its placeholders, placeholders, is written.
	template, placeholders string
}

// wantedHeadrooms returns the Headrooms of a workload. One with the parameter placeholders has a single one, which is open to all; m-mixed, which has
// small, medium and large, has one for each tier of consumers; others have none.
func wantedHeadrooms(w *perf.Workload) ([]wanted, error) {
	if placeholders, err := w.GetParam("placeholders"); err == nil {
		perNode, err := w.GetParam("perNode")
		if err != nil {
			return nil, fmt.Errorf("reading the workload's parameters: %w", err)
		}
		return []wanted{{
			name: headroomName, replicas: placeholders, unit: *resource.NewMilliQuantity(int64(1000/perNode), resource.DecimalSI),
			template: "templates/placeholder.yaml.tmpl", placeholders: "templates/placeholder.yaml",
		}}, nil
	}
	var all []wanted
	for tier, unit := range map[string]string{"small": "250m", "medium": "500m", "large": "1"} {
		replicas, err := w.GetParam(tier)
		if err != nil {
			return nil, nil //nolint:nilerr // a workload without these parameters is one without headroom
		}
		all = append(all, wanted{
			name: tier, replicas: replicas, unit: resource.MustParse(unit),
			consumers: &v1alpha1.Consumers{
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"tier": tier}},
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: consumers}},
			},
			template: "templates/placeholder-tier.yaml.tmpl", placeholders: "templates/placeholder-" + tier + ".yaml",
		})
	}
	return all, nil
}

// installHeadrooms prepares a cluster whose workload has placeholders: it installs the resource definition, creates the Headrooms
// of the placeholders and fills their UIDs into the templates. The garbage collector deletes placeholders whose owner it cannot
// find. scheduler_perf's own createAny cannot create an object whose definition is this new.
//
// The scheduler runs already: the plugin looks for the definition every two seconds at the most, and each scenario settles for
// five or more before it creates consumers. One that came sooner would find placeholders of a Headroom that is not known yet.
func installHeadrooms(ctx context.Context, client dynamic.Interface, crd []byte, w *perf.Workload) error {
	all, err := wantedHeadrooms(w)
	if err != nil || len(all) == 0 {
		return err
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
	for _, one := range all {
		owner, err := createHeadroom(ctx, client, one)
		if err != nil {
			return err
		}
		if err := fillInOwner(one, string(owner.GetUID())); err != nil {
			return err
		}
	}
	return nil
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

// createHeadroom creates a Headroom that placeholders stand for. The API server takes a moment to serve a new definition.
func createHeadroom(ctx context.Context, client dynamic.Interface, h wanted) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.Headroom{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom},
		ObjectMeta: metav1.ObjectMeta{Name: h.name},
		Spec: v1alpha1.HeadroomSpec{
			Replicas:  ptr.To(int32(min(h.replicas, maxReplicas))),
			Requests:  corev1.ResourceList{corev1.ResourceCPU: h.unit},
			Consumers: h.consumers,
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: h.name}},
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

// fillInOwner writes the template of a Headroom's placeholders, with the UID of the Headroom, which owns them.
func fillInOwner(h wanted, uid string) error {
	template, err := os.ReadFile(h.template)
	if err != nil {
		return fmt.Errorf("reading the template of the placeholders: %w", err)
	}
	filled := strings.NewReplacer("HEADROOM_UID", uid, "HEADROOM_NAME", h.name).Replace(string(template))
	if err := os.WriteFile(h.placeholders, []byte(filled), 0o600); err != nil {
		return fmt.Errorf("writing the template of the placeholders: %w", err)
	}
	return nil
}
