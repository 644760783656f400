package placeholder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// DefaultImage does nothing, runs as any user, and is on most nodes already.
	DefaultImage = "registry.k8s.io/pause:3.10.2"
	// containerName is the name of a placeholder's only container.
	containerName = "placeholder"
	// AnnotationSafeToEvict lets Cluster Autoscaler drain a node with placeholders, which it does not with other pods whose
	// controller is a custom resource.
	AnnotationSafeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
)

// maxUnavailable of a rollout over the nodes. Kubernetes rounds up, so that it is at least one.
const maxUnavailable = "25%"

// Defaults are the operator's choices for what a Headroom leaves open.
type Defaults struct {
	// Image is used if spec.image is empty; empty: DefaultImage. It must run forever, as any user and with a read-only root
	// file system.
	Image string
	// SchedulerName is used if spec.schedulerName is empty; empty: the API server's default, default-scheduler.
	SchedulerName string
	// Ladder is whether units stand on steps of priority where neither spec.ladder nor spec.priorityClassName says otherwise.
	Ladder bool
}

// Place is what tells the placeholders of one Headroom apart beside their names. Only those of a Headroom with a ladder have one.
type Place struct {
	// PriorityClassName is the class of the placeholder's step; empty: that of the lowest.
	PriorityClassName string
	// Domain is the topology domain, of the key Headroom.Spec.DomainKey, that the placeholder is meant for; empty: none.
	Domain string
}

// Build makes the placeholder pod with this ordinal, of a Headroom with placement Cluster that the API server has returned
// (the owner reference needs its UID). It is ready to be created.
func Build(headroom *v1alpha1.Headroom, defaults Defaults, ordinal int) *corev1.Pod {
	return BuildAt(headroom, defaults, ordinal, Place{})
}

// BuildAt is Build for a place of a Headroom with a ladder. Without one the place does not matter.
func BuildAt(headroom *v1alpha1.Headroom, defaults Defaults, ordinal int, place Place) *corev1.Pod {
	template := podTemplate(headroom, defaults)
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Annotations[v1alpha1.AnnotationTemplateHash] = hashOf(template)
	if OnLadder(headroom, defaults) {
		place.put(pod, headroom.Spec.DomainKey())
	}
	RefuseSidecars(&pod.ObjectMeta)
	pod.Namespace = headroom.Namespace
	pod.Name = Name(headroom.Name, ordinal)
	pod.OwnerReferences = ownedBy(headroom)
	return pod
}

// BuildDaemonSet makes the DaemonSet of a Headroom with placement PerNode. It is ready to be created, or to replace the spec
// of the one that is there if its annotation v1alpha1.AnnotationTemplateHash is another one.
func BuildDaemonSet(headroom *v1alpha1.Headroom, defaults Defaults) *appsv1.DaemonSet {
	daemonSet := BuildEarlierDaemonSet(headroom, defaults)
	RefuseSidecars(&daemonSet.Spec.Template.ObjectMeta)
	return daemonSet
}

// BuildEarlierDaemonSet makes the DaemonSet as versions did that refused no sidecars. It is as good as that of BuildDaemonSet, so that
// one that is there stays until the Headroom changes: to change it would replace every unit.
func BuildEarlierDaemonSet(headroom *v1alpha1.Headroom, defaults Defaults) *appsv1.DaemonSet {
	template := podTemplate(headroom, defaults)
	hash := hashOf(template)
	template.Annotations[v1alpha1.AnnotationTemplateHash] = hash
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       headroom.Namespace,
			Name:            DaemonSetName(headroom.Name),
			Labels:          labelsOf(headroom.Name),
			Annotations:     map[string]string{v1alpha1.AnnotationTemplateHash: hash},
			OwnerReferences: ownedBy(headroom),
		},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: headroom.Name}},
			Template: template,
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{
				Type:          appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromString(maxUnavailable))},
			},
		},
	}
}

// TemplateHash identifies what the placeholders of a Headroom are made from: two Headrooms, or two states of one, with the
// same hash get the same pods except for name and owner. What tells injectors of sidecars to stay away is left out, or the version
// that began with it would have replaced every placeholder. It depends on the operator's defaults too, and neither on replicas
// nor on consumers. It is the value of the annotation v1alpha1.AnnotationTemplateHash.
func TemplateHash(headroom *v1alpha1.Headroom, defaults Defaults) string {
	return hashOf(podTemplate(headroom, defaults))
}

// labelsOf are those by which the placeholders of a Headroom are found.
func labelsOf(headroom string) map[string]string {
	return map[string]string{v1alpha1.LabelHeadroom: headroom, v1alpha1.LabelOpenFaaSHeadroom: headroom}
}

// MarkMadeBy notes on a pod or DaemonSet made here which installation of the controller makes it. It is no part of what the hash
// identifies: a unit stays as good, whichever installation made it.
func MarkMadeBy(object metav1.Object, identity string) {
	annotations := object.GetAnnotations()
	annotations[v1alpha1.AnnotationController] = identity
	object.SetAnnotations(annotations)
}

// MarkFromRollout notes on a pod made by Build that a rollout creates it in the place of one that held room.
func MarkFromRollout(pod *corev1.Pod) {
	pod.Annotations[v1alpha1.AnnotationFromRollout] = "true"
}

// IsFromRollout reports whether MarkFromRollout noted something on the pod.
func IsFromRollout(pod *corev1.Pod) bool {
	return pod.Annotations[v1alpha1.AnnotationFromRollout] == "true"
}

// podTemplate is all that the placeholders of a Headroom have in common. It shares no memory with the Headroom.
func podTemplate(headroom *v1alpha1.Headroom, defaults Defaults) corev1.PodTemplateSpec {
	spec := headroom.Spec.DeepCopy()
	labels, annotations := spec.PodLabels, spec.PodAnnotations
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range labelsOf(headroom.Name) {
		labels[key] = value
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationSafeToEvict] = "true"
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name:            containerName,
				Image:           firstNonEmpty(spec.Image, defaults.Image, DefaultImage),
				ImagePullPolicy: corev1.PullIfNotPresent, // Else a tag "latest" makes every refill ask the registry.
				Resources:       resources(spec.Requests, spec.Limits),
				SecurityContext: containerSecurity(spec.SecurityContext),
			}},
			ImagePullSecrets:  spec.ImagePullSecrets,
			PriorityClassName: templateClass(headroom, defaults),
			SchedulerName:     firstNonEmpty(spec.SchedulerName, defaults.SchedulerName),
			RuntimeClassName:  optional(spec.RuntimeClassName),
			// Without a grace period the room is free, and the object gone, as soon as somebody takes it.
			TerminationGracePeriodSeconds: ptr.To[int64](0),
			NodeSelector:                  spec.NodeSelector,
			Affinity:                      spec.Affinity,
			Tolerations:                   spec.Tolerations,
			TopologySpreadConstraints:     spec.TopologySpreadConstraints,
			SecurityContext:               podSecurity(spec.PodSecurityContext, spec.SecurityContext),
			AutomountServiceAccountToken:  ptr.To(false), // Without a token the pod has no volumes either.
			EnableServiceLinks:            ptr.To(false),
		},
	}
}

// resources sets no limits but those asked for: with limits equal to whole CPUs the pod would be Guaranteed, and kubelet's static CPU
// manager would give it cores of its own, which it takes back from nobody at once. Extended resources and huge pages cannot
// be overcommitted, and Kubernetes requires limits equal to their requests; they do not count for Guaranteed.
func resources(requests, limits corev1.ResourceList) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Requests: requests, Limits: limits}
	for name, quantity := range requests {
		if strings.Contains(string(name), "/") || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
			if r.Limits == nil {
				r.Limits = corev1.ResourceList{}
			}
			r.Limits[name] = quantity
		}
	}
	return r
}

// ownedBy makes the Headroom the controller: autoscalers treat pods without one as irreplaceable, and the garbage collector
// removes the placeholders with their Headroom.
func ownedBy(headroom *v1alpha1.Headroom) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(headroom, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
}

func hashOf(template corev1.PodTemplateSpec) string {
	hash := sha256.New()
	// The API's types always encode, with sorted keys, and a hash takes whatever it is given: there is no error to handle.
	_ = json.NewEncoder(hash).Encode(template)
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
