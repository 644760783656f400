//go:build policyengines

package policyengines

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

const (
	byHeadroom   = "system:serviceaccount:headroom-system:headroom-controller"
	byDaemonSets = "system:serviceaccount:kube-system:daemon-set-controller"
	bySets       = "system:serviceaccount:kube-system:replicaset-controller"
	byUser       = "mallory"
)

// request is that somebody makes an object.
type request struct {
	name   string
	object runtime.Object
	user   string
	// fits is whether the object has what the rules of this package demand, so that an engine has to say so.
	fits bool
}

var (
	placeholderPod = request{name: "a placeholder", object: placeholderOf(spare()), user: byHeadroom}
	daemonSet      = request{name: "the DaemonSet of a Headroom", object: daemonSetOf(spare()), user: byHeadroom}
	daemonPod      = request{name: "a placeholder of that DaemonSet", object: podOf(daemonSetOf(spare())), user: byDaemonSets}
	workloadPod    = request{name: "a pod of a workload", object: pod(), user: bySets}
	workload       = request{name: "a workload", object: deployment(), user: byUser}
	fittingPod     = request{name: "a pod with all that is demanded", object: fitting(), user: bySets, fits: true}
	disguisedPod   = request{name: "somebody's pod with the label", object: placeholderOf(spare()), user: byUser}
)

// spare is a Headroom as the API server has it.
func spare() *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"},
		Spec: v1alpha1.HeadroomSpec{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
	}
}

func placeholderOf(headroom *v1alpha1.Headroom) *corev1.Pod {
	made := placeholder.Build(headroom, placeholder.Defaults{}, 0)
	made.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return made
}

func daemonSetOf(headroom *v1alpha1.Headroom) *appsv1.DaemonSet {
	made := placeholder.BuildDaemonSet(headroom, placeholder.Defaults{})
	made.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}
	return made
}

// podOf is a pod as the DaemonSet controller makes it.
func podOf(set *appsv1.DaemonSet) *corev1.Pod {
	made := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: set.Spec.Template.Spec,
	}
	made.Namespace, made.Name = set.Namespace, set.Name+"-x7k2p"
	made.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "DaemonSet", Name: set.Name, UID: "5d0c7d0e-4a4b-4a3f-9f0f-1c8d5a0e7b11", Controller: ptr.To(true),
	}}
	return made
}

// pod is one of a workload that may take headroom, without limits and probes.
func pod() *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"tier": "web"}},
		Spec: corev1.PodSpec{
			SchedulerName: "headroom-scheduler",
			Containers: []corev1.Container{{
				Name: "main", Image: "example.org/web:1",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
			}},
		},
	}
}

// fitting is pod with a memory limit and a readiness probe.
func fitting() *corev1.Pod {
	made := pod()
	main := &made.Spec.Containers[0]
	main.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	main.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"ready"}}}}
	return made
}

// deployment is one of such pods.
func deployment() *appsv1.Deployment {
	labels := map[string]string{"tier": "web"}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod().Spec},
		},
	}
}
