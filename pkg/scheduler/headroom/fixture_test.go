package headroom

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/config"
	_ "github.com/headroom-dev/headroom/api/config/scheme"
	argsv1 "github.com/headroom-dev/headroom/api/config/v1"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
)

// fixture is the plugin in a profile of kube-scheduler's default plugins, over a snapshot of a cluster.
type fixture struct {
	*Plugin
	framework framework.Framework
	client    *fake.Clientset
	factory   informers.SharedInformerFactory
	snapshot  *cache.Snapshot
	nodes     []fwk.NodeInfo
	events    *events.FakeRecorder
	nominated nominations
	// activated are the names of the pods that the scheduler was made to try again.
	activated activations
}

// cluster is what a fixture is made of.
type cluster struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	// headrooms, where they are not open to all.
	headrooms []*v1alpha1.Headroom
	// unknown leaves out what headrooms does not name.
	unknown bool
	// others are more objects of the API server, for example namespaces.
	others []runtime.Object
	// pending are pods that exist but are on no node.
	pending []*corev1.Pod
	change  func(*config.HeadroomArgs)
	// extenders of the scheduler.
	extenders []fwk.Extender
	// devices is the extended resource behind which dynamic resource allocation stands on nodes that have none of it.
	devices corev1.ResourceName
	// manager has the plugin DynamicResources in the profile, to which it is what the scheduler knows of devices.
	manager fwk.SharedDRAManager
	// signed drops the default spread constraints from the profile, so that plain pods have a signature, as in manifests/scheduler.
	signed bool
	// spread changes the profile's default spread constraints.
	spread func(*schedulerconfig.PodTopologySpreadArgs)
	// ignored are resources that the profile's NodeResourcesFit is told to ignore.
	ignored []string
	// stock leaves the plugin out.
	stock bool
	// config is for the API server that has Headrooms, nil if there is none.
	config *rest.Config
	// arrange changes which plugins the profile enables where.
	arrange func(*schedulerconfig.Plugins)
}

func newFixture(tb testing.TB, c cluster) *fixture {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	metrics.Register()
	client := fake.NewClientset(c.others...)
	factory := informers.NewSharedInformerFactory(client, 0)
	f := &fixture{client: client, snapshot: cache.NewSnapshot(c.pods, c.nodes), events: events.NewFakeRecorder(100), nominated: nominations{}}
	f.factory = factory
	var err error
	f.framework, err = frameworkruntime.NewFramework(ctx, registry(tb), profile(tb, &c), f.options(&c)...)
	require.NoError(tb, err)
	for _, plugin := range f.framework.EnqueueExtensions() {
		if own, ok := plugin.(*Plugin); ok {
			f.Plugin = own
		}
	}
	require.NotNil(tb, f.Plugin)
	f.startedBefore()
	f.framework.SetPodActivator(&f.activated)
	for _, pod := range append(c.pods, c.pending...) {
		require.NoError(tb, factory.Core().V1().Pods().Informer().GetStore().Add(pod))
	}
	for _, object := range c.others {
		switch object.(type) {
		case *corev1.Namespace:
			require.NoError(tb, factory.Core().V1().Namespaces().Informer().GetStore().Add(object))
		case *corev1.Service:
			require.NoError(tb, factory.Core().V1().Services().Informer().GetStore().Add(object))
		}
	}
	for _, h := range append(c.ownersOfPlaceholders(), c.headrooms...) {
		require.NoError(tb, f.shared.catalog.Set(h))
	}
	f.nodes, err = f.snapshot.NodeInfos().List()
	require.NoError(tb, err)
	return f
}

// startedBefore has the plugin know pods for long enough to tell which room is young.
func (f *fixture) startedBefore() {
	now := f.shared.holes.Clock
	f.shared.holes.Clock = testingclock.NewFakePassiveClock(now.Now().Add(-holes.FreeFor))
	f.shared.holes.PodChanged(nil, wants("1").Name("earlier").UID("earlier").Node("elsewhere").Obj())
	f.shared.holes.Clock = now
}

// registry has kube-scheduler's own plugins and the plugin.
func registry(tb testing.TB) frameworkruntime.Registry {
	tb.Helper()
	registry := frameworkplugins.NewInTreeRegistry()
	require.NoError(tb, registry.Register(Name, New))
	return registry
}

// options are what a profile is made of.
func (f *fixture) options(c *cluster) []frameworkruntime.Option {
	return []frameworkruntime.Option{
		frameworkruntime.WithClientSet(f.client), frameworkruntime.WithInformerFactory(f.factory),
		frameworkruntime.WithSnapshotSharedLister(f.snapshot), frameworkruntime.WithMutableSnapshotLister(f.snapshot),
		frameworkruntime.WithPodNominator(f.nominated), frameworkruntime.WithExtenders(c.extenders),
		frameworkruntime.WithEventRecorder(recorder{f.events}), frameworkruntime.WithParallelism(2), frameworkruntime.WithKubeConfig(c.config),
		frameworkruntime.WithSharedDRAManager(c.dra()),
		frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()), frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()),
	}
}

// dra is what the scheduler knows of devices.
func (c *cluster) dra() fwk.SharedDRAManager {
	if c.manager != nil {
		return c.manager
	}
	return deviceClasses{resource: c.devices}
}

// ownersOfPlaceholders returns a Headroom that is open to all for each that placeholders name.
func (c *cluster) ownersOfPlaceholders() []*v1alpha1.Headroom {
	var owners []*v1alpha1.Headroom
	for _, pod := range c.pods {
		if name := pod.Labels[v1alpha1.LabelHeadroom]; name != "" && !c.unknown {
			owners = append(owners, hr(name, "1"))
		}
	}
	return owners
}

// profile returns kube-scheduler's default profile with the plugin in it, its arguments at their defaults but for one change.
func profile(tb testing.TB, c *cluster) *schedulerconfig.KubeSchedulerProfile {
	tb.Helper()
	defaults, err := latest.Default()
	require.NoError(tb, err)
	p := defaults.Profiles[0].DeepCopy()
	own := []schedulerconfig.Plugin{{Name: Name}}
	// DynamicResources would want a manager of its resources.
	p.Plugins.MultiPoint.Enabled = append(slices.DeleteFunc(p.Plugins.MultiPoint.Enabled, func(plugin schedulerconfig.Plugin) bool {
		return plugin.Name == "DynamicResources" && c.manager == nil
	}), own...)
	p.Plugins.Filter.Disabled = []schedulerconfig.Plugin{{Name: "NodeResourcesFit"}}
	p.Plugins.PostFilter = schedulerconfig.PluginSet{
		Enabled: append(own, schedulerconfig.Plugin{Name: "DefaultPreemption"}), Disabled: []schedulerconfig.Plugin{{Name: "DefaultPreemption"}},
	}
	p.Plugins.Bind = schedulerconfig.PluginSet{
		Enabled: append(own, schedulerconfig.Plugin{Name: "DefaultBinder"}), Disabled: []schedulerconfig.Plugin{{Name: "DefaultBinder"}},
	}
	if c.stock {
		for i := range p.PluginConfig {
			if spread, ok := p.PluginConfig[i].Args.(*schedulerconfig.PodTopologySpreadArgs); ok && c.signed {
				spread.DefaultingType = schedulerconfig.ListDefaulting
			}
		}
		p.Plugins.MultiPoint.Enabled = slices.DeleteFunc(p.Plugins.MultiPoint.Enabled, func(plugin schedulerconfig.Plugin) bool {
			return plugin.Name == Name
		})
		p.Plugins.Filter, p.Plugins.PostFilter, p.Plugins.Bind = schedulerconfig.PluginSet{}, schedulerconfig.PluginSet{}, schedulerconfig.PluginSet{}
		return p
	}
	args := &config.HeadroomArgs{}
	versioned := &argsv1.HeadroomArgs{}
	argsv1.SetDefaultsHeadroomArgs(versioned)
	require.NoError(tb, schedulerscheme.Scheme.Convert(versioned, args, nil))
	if c.change != nil {
		c.change(args)
	}
	if c.arrange != nil {
		c.arrange(p.Plugins)
	}
	for i := range p.PluginConfig {
		spread, ok := p.PluginConfig[i].Args.(*schedulerconfig.PodTopologySpreadArgs)
		if ok && c.signed {
			spread.DefaultingType = schedulerconfig.ListDefaulting
		}
		if ok && c.spread != nil {
			c.spread(spread)
		}
		if fit, ok := p.PluginConfig[i].Args.(*schedulerconfig.NodeResourcesFitArgs); ok {
			fit.IgnoredResources = c.ignored
		}
	}
	p.PluginConfig = append(p.PluginConfig, schedulerconfig.PluginConfig{Name: Name, Args: args})
	return p
}

// decided runs the PreFilter plugins for a pod and returns what the plugin decided.
func (f *fixture) decided(tb testing.TB, pod *corev1.Pod) (*cycle, *framework.CycleState) {
	tb.Helper()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(context.Background(), state, pod)
	require.True(tb, status.IsSuccess(), status.Message())
	c := cycleOf(state)
	require.NotNil(tb, c)
	return c, state
}

// take puts a pod where the plugin decided, as the scheduler does once a cycle is through.
func (f *fixture) take(tb testing.TB, pod *corev1.Pod, c *cycle, state *framework.CycleState) {
	tb.Helper()
	pod.Spec.NodeName = c.swap.Node
	info, err := framework.NewPodInfo(pod)
	require.NoError(tb, err)
	require.NoError(tb, f.snapshot.AssumePod(info))
	f.Reserve(context.Background(), state, pod, c.swap.Node)
}

// recorder lets client-go's fake recorder stand in for the scheduler's.
type recorder struct{ *events.FakeRecorder }

// nominations are the pods nominated to each node.
type nominations map[string][]fwk.PodInfo

func (n nominations) NominatedPodsForNode(node string) []fwk.PodInfo                { return n[node] }
func (n nominations) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}

func (n nominations) DeleteNominatedPodIfExists(pod *corev1.Pod) {
	for node, infos := range n {
		n[node] = slices.DeleteFunc(infos, func(info fwk.PodInfo) bool { return info.GetPod().UID == pod.UID })
	}
}

func (n nominations) UpdateNominatedPod(klog.Logger, *corev1.Pod, fwk.PodInfo) {}

// activations are the names of pods.
type activations []string

func (a *activations) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	for _, pod := range pods {
		*a = append(*a, pod.Name)
	}
}

// deviceClasses is one DeviceClass, which maps an extended resource.
type deviceClasses struct {
	fwk.SharedDRAManager
	resource corev1.ResourceName
}

func (d deviceClasses) DeviceClassResolver() fwk.DeviceClassResolver { return d }

func (d deviceClasses) GetDeviceClass(resource corev1.ResourceName) *resourcev1.DeviceClass {
	if resource != d.resource {
		return nil
	}
	return &resourcev1.DeviceClass{}
}

// service makes pods of a kind the ones that default spread constraints are about.
func service(app string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: app, Namespace: "default"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": app},
	}}
}

// spreadByDefault gives a profile a default spread constraint that must be met.
func spreadByDefault(args *schedulerconfig.PodTopologySpreadArgs) {
	args.DefaultingType = schedulerconfig.ListDefaulting
	args.DefaultConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
	}}
}

// goFirst lets the plugin's PreFilter run before all others.
func goFirst(plugins *schedulerconfig.Plugins) {
	plugins.PreFilter.Enabled = []schedulerconfig.Plugin{{Name: Name}}
}
