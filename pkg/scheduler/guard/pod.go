package guard

import (
	"errors"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

const (
	// namePrefix begins the names of guards; the API server chooses the rest.
	namePrefix = "headroom-guard-"
	// deadlineSeconds is when the kubelet ends a guard that nobody deletes. It is longer than a new leader takes to do so.
	deadlineSeconds = 30
	// anyUser is the numeric user of the pause image.
	anyUser = 65535
)

// ownNamespaceFile has the name of the namespace of a pod with a service account.
const ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// OwnNamespace returns the namespace of the pod that the process runs in, empty if it is in none or its service account is not mounted.
func OwnNamespace() string {
	name, err := os.ReadFile(ownNamespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// Is reports whether a pod is a guard of the schedulers of a namespace. The label means nothing elsewhere: nobody gains by it.
func Is(pod *corev1.Pod, namespace string) bool {
	return namespace != "" && pod.Namespace == namespace && pod.Labels[v1alpha1.LabelGuard] == v1alpha1.GuardLabelValue
}

// byNamespace is the index of guards by their namespace.
const byNamespace = "headroom/guards"

// Indexers are what the informer of Options.Pods needs to have: an index of the guards of a namespace alone. kube-scheduler's informer has
// none of pods by their namespace, so to look for guards would be to look at all pods.
func Indexers(namespace string) cache.Indexers {
	return cache.Indexers{byNamespace: func(object any) ([]string, error) {
		if pod, ok := object.(*corev1.Pod); ok && Is(pod, namespace) {
			return []string{namespace}, nil
		}
		return nil, nil
	}}
}

// Transform is what an informer of pods is to do to each so that the schedulers of a namespace are not kept off nodes by their own guards:
// these lose their anti-affinity. From all objects it takes the managed fields, as kube-scheduler's own transformation does, in whose place
// it comes.
func Transform(namespace string) cache.TransformFunc {
	return func(object any) (any, error) {
		if accessor, err := meta.Accessor(object); err == nil && accessor.GetManagedFields() != nil {
			accessor.SetManagedFields(nil)
		}
		if pod, ok := object.(*corev1.Pod); ok && Is(pod, namespace) {
			pod.Spec.Affinity = nil
		}
		return object, nil
	}
}

// Build makes a guard for a node, ready to be created. Its image is that of a unit which has just run there, so that nothing is pulled for
// it, and its PriorityClass that of reserved units: who may not preempt these cannot preempt the guard either. by is whose it is.
func Build(namespace, node, image, by string) *corev1.Pod {
	none := corev1.ResourceList{} // said, so that no LimitRange gives it requests
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		none[name] = resource.Quantity{}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, GenerateName: namePrefix,
			Labels:      map[string]string{v1alpha1.LabelGuard: v1alpha1.GuardLabelValue},
			Annotations: map[string]string{placeholder.AnnotationSafeToEvict: "true", v1alpha1.AnnotationGuardOf: by},
		},
		Spec: corev1.PodSpec{
			NodeName: node,
			Containers: []corev1.Container{{
				Name: "guard", Image: image, ImagePullPolicy: corev1.PullNever,
				Resources: corev1.ResourceRequirements{Requests: none},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
			Affinity:          awayFromAll(),
			Tolerations:       []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			PriorityClassName: v1alpha1.ReservedPriorityClassName,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](anyUser),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr.To[int64](0),
			ActiveDeadlineSeconds:         ptr.To[int64](deadlineSeconds),
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
		},
	}
	placeholder.RefuseSidecars(&pod.ObjectMeta)
	return pod
}

// awayFromAll is an anti-affinity to every pod on the same host.
func awayFromAll() *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{}, NamespaceSelector: &metav1.LabelSelector{}, TopologyKey: corev1.LabelHostname,
		}},
	}}
}

// usable says what keeps a guard, as the API server made it, from being one; nil if nothing does.
func usable(made *corev1.Pod) error {
	for name, quantity := range resourcehelper.PodRequests(made, resourcehelper.PodResourcesOptions{}) {
		if !quantity.IsZero() {
			return fmt.Errorf("it was given requests of %s %s", quantity.String(), name)
		}
	}
	if affinity := made.Spec.Affinity; affinity == nil || affinity.PodAntiAffinity == nil ||
		len(affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) == 0 {
		return errors.New("its anti-affinity was taken away")
	}
	return nil
}
