package explain

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// newFramework makes the profile's plugins, over a snapshot. It has all of kube-scheduler's own that say something of a node, but for those
// that are left out, and not the plugin Headroom itself: what that decides the caller asks package selection. That is also why
// NodeResourcesFit does not filter, whose work Headroom's Filter does. Nothing is watched, and no API server is asked.
func newFramework(
	ctx context.Context, profile *schedulerconfig.KubeSchedulerProfile, factory informers.SharedInformerFactory, snapshot *cache.Snapshot,
	leftOut []string,
) (framework.Framework, error) {
	metrics.Register()
	made, err := frameworkruntime.NewFramework(ctx, frameworkplugins.NewInTreeRegistry(), withoutPlugins(profile, leftOut),
		frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithSnapshotSharedLister(snapshot),
		frameworkruntime.WithMutableSnapshotLister(snapshot),
		frameworkruntime.WithPodNominator(nobodyNominated{}), frameworkruntime.WithEventRecorder(silent{}),
		frameworkruntime.WithSharedDRAManager(noDevices{}), frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()),
		frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()))
	if err != nil {
		return nil, fmt.Errorf("making the plugins of the profile %s (a what-if knows kube-scheduler's own plugins and Headroom only): %w",
			profile.SchedulerName, err)
	}
	return made, nil
}

// withoutPlugins is the profile with the plugins that say something of a node, those excepted that are left out, with Headroom and with the
// Filter of NodeResourcesFit. A pod is neither evicted for nor bound.
func withoutPlugins(of *schedulerconfig.KubeSchedulerProfile, leftOut []string) *schedulerconfig.KubeSchedulerProfile {
	profile := of.DeepCopy()
	plugins := profile.Plugins
	out := func(name string) bool { return name == plugin || slices.Contains(leftOut, name) }
	for _, set := range []*schedulerconfig.PluginSet{
		&plugins.PreEnqueue, &plugins.PreFilter, &plugins.Filter, &plugins.PreScore, &plugins.Score, &plugins.MultiPoint,
	} {
		set.Enabled = slices.DeleteFunc(set.Enabled, func(p schedulerconfig.Plugin) bool { return out(p.Name) })
	}
	fit := schedulerconfig.Plugin{Name: names.NodeResourcesFit}
	plugins.Filter.Enabled = slices.DeleteFunc(plugins.Filter.Enabled, func(p schedulerconfig.Plugin) bool { return p.Name == fit.Name })
	plugins.Filter.Disabled = append(plugins.Filter.Disabled, fit)
	none := schedulerconfig.PluginSet{Disabled: []schedulerconfig.Plugin{{Name: "*"}}}
	// Nothing is queued, and how the profile sorts its queue is none of kube-scheduler's own plugins, most often.
	plugins.QueueSort = schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: names.PrioritySort}}, Disabled: none.Disabled}
	plugins.PostFilter, plugins.Reserve, plugins.Permit, plugins.PreBind, plugins.PostBind = none, none, none, none, none
	plugins.Bind = schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: names.DefaultBinder}}, Disabled: none.Disabled}
	profile.PluginConfig = slices.DeleteFunc(profile.PluginConfig, func(c schedulerconfig.PluginConfig) bool { return out(c.Name) })
	return profile
}

// nobodyNominated: no preemption is under way in a quiet cluster.
type nobodyNominated struct{}

func (nobodyNominated) NominatedPodsForNode(string) []fwk.PodInfo                     { return nil }
func (nobodyNominated) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (nobodyNominated) DeleteNominatedPodIfExists(*corev1.Pod)                        {}
func (nobodyNominated) UpdateNominatedPod(klog.Logger, *corev1.Pod, fwk.PodInfo)      {}

// silent writes no events.
type silent struct{ events.EventRecorderLogger }

func (s silent) WithLogger(klog.Logger) events.EventRecorderLogger { return s }

// noDevices: nothing is known of devices, so extended resources count as they stand on the node.
type noDevices struct{ fwk.SharedDRAManager }

func (n noDevices) DeviceClassResolver() fwk.DeviceClassResolver { return n }

func (noDevices) GetDeviceClass(corev1.ResourceName) *resourcev1.DeviceClass { return nil }
