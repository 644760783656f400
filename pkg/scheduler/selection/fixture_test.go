package selection

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/dynamic-resource-allocation/structured"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/test/builders"
)

// proberName is the name of the plugin that stands in for the one that makes dry runs.
const proberName = "Prober"

// prober is a Filter that leaves out what dry runs leave out, and rejects the nodes that a test names.
type prober struct {
	fwk.FilterPlugin
	rejects map[string]bool
}

func (*prober) Name() string { return proberName }

func (*prober) PreFilter(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	return nil, nil
}

func (*prober) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

func (p *prober) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	switch {
	case ctx.Err() != nil:
		return fwk.AsStatus(ctx.Err())
	case p.rejects[info.Node().Name]:
		return fwk.NewStatus(fwk.Unschedulable)
	}
	if victims, _ := dryrun.Without(state); len(victims) > 0 {
		info = dryrun.NodeWithout(info, victims)
	}
	return p.FilterPlugin.Filter(ctx, state, pod, info)
}

// fixture is a Selector in kube-scheduler's default profile, over a snapshot of a cluster. It has no look at nodes nearby, which
// spares pods that need no headroom the rest.
type fixture struct {
	*Selector
	framework framework.Framework
	snapshot  *cache.Snapshot
	prober    *prober
	nominated nominations
	reserved  reservations
	clock     *testingclock.FakeClock
}

// newFixture has these nodes and pods, and a Headroom that is open to all for each that placeholders name.
func newFixture(t *testing.T, nodes []*corev1.Node, pods ...*corev1.Pod) *fixture {
	t.Helper()
	return newFixtureWith(t, nil, nodes, pods...)
}

// newFixtureWith is newFixture with these devices, which DynamicResources allocates; without any it is not in the profile.
func newFixtureWith(t *testing.T, d *devices, nodes []*corev1.Node, pods ...*corev1.Pod) *fixture {
	t.Helper()
	metrics.Register()
	f := &fixture{
		snapshot: cache.NewSnapshot(pods, nodes), prober: &prober{rejects: map[string]bool{}}, nominated: nominations{},
		reserved: reservations{}, clock: testingclock.NewFakeClock(time.Unix(1, 0)),
	}
	known := catalog.New()
	for _, pod := range pods {
		if name := pod.Labels[v1alpha1.LabelHeadroom]; name != "" {
			require.NoError(t, known.Set(hr(name, "1")))
		}
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	registry := frameworkplugins.NewInTreeRegistry()
	newFit := registry[noderesources.Name]
	require.NoError(t, registry.Register(proberName, func(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		fit, err := newFit(ctx, fitArgs(t), handle)
		f.prober.FilterPlugin, _ = fit.(fwk.FilterPlugin)
		return f.prober, err
	}))
	var err error
	options := []frameworkruntime.Option{
		frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithSnapshotSharedLister(f.snapshot),
		frameworkruntime.WithPodNominator(f.nominated),
	}
	if d != nil {
		options = append(options, frameworkruntime.WithSharedDRAManager(d))
	}
	f.framework, err = frameworkruntime.NewFramework(t.Context(), registry, profile(t, d != nil), options...)
	require.NoError(t, err)
	f.Selector = New(Options{
		Handle: f.framework, Profile: dryrun.NewProfile(f.framework, proberName), Inventory: inventory.New(known, nil, f.reserved), Catalog: known,
		Args: args(), Clock: f.clock,
	})
	if d != nil {
		f.Features = feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
		asked, err := dryrun.NewDevices(t.Context(), f.framework, f.Features)
		require.NoError(t, err)
		f.Devices = func(context.Context) *dryrun.Devices { return asked }
	}
	return f
}

func args() *config.HeadroomArgs {
	rules := []config.NodeRule{}
	for i, name := range config.RuleNames() {
		rules = append(rules, config.NodeRule{Name: name, Tier: int32(i + 1), Weight: 1}) //nolint:gosec // a handful
	}
	return &config.HeadroomArgs{TopologyKeys: evictionorder.DefaultTopologyKeys(), NodeRules: rules, MinNodesToScore: 100}
}

// profile is kube-scheduler's default one with the prober in the place of the Filter of NodeResourcesFit.
func profile(t *testing.T, devices bool) *schedulerconfig.KubeSchedulerProfile {
	t.Helper()
	defaults, err := latest.Default()
	require.NoError(t, err)
	p := defaults.Profiles[0].DeepCopy()
	enabled := &p.Plugins.MultiPoint.Enabled
	*enabled = slices.DeleteFunc(*enabled, func(plugin schedulerconfig.Plugin) bool { return plugin.Name == "DynamicResources" && !devices })
	*enabled = append(*enabled, schedulerconfig.Plugin{Name: proberName})
	p.Plugins.Filter.Disabled = []schedulerconfig.Plugin{{Name: noderesources.Name}}
	return p
}

func fitArgs(t *testing.T) runtime.Object {
	t.Helper()
	for _, plugin := range profile(t, false).PluginConfig {
		if plugin.Name == noderesources.Name {
			return plugin.Args
		}
	}
	return nil
}

// consumer returns a pod as a consumer, after a look at the snapshot.
func (f *fixture) consumer(t *testing.T, pod *corev1.Pod) *Consumer {
	t.Helper()
	f.refresh(t)
	c := f.Consumer(pod)
	require.NotNil(t, c)
	return c
}

// refresh looks at the snapshot.
func (f *fixture) refresh(t *testing.T) {
	t.Helper()
	nodes, err := f.snapshot.NodeInfos().List()
	require.NoError(t, err)
	f.Inventory.Refresh(nodes, true)
}

// selected returns the swap for a pod.
func (f *fixture) selected(ctx context.Context, t *testing.T, pod *corev1.Pod) *Swap {
	t.Helper()
	return f.Select(ctx, f.run(t, pod), f.consumer(t, pod)).Swap
}

// run returns a dry run of the cycle of a pod, once all PreFilter plugins have run in it.
func (f *fixture) run(t *testing.T, pod *corev1.Pod) *dryrun.Run {
	t.Helper()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	return f.Profile.NewRun(state, pod)
}

// requireSwap fails the test unless a pod is to go to the node in the place of these placeholders; no node means no swap.
func (f *fixture) requireSwap(t *testing.T, pod *corev1.Pod, node string, victims ...string) {
	t.Helper()
	swap := f.selected(t.Context(), t, pod)
	if node == "" {
		require.Nil(t, swap)
		return
	}
	require.NotNil(t, swap)
	require.Equal(t, node, swap.Node)
	var names []string
	for _, victim := range swap.Victims {
		names = append(names, victim.Name)
	}
	require.ElementsMatch(t, victims, names)
}

// nominate nominates a pod to a node.
func (f *fixture) nominate(t *testing.T, pod *corev1.Pod, node string) {
	t.Helper()
	info, err := framework.NewPodInfo(pod)
	require.NoError(t, err)
	f.nominated[node] = append(f.nominated[node], info)
}

// assume puts a pod on its node in the snapshot.
func (f *fixture) assume(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	info, err := framework.NewPodInfo(pod)
	require.NoError(t, err)
	require.NoError(t, f.snapshot.AssumePod(info))
}

// move moves a node to a zone.
func (f *fixture) move(t *testing.T, name, zone string) {
	t.Helper()
	f.relabel(t, name, corev1.LabelTopologyZone, zone)
}

// relabel gives a node another value of a label.
func (f *fixture) relabel(t *testing.T, name, key, value string) {
	t.Helper()
	info, err := f.snapshot.NodeInfos().Get(name)
	require.NoError(t, err)
	moved := info.Node().DeepCopy()
	moved.Labels[key] = value
	info.(*framework.NodeInfo).SetNode(moved)
}

// nominations are the pods nominated to each node.
type nominations map[string][]fwk.PodInfo

func (n nominations) NominatedPodsForNode(node string) []fwk.PodInfo                { return n[node] }
func (n nominations) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (n nominations) DeleteNominatedPodIfExists(*corev1.Pod)                        {}
func (n nominations) UpdateNominatedPod(klog.Logger, *corev1.Pod, fwk.PodInfo)      {}

// reservations are a set of UIDs.
type reservations map[types.UID]bool

func (r reservations) Reserved(uid types.UID) bool                  { return r[uid] }
func (r reservations) Stays(types.UID) bool                         { return false }
func (r reservations) ObserveNode(string, func(uid types.UID) bool) {}

// gpu is an extended resource that a DeviceClass maps.
const gpu = "example.com/gpu"

// nic is another one.
const nic = "example.com/nic"

// devices are what the scheduler knows of devices: one slice of them, which every node reaches, and the claims that hold some.
type devices struct {
	fwk.ResourceClaimTracker
	names  []string
	claims []*resourcev1.ResourceClaim
	// asked is how often DynamicResources looked at what is held, and broken the time at which that fails, zero if it never does.
	asked, broken int
}

func (d *devices) ResourceClaims() fwk.ResourceClaimTracker                    { return d }
func (d *devices) ResourceSlices() fwk.ResourceSliceLister                     { return d }
func (d *devices) DeviceClasses() fwk.DeviceClassLister                        { return classes{} }
func (d *devices) DeviceClassResolver() fwk.DeviceClassResolver                { return classes{} }
func (d *devices) List() ([]*resourcev1.ResourceClaim, error)                  { return d.claims, nil }
func (d *devices) GetPendingAllocation(types.UID) *resourcev1.AllocationResult { return nil }

func (d *devices) Get(namespace, name string) (*resourcev1.ResourceClaim, error) {
	for _, claim := range d.claims {
		if claim.Namespace == namespace && claim.Name == name {
			return claim, nil
		}
	}
	return nil, assumecache.ErrNotFound
}

func (d *devices) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	held := sets.New[structured.DeviceID]()
	for _, claim := range d.claims {
		for _, result := range claim.Status.Allocation.Devices.Results {
			held.Insert(structured.MakeDeviceID(result.Driver, result.Pool, result.Device))
		}
	}
	return held, nil
}

func (d *devices) GatherAllocatedState() (*structured.AllocatedState, error) {
	if d.asked++; d.asked == d.broken {
		return nil, errors.New("nobody knows what is held")
	}
	held, err := d.ListAllAllocatedDevices()
	return &structured.AllocatedState{
		AllocatedDevices: held, AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity: structured.NewConsumedCapacityCollection(),
	}, err
}

func (d *devices) ListWithDeviceTaintRules() ([]*resourcev1.ResourceSlice, error) {
	slice := &resourcev1.ResourceSlice{Spec: resourcev1.ResourceSliceSpec{
		Driver: "driver", Pool: resourcev1.ResourcePool{Name: "pool", ResourceSliceCount: 1}, AllNodes: ptr.To(true),
	}}
	for _, name := range d.names {
		slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{Name: name})
	}
	return []*resourcev1.ResourceSlice{slice}, nil
}

// allocate lets a pod that asks for devices as an extended resource hold some, as the scheduler writes it down.
func (d *devices) allocate(pod *corev1.Pod, names ...string) *corev1.Pod {
	claim := &resourcev1.ResourceClaim{}
	claim.Namespace, claim.Name, claim.UID = pod.Namespace, "claim-"+string(pod.UID), "claim-"+pod.UID
	claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))}
	claim.Status.Allocation = &resourcev1.AllocationResult{}
	for _, name := range names {
		claim.Status.Allocation.Devices.Results = append(claim.Status.Allocation.Devices.Results,
			resourcev1.DeviceRequestAllocationResult{Driver: "driver", Pool: "pool", Device: name})
	}
	d.claims = append(d.claims, claim)
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: claim.Name}
	return pod
}

// classes are a DeviceClass for all devices, which maps gpu, and which stands for that of nic, too.
type classes struct{}

func (classes) class() *resourcev1.DeviceClass {
	class := &resourcev1.DeviceClass{Spec: resourcev1.DeviceClassSpec{ExtendedResourceName: ptr.To(gpu)}}
	class.Name = "class"
	return class
}

func (c classes) List() ([]*resourcev1.DeviceClass, error) {
	return []*resourcev1.DeviceClass{c.class()}, nil
}
func (c classes) Get(string) (*resourcev1.DeviceClass, error) { return c.class(), nil }

func (c classes) GetDeviceClass(resource corev1.ResourceName) *resourcev1.DeviceClass {
	if resource != gpu && resource != nic {
		return nil
	}
	return c.class()
}

func res(cpu string) builders.Resources { return builders.Resources{"cpu": cpu} }

func hr(name, cpu string) *v1alpha1.Headroom {
	return builders.Headroom(name, res(cpu)).Namespace("default").UID("uid-" + types.UID(name)).Obj()
}

// forApp is a Headroom of units of one core for the pods of an app.
func forApp(name, app string) *v1alpha1.Headroom {
	h := hr(name, "1")
	h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
	return h
}

// node is a node of that much CPU.
func node(name, zone, cpu string) *corev1.Node { return builders.Node(name, zone, res(cpu)).Obj() }

// unit is placeholder number i, of one core, of the Headroom open.
func unit(i int, node string) *corev1.Pod { return unitOf("open", i, node).Obj() }

// unitOf is placeholder number i, of one core, of a Headroom.
func unitOf(headroom string, i int, node string) *st.PodWrapper {
	pod := builders.Placeholder(hr(headroom, "1"), i).Node(node)
	return pod.UID(pod.Obj().Name)
}

// reservedUnitOf is unitOf for a unit of reserved headroom.
func reservedUnitOf(headroom string, i int, node string) *st.PodWrapper {
	pod := builders.ReservedUnit(hr(headroom, "1"), i).Node(node)
	return pod.UID(pod.Obj().Name)
}

func on(node, name, cpu string) *st.PodWrapper {
	return builders.Consumer(name, res(cpu)).Namespace("default").UID(name).Node(node)
}

func wants(cpu string) *st.PodWrapper {
	return builders.Consumer("consumer", res(cpu)).Namespace("default").UID("consumer")
}
