package dryrun

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// Name of the plugin in whose PreFilter dry runs are made. It does nothing itself.
const Name = "Prober"

type prober struct{}

func (prober) Name() string { return Name }

func (prober) PreFilter(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	return nil, nil
}

func (prober) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// fixture is a profile of kube-scheduler's default plugins and the prober, over a snapshot of a cluster.
type fixture struct {
	framework framework.Framework
	profile   *Profile
	snapshot  *cache.Snapshot
}

// cluster is what a fixture is made of.
type cluster struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	// others are more objects of the API server: services.
	others []runtime.Object
	// spread changes the profile's default spread constraints.
	spread func(*schedulerconfig.PodTopologySpreadArgs)
	// arrange changes which plugins the profile enables where.
	arrange func(*schedulerconfig.Plugins)
}

func newFixture(t *testing.T, c cluster) *fixture {
	t.Helper()
	metrics.Register()
	defaults, err := latest.Default()
	require.NoError(t, err)
	profile := defaults.Profiles[0].DeepCopy()
	enabled := &profile.Plugins.MultiPoint.Enabled
	*enabled = slices.DeleteFunc(*enabled, func(plugin schedulerconfig.Plugin) bool { return plugin.Name == "DynamicResources" })
	*enabled = append(*enabled, schedulerconfig.Plugin{Name: Name})
	if c.arrange != nil {
		c.arrange(profile.Plugins)
	}
	for i := range profile.PluginConfig {
		if args, ok := profile.PluginConfig[i].Args.(*schedulerconfig.PodTopologySpreadArgs); ok && c.spread != nil {
			c.spread(args)
		}
	}
	registry := frameworkplugins.NewInTreeRegistry()
	require.NoError(t, registry.Register(Name, func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
		return prober{}, nil
	}))
	client := fake.NewClientset(c.others...)
	factory := informers.NewSharedInformerFactory(client, 0)
	for _, object := range c.others {
		require.NoError(t, factory.Core().V1().Services().Informer().GetStore().Add(object))
	}
	f := &fixture{snapshot: cache.NewSnapshot(c.pods, c.nodes)}
	f.framework, err = frameworkruntime.NewFramework(t.Context(), registry, profile, frameworkruntime.WithClientSet(client),
		frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithSnapshotSharedLister(f.snapshot),
		frameworkruntime.WithMutableSnapshotLister(f.snapshot), frameworkruntime.WithPodNominator(nobodyNominated{}))
	require.NoError(t, err)
	f.profile = NewProfile(f.framework, Name)
	return f
}

// nodes returns nodes of the snapshot.
func (f *fixture) nodes(t *testing.T, names ...string) []fwk.NodeInfo {
	t.Helper()
	var nodes []fwk.NodeInfo
	for _, name := range names {
		info, err := f.snapshot.NodeInfos().Get(name)
		require.NoError(t, err)
		nodes = append(nodes, info)
	}
	return nodes
}

func res(cpu string) builders.Resources { return builders.Resources{"cpu": cpu} }

func on(node, name, cpu string) *corev1.Pod {
	return builders.Consumer(name, res(cpu)).Namespace("default").UID(name).Node(node).Obj()
}

func wants(cpu string) *st.PodWrapper {
	return builders.Consumer("consumer", res(cpu)).Namespace("default").UID("consumer")
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

// nobodyNominated is a nominator for clusters without a preemption.
type nobodyNominated struct{}

func (nobodyNominated) NominatedPodsForNode(string) []fwk.PodInfo                     { return nil }
func (nobodyNominated) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (nobodyNominated) DeleteNominatedPodIfExists(*corev1.Pod)                        {}
func (nobodyNominated) UpdateNominatedPod(klog.Logger, *corev1.Pod, fwk.PodInfo)      {}
