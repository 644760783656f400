package chaos

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/cluster"
)

// burstLabel is on every pod of a burst.
const burstLabel = "chaos-burst"

// nodes are the nodes of a run.
func nodes() cluster.Nodes {
	return cluster.Nodes{
		Prefix: "chaos", Count: plan.NodeCount, Zones: plan.ZoneCount,
		CPU: *resource.NewMilliQuantity(plan.NodeCPU, resource.DecimalSI), Memory: *resource.NewQuantity(plan.NodeMemory<<20, resource.BinarySI),
		Pods: *resource.NewQuantity(plan.NodePods, resource.DecimalSI),
	}
}

// node is one of the nodes, as it was made at the beginning.
func node(name string) *corev1.Node {
	for _, n := range nodes().Objects() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// classes are the PriorityClasses of a run beside the product's own.
func classes() []*schedulingv1.PriorityClass {
	return []*schedulingv1.PriorityClass{
		class(plan.ClassUnits, plan.ClassUnitsValue, false), class(plan.ClassHigh, plan.ClassHighValue, true),
		class(plan.ClassPatient, plan.ClassPatientValue, false),
	}
}

func class(name string, value int32, preempts bool) *schedulingv1.PriorityClass {
	policy := corev1.PreemptNever
	if preempts {
		policy = corev1.PreemptLowerPriority
	}
	return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value, PreemptionPolicy: &policy}
}

func requests(cpu, memory int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(cpu, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory<<20, resource.BinarySI),
	}
}

func podName(burst string, i int) string { return fmt.Sprintf("%s-%d", burst, i) }

// podOf is one of the pods of a burst.
func podOf(b plan.Burst, i int) *corev1.Pod {
	template := templateOf(b)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Shape.Namespace, Name: podName(b.Name, i), Labels: template.Labels}, Spec: template.Spec,
	}
}

func deploymentOf(b plan.Burst) *appsv1.Deployment {
	own := map[string]string{burstLabel: b.Name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Shape.Namespace, Name: b.Name, Labels: own},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(b.Count)), //nolint:gosec // a dozen
			Selector: &metav1.LabelSelector{MatchLabels: own}, Template: templateOf(b),
		},
	}
}

func templateOf(b plan.Burst) corev1.PodTemplateSpec {
	own := &metav1.LabelSelector{MatchLabels: map[string]string{burstLabel: b.Name}}
	spec := corev1.PodSpec{
		SchedulerName: b.Shape.Scheduler, PriorityClassName: b.Shape.Class, TerminationGracePeriodSeconds: &b.Shape.Grace,
		Containers: []corev1.Container{{
			Name: "main", Image: "main", Resources: corev1.ResourceRequirements{Requests: requests(b.Shape.CPU, b.Shape.Memory)},
		}},
	}
	if b.Shape.Zone != "" {
		spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: b.Shape.Zone}
	}
	if b.Shape.Apart {
		spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: own}},
		}}
	}
	if b.Shape.Spread {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: own,
		}}
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{burstLabel: b.Name, "app": b.Shape.App}}, Spec: spec,
	}
}

// apply makes the spec of a Headroom what the plan says.
func apply(h *v1alpha1.Headroom, want plan.Headroom) {
	h.Namespace, h.Name = want.Namespace, want.Name
	if !want.PerNode {
		h.Spec.Replicas = ptr.To(want.Replicas)
	}
	h.Spec.Requests = requests(want.CPU, want.Memory)
	h.Spec.PriorityClassName, h.Spec.Reserved, h.Spec.Ladder = want.Class, want.Reserved, v1alpha1.LadderDisabled
	if want.Reserved || want.Ladder {
		h.Spec.PriorityClassName = "" // they have classes of their own
	}
	if want.Ladder {
		h.Spec.Ladder = v1alpha1.LadderEnabled
	}
	h.Spec.Refill = refillOf(want.Refill)
	h.Spec.Placement = v1alpha1.PlacementCluster
	if want.PerNode {
		h.Spec.Placement = v1alpha1.PlacementPerNode
	}
	h.Spec.Consumers, h.Spec.TopologySpreadConstraints, h.Spec.PodLabels = nil, nil, nil
	if want.App != "" {
		h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": want.App}}}
		if want.AllNamespaces {
			h.Spec.Consumers.NamespaceSelector = &metav1.LabelSelector{}
		}
	}
	if want.Spread {
		unsatisfiable := corev1.ScheduleAnyway
		if want.Ladder {
			unsatisfiable = corev1.DoNotSchedule // by which the steps are those of each zone
		}
		h.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: unsatisfiable,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: want.Name}},
		}}
	}
	if want.Note != "" {
		h.Spec.PodLabels = map[string]string{"chaos-note": want.Note}
	}
}

// refillOf is what the plan says of the units that are made anew, nil where it says nothing.
func refillOf(want plan.Refill) *v1alpha1.Refill {
	if want == (plan.Refill{}) {
		return nil
	}
	refill := &v1alpha1.Refill{Policy: v1alpha1.RefillAlways, Delay: &metav1.Duration{Duration: want.Delay}}
	if want.MaxPending > 0 {
		refill.MaxPending = ptr.To(want.MaxPending)
	}
	if want.Once {
		refill.Policy = v1alpha1.RefillOnce
	}
	return refill
}
