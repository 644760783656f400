package controller

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// What the policies of mutation apply to each new pod.
const (
	sidecar = `Object{spec: Object.spec{containers: [Object.spec.containers{name: "mesh-proxy", image: "example.org/proxy:1",
		resources: Object.spec.containers.resources{requests: {"cpu": "100m"}}}]}}`
	// brokenSidecar gives a request of a type that it cannot have.
	brokenSidecar = `Object{spec: Object.spec{containers: [Object.spec.containers{name: "mesh-proxy", image: "example.org/proxy:1",
		resources: Object.spec.containers.resources{requests: {"cpu": quantity("100m")}}}]}}`
	gate = `Object{spec: Object.spec{schedulingGates: [Object.spec.schedulingGates{name: "queue.example.org/admission"}]}}`
)

// mutation is a policy, and its binding, that applies a configuration to every pod that is created in a namespace.
func mutation(namespace, expression string) []client.Object {
	return []client.Object{
		&admissionv1.MutatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionv1.MutatingAdmissionPolicySpec{
				FailurePolicy:      ptr.To(admissionv1.Fail),
				ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
				MatchConstraints: &admissionv1.MatchResources{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
					ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
						Operations: []admissionv1.OperationType{admissionv1.Create},
						Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
					}}},
				},
				Mutations: []admissionv1.Mutation{{
					PatchType:          admissionv1.PatchTypeApplyConfiguration,
					ApplyConfiguration: &admissionv1.ApplyConfiguration{Expression: expression},
				}},
			},
		},
		&admissionv1.MutatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: namespace},
		},
	}
}

// waitMutated waits until the API server changes new pods of the namespace such that changed says so: policies take a moment.
func (e *environment) waitMutated(changed func(*corev1.Pod) bool) {
	e.Helper()
	e.eventually("the API server changes pods", func() error {
		probe := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "probe"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "c"}}},
		}
		if err := e.client.Create(e.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		if !changed(probe) {
			return errNotYet
		}
		return nil
	})
}

// patching is mutation by a JSON patch.
func patching(namespace, expression string) []client.Object {
	objects := mutation(namespace, "")
	policy, _ := objects[0].(*admissionv1.MutatingAdmissionPolicy)
	policy.Spec.Mutations = []admissionv1.Mutation{{
		PatchType: admissionv1.PatchTypeJSONPatch, JSONPatch: &admissionv1.JSONPatch{Expression: expression},
	}}
	return objects
}

// waitStripped waits until the API server takes from new pods of the namespace what makes them placeholders.
func (e *environment) waitStripped() {
	e.Helper()
	e.eventually("the API server changes placeholders", func() error {
		probe := placeholder.Build(e.newHeadroom("probe"), placeholder.Defaults{}, 0)
		probe.OwnerReferences = nil
		if err := e.client.Create(e.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		if probe.Labels[v1alpha1.LabelHeadroom] != "" && probe.Annotations[v1alpha1.AnnotationTemplateHash] != "" {
			return errNotYet
		}
		return nil
	})
}
