package oracle

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// gpu is the extended resource of the model.
const gpu corev1.ResourceName = "example.com/gpu"

const (
	appLabel  = "app"
	teamLabel = "team"
	taintKey  = "example.com/reserved"
	// groupLabel names the PodGroup of scheduler-plugins that a pod is a member of.
	groupLabel = "scheduling.x-k8s.io/pod-group"
)

func (a Amounts) resources() builders.Resources {
	resources := builders.Resources{}
	if a.CPU > 0 {
		resources[corev1.ResourceCPU] = strconv.FormatInt(a.CPU, 10) + "m"
	}
	if a.Memory > 0 {
		resources[corev1.ResourceMemory] = strconv.FormatInt(a.Memory, 10) + "Mi"
	}
	if a.GPU > 0 {
		resources[gpu] = strconv.FormatInt(a.GPU, 10)
	}
	return resources
}

func (n Node) object() *corev1.Node {
	allocatable := n.Size.resources()
	allocatable[corev1.ResourcePods] = strconv.FormatInt(n.Pods, 10)
	node := st.MakeNode().Name(n.Name).UID("node-" + n.Name).Capacity(allocatable)
	for _, key := range []string{hostKey, zoneKey, regionKey} {
		if value := n.label(key); value != "" {
			node = node.Label(key, value)
		}
	}
	if n.SSD {
		node = node.Label("disk", "ssd")
	}
	var taints []corev1.Taint
	if n.Tainted {
		taints = append(taints, corev1.Taint{Key: taintKey, Effect: corev1.TaintEffectNoSchedule})
	}
	if n.Cordoned {
		node = node.Unschedulable(true)
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	return node.Taints(taints).Obj()
}

func (h Headroom) object() *v1alpha1.Headroom {
	b := builders.Headroom(h.Name, h.Size.resources()).Namespace(h.Namespace).UID(types.UID("headroom-" + h.Name)).SpreadOver(h.SpreadKeys...)
	if h.Consumers != nil {
		b = b.Consumers(h.Consumers.object())
	}
	headroom := b.Obj()
	headroom.ResourceVersion = "1"
	headroom.Spec.Reserved = h.Reserved
	if h.PerNode {
		headroom.Spec.Placement = v1alpha1.PlacementPerNode
	}
	return headroom
}

func (c *Consumers) object() v1alpha1.Consumers {
	consumers := v1alpha1.Consumers{MinPriority: c.MinPriority}
	if c.Polite {
		consumers.NonPreempting = v1alpha1.NonPreemptingAllow
	}
	if c.App != "" {
		consumers.PodSelector = &metav1.LabelSelector{MatchLabels: map[string]string{appLabel: c.App}}
	}
	switch c.Namespaces {
	case "":
	case "all":
		consumers.NamespaceSelector = &metav1.LabelSelector{}
	default:
		consumers.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{teamLabel: c.Namespaces}}
	}
	return consumers
}

// daemonSet is the DaemonSet of a PerNode Headroom.
func (h Headroom) daemonSet() *appsv1.DaemonSet {
	owner := h.object()
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: h.Namespace, Name: h.Name, UID: types.UID("daemonset-" + h.Name), Labels: map[string]string{v1alpha1.LabelHeadroom: h.Name},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))},
	}}
}

// object makes the pod. schedulerName is the profile that schedules the consumer.
func (c *Cluster) object(p Pod, schedulerName string) *corev1.Pod {
	w := st.MakePod().Namespace(p.Namespace).Name(p.Name).UID(p.UID).Priority(p.Priority).Node(p.Node).SchedulerName(schedulerName).
		CreationTimestamp(metav1.NewTime(builders.Epoch().Add(time.Duration(p.Created) * time.Second)))
	if requests := p.Size.resources(); len(requests) > 0 {
		w = w.Req(requests)
	} else {
		w = w.Container("pause")
	}
	if p.App != "" {
		w = w.Label(appLabel, p.App)
	}
	if p.Group != "" {
		w = w.Label(groupLabel, p.Group)
	}
	c.asPlaceholder(w, p)
	if p.Terminating {
		w = w.Terminating()
	}
	asConsumer(w, p)
	return w.Obj()
}

// asPlaceholder puts the marks of a placeholder on the pod, all but its controller if it is a stray.
func (c *Cluster) asPlaceholder(w *st.PodWrapper, p Pod) {
	if p.Headroom < 0 {
		return
	}
	headroom := c.Headrooms[p.Headroom]
	w.Label(v1alpha1.LabelHeadroom, headroom.Name).Label(v1alpha1.LabelOpenFaaSHeadroom, headroom.Name).ZeroTerminationGracePeriod()
	if p.Reserved {
		w.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
	}
	if p.Stray {
		return
	}
	owner := *metav1.NewControllerRef(headroom.object(), v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))
	if headroom.PerNode {
		owner = *metav1.NewControllerRef(headroom.daemonSet(), appsv1.SchemeGroupVersion.WithKind("DaemonSet"))
	}
	w.OwnerReferences = []metav1.OwnerReference{owner}
}

func asConsumer(w *st.PodWrapper, p Pod) {
	app := func(value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{appLabel: value}}
	}
	if p.Never {
		w.PreemptionPolicy(corev1.PreemptNever)
	}
	if p.Tolerates {
		w.Tolerations([]corev1.Toleration{{Key: taintKey, Operator: corev1.TolerationOpExists}})
	}
	if p.WantsSSD {
		w.NodeSelector(map[string]string{"disk": "ssd"})
	}
	if p.Near != "" {
		w.Annotations(map[string]string{v1alpha1.AnnotationNear: appLabel + "=" + p.Near})
	}
	if p.AffinityApp != "" {
		kind := st.PodAffinityWithPreferredReq
		if p.Required {
			kind = st.PodAffinityWithRequiredReq
		}
		w.PodAffinity(p.AffinityKey, app(p.AffinityApp), kind)
	}
	if p.AntiApp != "" {
		w.PodAntiAffinity(hostKey, app(p.AntiApp), st.PodAntiAffinityWithRequiredReq)
	}
	if p.PreferZone != "" {
		preferZone(w, p.PreferZone)
	}
	if p.SpreadKey != "" {
		w.SpreadConstraint(1, p.SpreadKey, corev1.DoNotSchedule, app(p.App), nil, nil, nil, nil)
	}
}

func preferZone(w *st.PodWrapper, zone string) {
	if w.Spec.Affinity == nil {
		w.Spec.Affinity = &corev1.Affinity{}
	}
	w.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
		Weight: 10,
		Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
		}},
	}}}
}
