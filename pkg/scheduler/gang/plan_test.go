package gang

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	tf "k8s.io/kubernetes/pkg/scheduler/testing/framework"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// proberName is the name of the plugin that stands in for the one that makes dry runs.
const proberName = "Prober"

// prober is a Filter that leaves out what dry runs leave out, rejects the nodes that a test names, and counts how often it is asked.
type prober struct {
	fwk.FilterPlugin
	rejects map[string]bool
	asked   map[string]int
}

func (*prober) Name() string { return proberName }

func (*prober) PreFilter(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if pod.Labels["rejected"] != "" {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable)
	}
	return nil, nil
}

func (*prober) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

func (*prober) Score(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ fwk.NodeInfo) (int64, *fwk.Status) {
	if pod.Labels["unscored"] != "" {
		return 0, fwk.NewStatus(fwk.Error, "no score")
	}
	return 0, nil
}

func (*prober) ScoreExtensions() fwk.ScoreExtensions { return nil }

func (p *prober) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	p.asked[pod.Name]++
	if p.rejects[info.Node().Name] {
		return fwk.NewStatus(fwk.Unschedulable)
	}
	if victims, _ := dryrun.Without(state); len(victims) > 0 {
		info = dryrun.NodeWithout(info, victims)
	}
	return p.FilterPlugin.Filter(ctx, state, pod, info)
}

// nobodyNominated is a nominator for clusters without a preemption.
type nobodyNominated struct{}

func (nobodyNominated) NominatedPodsForNode(string) []fwk.PodInfo                     { return nil }
func (nobodyNominated) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (nobodyNominated) DeleteNominatedPodIfExists(*corev1.Pod)                        {}
func (nobodyNominated) UpdateNominatedPod(klog.Logger, *corev1.Pod, fwk.PodInfo)      {}

// noneReserved are no reservations.
type noneReserved struct{}

func (noneReserved) Reserved(types.UID) bool                      { return false }
func (noneReserved) Stays(types.UID) bool                         { return false }
func (noneReserved) ObserveNode(string, func(uid types.UID) bool) {}
func nothingWithheld(types.NamespacedName) bool                   { return false }
func withholds(headroom string) func(headroom types.NamespacedName) bool {
	return func(name types.NamespacedName) bool { return name == named(headroom) }
}

// planned is a Planner in kube-scheduler's default profile, over a snapshot of a cluster.
type planned struct {
	*Planner
	framework framework.Framework
	snapshot  *cache.Snapshot
	prober    *prober
}

// planner has these nodes, of two cores each, these pods, and a Headroom that is open to all for each that placeholders name.
func planner(t *testing.T, nodes []string, pods []*st.PodWrapper, extenders ...fwk.Extender) *planned {
	t.Helper()
	return plannerWith(t, nil, nodes, pods, extenders...)
}

// plannerWith is planner with a device, which DynamicResources allocates; without one it is not in the profile.
func plannerWith(t *testing.T, d *device, nodes []string, pods []*st.PodWrapper, extenders ...fwk.Extender) *planned {
	t.Helper()
	metrics.Register()
	known, objects, running := catalog.New(), []*corev1.Node{}, []*corev1.Pod{}
	for _, name := range nodes {
		objects = append(objects, builders.Node(name, "z", builders.Resources{"cpu": "2", "memory": "4Gi"}).Obj())
	}
	for _, wrapped := range pods {
		running = append(running, wrapped.Obj())
		if controller := metav1.GetControllerOf(wrapped.Obj()); controller != nil {
			require.NoError(t, known.Set(builders.Headroom(controller.Name, nil).Namespace("default").UID(controller.UID).Obj()))
		}
	}
	p := &planned{snapshot: cache.NewSnapshot(running, objects), prober: &prober{rejects: map[string]bool{}, asked: map[string]int{}}}
	defaults, err := latest.Default()
	require.NoError(t, err)
	profile := defaults.Profiles[0].DeepCopy()
	enabled := &profile.Plugins.MultiPoint.Enabled
	*enabled = slices.DeleteFunc(*enabled, func(plugin schedulerconfig.Plugin) bool { return plugin.Name == "DynamicResources" && d == nil })
	*enabled = append(*enabled, schedulerconfig.Plugin{Name: proberName})
	profile.Plugins.Filter.Disabled = []schedulerconfig.Plugin{{Name: noderesources.Name}}
	registry := frameworkplugins.NewInTreeRegistry()
	newFit := registry[noderesources.Name]
	require.NoError(t, registry.Register(proberName, func(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		i := slices.IndexFunc(profile.PluginConfig, func(c schedulerconfig.PluginConfig) bool { return c.Name == noderesources.Name })
		fit, err := newFit(ctx, profile.PluginConfig[i].Args, handle)
		p.prober.FilterPlugin, _ = fit.(fwk.FilterPlugin)
		return p.prober, err
	}))
	options := []frameworkruntime.Option{
		frameworkruntime.WithInformerFactory(informers.NewSharedInformerFactory(fake.NewClientset(), 0)),
		frameworkruntime.WithSnapshotSharedLister(p.snapshot), frameworkruntime.WithMutableSnapshotLister(p.snapshot),
		frameworkruntime.WithPodNominator(nobodyNominated{}), frameworkruntime.WithExtenders(extenders),
	}
	if d != nil {
		options = append(options, frameworkruntime.WithSharedDRAManager(d))
	}
	p.framework, err = frameworkruntime.NewFramework(t.Context(), registry, profile, options...)
	require.NoError(t, err)
	args := &config.HeadroomArgs{TopologyKeys: evictionorder.DefaultTopologyKeys(), MinNodesToScore: 100}
	for i, name := range config.RuleNames() {
		args.NodeRules = append(args.NodeRules, config.NodeRule{Name: name, Tier: int32(i + 1), Weight: 1}) //nolint:gosec // a handful
	}
	inv := inventory.New(known, nil, noneReserved{})
	p.Planner = &Planner{
		Profile:    dryrun.NewProfile(p.framework, proberName),
		HeadroomOf: func(pod *corev1.Pod) (types.NamespacedName, bool) { return placeholder.HeadroomOf(pod, nil) },
		Refresh: func() bool {
			infos, err := p.snapshot.NodeInfos().List()
			require.NoError(t, err)
			inv.Refresh(infos, true)
			return true
		},
	}
	p.Selector = selection.New(selection.Options{
		Handle: p.framework, Profile: p.Profile, Inventory: inv, Catalog: known, Args: args, Clock: testingclock.NewFakeClock(time.Unix(1, 0)),
	})
	p.Refresh()
	return p
}

// plan places members, and fails the test unless the snapshot and the inventory are as they were before.
func (p *planned) plan(t *testing.T, needed int, withheld func(types.NamespacedName) bool, members ...*st.PodWrapper) *Plan {
	t.Helper()
	before, placeholders := p.podsByNode(t), p.Selector.Inventory.Placeholders()
	plan, err := p.Plan(t.Context(), objects(members), needed, withheld)
	require.NoError(t, err)
	require.Equal(t, before, p.podsByNode(t), "what was tried on paper is undone")
	require.Equal(t, placeholders, p.Selector.Inventory.Placeholders(), "and no placeholder is missed")
	return plan
}

func (p *planned) podsByNode(t *testing.T) map[string][]string {
	t.Helper()
	infos, err := p.snapshot.NodeInfos().List()
	require.NoError(t, err)
	pods := map[string][]string{}
	for _, info := range infos {
		for _, pod := range info.GetPods() {
			pods[info.Node().Name] = append(pods[info.Node().Name], pod.GetPod().Name)
		}
	}
	return pods
}

func objects(wrapped []*st.PodWrapper) (pods []*corev1.Pod) {
	for _, pod := range wrapped {
		pods = append(pods, pod.Obj())
	}
	return pods
}

// places are the nodes of the members that have one, by their names.
func (plan *Plan) places() map[string]string {
	nodes := map[string]string{}
	for _, place := range plan.Places {
		nodes[place.Pod.Name] = place.Node
	}
	return nodes
}

func namesOf(pods []*corev1.Pod) (names []string) {
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	return names
}

// waits is a pod of a core that waits, holds a placeholder of a core, and runs a pod of a core that runs.
func waits(name string) *st.PodWrapper {
	return builders.Consumer(name, builders.Resources{"cpu": "1"}).Namespace("default").UID(name)
}

func holds(headroom string, i int, node string) *st.PodWrapper {
	of := builders.Headroom(headroom, builders.Resources{"cpu": "1"}).Namespace("default").UID(types.UID(headroom)).Obj()
	pod := builders.Placeholder(of, i)
	return pod.UID(pod.Obj().Name).Node(node)
}

func runs(name, node string) *st.PodWrapper { return waits(name).Node(node) }

func TestMembersGoWhereTheyFitAndThenWherePlaceholdersMakeRoom(t *testing.T) {
	p := planner(t, []string{"a", "b"}, []*st.PodWrapper{
		runs("r", "a"), holds("spare", 0, "b"), holds("spare", 1, "b"),
	})
	plan := p.plan(t, 3, nothingWithheld, waits("x"), waits("y"), waits("z"))
	require.Equal(t, map[string]string{"x": "a", "y": "b", "z": "b"}, plan.places())
	require.Equal(t, []string{"x", "y", "z"}, []string{plan.Places[0].Pod.Name, plan.Places[1].Pod.Name, plan.Places[2].Pod.Name})
	require.Empty(t, plan.Places[0].Why, "it fits as it is")
	require.NotEmpty(t, plan.Places[1].Why)
	require.ElementsMatch(t, []string{"spare-headroom-0", "spare-headroom-1"}, namesOf(plan.Units["b"]), "each takes one of its own")
	require.Empty(t, plan.Units["a"])
	require.Equal(t, []types.NamespacedName{named("spare")}, plan.Headrooms, "once, however many of its units go")
	require.Empty(t, plan.Unplaced)
}

func TestAMemberTakesWhatOneBeforeItLeftOver(t *testing.T) {
	large := builders.Placeholder(builders.Headroom("spare", builders.Resources{"cpu": "2"}).Namespace("default").UID("spare").Obj(), 0)
	p := planner(t, []string{"a"}, []*st.PodWrapper{large.UID("large").Node("a")})
	plan := p.plan(t, 2, nothingWithheld, waits("x"), waits("y"))
	require.Equal(t, map[string]string{"x": "a", "y": "a"}, plan.places())
	require.Len(t, plan.Units["a"], 1)
	require.Positive(t, plan.Places[0].Waste, "a core of the unit beyond what the first one lacks")
	require.Zero(t, plan.Places[1].Waste)
}

func TestNoMoreMembersArePlacedThanAreNeeded(t *testing.T) {
	p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), holds("spare", 1, "a")})
	plan := p.plan(t, 1, nothingWithheld, waits("x"), waits("y"))
	require.Equal(t, map[string]string{"x": "a"}, plan.places())
	require.Len(t, plan.Units["a"], 1)
	require.Empty(t, plan.Unplaced, "the other one was not looked at")
}

func TestWhatIsWithheldIsNotTaken(t *testing.T) {
	pods := []*st.PodWrapper{holds("spare", 0, "a"), holds("spare", 1, "a"), holds("other", 0, "b"), runs("r", "b")}
	p := planner(t, []string{"a", "b"}, pods)
	plan := p.plan(t, 2, withholds("spare"), waits("x"), waits("y"))
	require.Equal(t, map[string]string{"x": "b"}, plan.places())
	require.Equal(t, []types.NamespacedName{named("other")}, plan.Headrooms)
	require.Equal(t, []string{"y"}, namesOf(plan.Unplaced))
}

func TestEachHeadroomOfWhichAMemberTakesCounts(t *testing.T) {
	p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), holds("other", 0, "a")})
	plan := p.plan(t, 1, nothingWithheld, builders.Consumer("x", builders.Resources{"cpu": "2"}).Namespace("default").UID("x"))
	require.Equal(t, map[string]string{"x": "a"}, plan.places())
	require.ElementsMatch(t, []types.NamespacedName{named("spare"), named("other")}, plan.Headrooms)
	require.Len(t, plan.Units["a"], 2)
}

func TestAMemberForWhichPluginsFailIsNamed(t *testing.T) {
	p := planner(t, []string{"a", "b"}, nil)
	before := p.podsByNode(t)
	members := objects([]*st.PodWrapper{waits("x"), waits("y").Label("unscored", "yes"), waits("z")})
	_, err := p.Plan(t.Context(), members, 3, nothingWithheld)
	require.ErrorContains(t, err, "looking for a node for pod default/y of a group")
	require.ErrorContains(t, err, "no score")
	require.Equal(t, before, p.podsByNode(t), "what was tried on paper is undone")
}

// TestAMemberGoesNowhereUnlessWhatIsInItsWayIsTaken: it would be on a node that has no room for it.
func TestAMemberGoesNowhereUnlessWhatIsInItsWayIsTaken(t *testing.T) {
	p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), holds("spare", 1, "a")})
	before := p.podsByNode(t)
	err := p.Profile.OnChangedSnapshot(func(snapshot fwk.MutableSnapshotSharedLister) error {
		err := change(t.Context(), snapshot, &Place{Pod: waits("x").Obj(), Node: "a"}, objects([]*st.PodWrapper{holds("spare", 2, "a")}))
		require.Equal(t, before, p.podsByNode(t))
		return err
	})
	require.ErrorContains(t, err, "taking pod default/spare-headroom-2")
}

func TestAPlaceholderOfNoHeadroomCountsForNone(t *testing.T) {
	p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), runs("r", "a")})
	p.HeadroomOf = func(*corev1.Pod) (types.NamespacedName, bool) { return named("spare"), false }
	require.Empty(t, p.plan(t, 1, nothingWithheld, waits("x")).Headrooms, "it was taken from its Headroom meanwhile")
}

func TestAMemberThatPluginsRejectHasNoPlace(t *testing.T) {
	p := planner(t, []string{"a", "b"}, nil)
	plan := p.plan(t, 2, nothingWithheld, waits("x").Label("rejected", "yes"), waits("y"), waits("z"))
	require.Equal(t, []string{"x"}, namesOf(plan.Unplaced))
	require.Len(t, plan.Places, 2, "another one goes in its place")
}

// TestNoPlaceholderGoesForAMemberThatAnExtenderBinds, as for no other pod: what binds it would not wait until they are gone.
func TestNoPlaceholderGoesForAMemberThatAnExtenderBinds(t *testing.T) {
	for name, tc := range map[string]struct {
		extender *tf.FakeExtender
		want     int
	}{
		"it binds the member": {&tf.FakeExtender{}, 0},
		"it binds others":     {&tf.FakeExtender{UnInterested: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), runs("r", "a")}, tc.extender)
			require.Len(t, p.plan(t, 1, nothingWithheld, waits("x")).Places, tc.want)
		})
	}
}

// TestReplicasOfAMemberWithoutAPlaceAreNotLookedAtOnceTheGroupCannotBePlaced has no room for any of five members.
func TestReplicasOfAMemberWithoutAPlaceAreNotLookedAtOnceTheGroupCannotBePlaced(t *testing.T) {
	replica := func(name, of string) *st.PodWrapper {
		pod := waits(name)
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: of, UID: types.UID(of), Controller: ptr.To(true)}}
		return pod
	}
	p := planner(t, []string{"a"}, []*st.PodWrapper{runs("r", "a"), runs("s", "a")})
	plan := p.plan(t, 3, nothingWithheld, waits("bare"), replica("x", "one"), replica("y", "one"), replica("z", "two"), waits("alone"))
	require.Equal(t, []string{"bare", "x", "y", "z", "alone"}, namesOf(plan.Unplaced))
	require.Positive(t, p.prober.asked["y"], "with the others there would still be three")
	require.Positive(t, p.prober.asked["z"], "none like it was looked at")

	p = planner(t, []string{"a"}, []*st.PodWrapper{runs("r", "a"), runs("s", "a")})
	plan = p.plan(t, 5, nothingWithheld, waits("bare"), replica("x", "one"), replica("y", "one"), replica("z", "two"), waits("alone"))
	require.Equal(t, []string{"bare", "x", "y", "z", "alone"}, namesOf(plan.Unplaced))
	require.Zero(t, p.prober.asked["y"], "one like it has found no place")
	for _, name := range []string{"z", "bare", "alone"} {
		require.Positive(t, p.prober.asked[name], "%s: what is missing for it may be less", name)
	}

	p = planner(t, []string{"a"}, []*st.PodWrapper{runs("r", "a"), runs("s", "a")})
	anew := replica("y", "one")
	anew.OwnerReferences[0].UID = "made anew"
	p.plan(t, 2, nothingWithheld, replica("x", "one"), anew)
	require.Positive(t, p.prober.asked["y"], "it is of another Job, which only has the name of that of the first")
}
