package scenario

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/test/cluster"
)

const (
	namespace = "default"
	name      = "web"
	// region is the one that the nodes lie in, and with a letter the name of a zone.
	region = "zone"
	// pluginProfile is the schedulerName of pods that take headroom by the plugin.
	pluginProfile = "headroom-scheduler"
)

// setUp adds to a new control plane what every run begins with: full nodes, a scheduler, the controller and the
// autoscaler.
func (e *execution) setUp(ctx context.Context) error {
	e.display.Step("adding full nodes, a scheduler and the controller")
	var err error
	if e.client, err = e.cluster.Client(); err != nil {
		return err
	}
	if err := e.cluster.AddNodes(ctx, e.nodes(1, e.Nodes)); err != nil {
		return err
	}
	for _, node := range e.nodes(1, e.Nodes).Objects() {
		if err := e.client.Create(ctx, e.load(node.Name)); err != nil {
			return fmt.Errorf("filling %s: %w", node.Name, err)
		}
	}
	if err := e.cluster.InstallCRD(ctx); err != nil {
		return err
	}
	if err := e.runScheduler(ctx); err != nil {
		return err
	}
	var args []string
	if e.run.Plugin {
		args = append(args, "--placeholder-scheduler-name="+pluginProfile)
	}
	if _, err := e.cluster.RunController(ctx, args...); err != nil {
		return err
	}
	return e.Autoscaler.Start(ctx, e.cluster, e.Scenario)
}

// runScheduler runs headroom-scheduler as it is deployed in place of kube-scheduler, or the same binary with no
// configuration at all: that is upstream's kube-scheduler with its default profile, without the plugin.
func (e *execution) runScheduler(ctx context.Context) error {
	if e.run.Plugin {
		_, err := e.cluster.RunHeadroomScheduler(ctx, cluster.MainScheduler)
		return err
	}
	binary, err := cluster.FindProduct("headroom-scheduler")
	if err != nil {
		return err
	}
	_, err = e.cluster.RunScheduler("kube-scheduler", binary)
	return err
}

// nodes describes fixed nodes that have room for pods of one CPU each.
func (s Scenario) nodes(first, count int) cluster.Nodes {
	return cluster.Nodes{
		First: first, Count: count, Zones: s.Zones, Region: region,
		CPU:    *resource.NewQuantity(int64(s.NodeCPU), resource.DecimalSI),
		Memory: *resource.NewQuantity(int64(s.NodeCPU)<<32, resource.BinarySI),
	}
}

// load is a pod that fills a node.
func (e *execution) load(node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "load-" + node, Namespace: namespace},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{container(int64(e.NodeCPU))}},
	}
}

func container(cpus int64) corev1.Container {
	return corev1.Container{Name: "main", Image: "main", Resources: corev1.ResourceRequirements{Requests: requests(cpus)}}
}

func requests(cpus int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(cpus, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(cpus<<30, resource.BinarySI),
	}
}

// headroom keeps room for pods of the burst, evenly over the zones.
func (e *execution) headroom() *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To(int32(e.Headroom)),
			Requests: requests(1),
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelOpenFaaSHeadroom: name}},
			}},
			Consumers: &v1alpha1.Consumers{
				PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: history.BurstLabel, Operator: metav1.LabelSelectorOpExists},
				}},
			},
		},
	}
}

// deployment is the burst.
func (e *execution) deployment() *appsv1.Deployment {
	labels := map[string]string{history.BurstLabel: name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](0),
			Containers:                    []corev1.Container{container(1)},
		},
	}
	if e.run.Plugin {
		template.Spec.SchedulerName = pluginProfile
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(e.Burst)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: template,
		},
	}
}
