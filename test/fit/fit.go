// Package fit answers on which nodes a pod has a place, by Kubernetes' own Filter plugins and by nothing of the product.
//
// It needs no API server: nodes and pods are given. Left out are the plugins that look at volumes, devices and node features, which
// need more than nodes and pods.
package fit

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// asked are the plugins whose opinion counts.
var asked = []string{
	names.NodeUnschedulable, names.NodeName, names.TaintToleration, names.NodeAffinity, names.NodePorts, names.NodeResourcesFit,
	names.PodTopologySpread, names.InterPodAffinity,
}

// Oracle asks the plugins. It is for one goroutine at a time.
type Oracle struct {
	framework framework.Framework
	snapshot  *snapshot
}

// snapshot is the cluster that the plugins see, which changes from question to question.
type snapshot struct{ fwk.SharedLister }

// Cluster is what a pod may be put into.
type Cluster struct {
	Nodes []*corev1.Node
	// Pods that are on the nodes, by their spec.nodeName.
	Pods []*corev1.Pod
}

// New returns an Oracle with kube-scheduler's default arguments for the plugins. It runs until the context ends.
func New(ctx context.Context) (*Oracle, error) {
	metrics.Register()
	defaults, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("reading kube-scheduler's defaults: %w", err)
	}
	profile := config.KubeSchedulerProfile{SchedulerName: "fit", PluginConfig: defaults.Profiles[0].PluginConfig, Plugins: &config.Plugins{
		QueueSort: config.PluginSet{Enabled: []config.Plugin{{Name: names.PrioritySort}}},
		Bind:      config.PluginSet{Enabled: []config.Plugin{{Name: names.DefaultBinder}}},
	}}
	for _, name := range asked {
		profile.Plugins.Filter.Enabled = append(profile.Plugins.Filter.Enabled, config.Plugin{Name: name})
		if name != names.NodeUnschedulable && name != names.NodeName && name != names.TaintToleration {
			profile.Plugins.PreFilter.Enabled = append(profile.Plugins.PreFilter.Enabled, config.Plugin{Name: name})
		}
	}
	client := fake.NewClientset()
	o := &Oracle{snapshot: &snapshot{internalcache.NewEmptySnapshot()}}
	o.framework, err = frameworkruntime.NewFramework(ctx, plugins.NewInTreeRegistry(), &profile,
		frameworkruntime.WithClientSet(client), frameworkruntime.WithInformerFactory(informers.NewSharedInformerFactory(client, 0)),
		frameworkruntime.WithSnapshotSharedLister(o.snapshot))
	if err != nil {
		return nil, fmt.Errorf("building the Filter plugins: %w", err)
	}
	return o, nil
}

// Nodes returns the names of the nodes that have a place for the pod, in the order given. When a node is asked about, the pods on it for
// which out reports true are not there; nil leaves all where they are.
func (o *Oracle) Nodes(ctx context.Context, pod *corev1.Pod, cluster Cluster, out func(*corev1.Pod) bool) ([]string, error) {
	var fitting []string
	known := map[string]bool{} // The plugins take it for granted that pods are on nodes that exist; a node may have gone before its pods.
	for _, node := range cluster.Nodes {
		known[node.Name] = true
	}
	for _, node := range cluster.Nodes {
		pods := make([]*corev1.Pod, 0, len(cluster.Pods))
		for _, other := range cluster.Pods {
			if known[other.Spec.NodeName] && other.UID != pod.UID && (out == nil || other.Spec.NodeName != node.Name || !out(other)) {
				pods = append(pods, other)
			}
		}
		ok, err := o.accepts(ctx, pod, node.Name, internalcache.NewSnapshot(pods, cluster.Nodes))
		if err != nil {
			return nil, err
		}
		if ok {
			fitting = append(fitting, node.Name)
		}
	}
	return fitting, nil
}

func (o *Oracle) accepts(ctx context.Context, pod *corev1.Pod, node string, cluster *internalcache.Snapshot) (bool, error) {
	o.snapshot.SharedLister = cluster
	state := framework.NewCycleState()
	only, status, _ := o.framework.RunPreFilterPlugins(ctx, state, pod)
	if status.Code() == fwk.Error {
		return false, fmt.Errorf("asking whether pod %s/%s fits: %w", pod.Namespace, pod.Name, status.AsError())
	}
	if !status.IsSuccess() || (!only.AllNodes() && !only.NodeNames.Has(node)) {
		return false, nil
	}
	info, err := cluster.NodeInfos().Get(node)
	if err != nil {
		return false, fmt.Errorf("asking about node %s: %w", node, err)
	}
	return o.framework.RunFilterPlugins(ctx, state, pod, info).IsSuccess(), nil
}
