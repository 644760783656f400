// Package headroom is a plugin for kube-scheduler. With it, a pod that needs room held by placeholders is bound by its first
// scheduling attempt: the placeholders are evicted and the pod is bound in one cycle, a swap. Everything else is scheduled as
// kube-scheduler would.
//
// The plugin decides in PreFilter, through package selection: does the pod fit on any node as it is? Then the cycle is
// left alone. Else, where would it fit if placeholders went, which of these nodes pass all other Filter plugins
// (package dryrun), and which does pkg/evictionorder put first? That node alone is handed to the cycle. Filter replaces
// that of NodeResourcesFit and lets the pod onto that node, Reserve reserves the placeholders for it, Bind deletes them
// just before the binding, and PostBind tells about it. PostFilter serves what a cycle cannot; package waiting has pods
// tried again. This package has the extension points and decides nothing itself.
//
// docs/concepts/swap.md tells why it is built this way. A scheduler of one's own gets the plugin by
//
//	app.NewSchedulerCommand(app.WithPlugin(headroom.Name, headroom.New))
//
// and a blank import of api/config/scheme, which makes the plugin's arguments known.
package headroom

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/config/validation"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/pkg/scheduler/growth"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// Name is the plugin's name in the registry and in configuration files.
const Name = "Headroom"

var (
	_ fwk.PreEnqueuePlugin  = &Plugin{}
	_ fwk.PreFilterPlugin   = &Plugin{}
	_ fwk.FilterPlugin      = &Plugin{}
	_ fwk.PostFilterPlugin  = &Plugin{}
	_ fwk.ReservePlugin     = &Plugin{}
	_ fwk.PermitPlugin      = &Plugin{}
	_ fwk.BindPlugin        = &Plugin{}
	_ fwk.PostBindPlugin    = &Plugin{}
	_ fwk.EnqueueExtensions = &Plugin{}
	_ fwk.SignPlugin        = &Plugin{}
)

// Plugin lets pods take room that placeholders hold, in the scheduling cycle in which they ask for it. What changes
// after New belongs to the scheduling goroutine, but for what shared and evictor lock themselves: binding runs in
// goroutines of its own.
type Plugin struct {
	args     *config.HeadroomArgs
	order    evictionorder.Order
	handle   framework.Framework
	fit      *noderesources.Fit
	fitting  *fitting
	shared   *shared
	profile  *dryrun.Profile
	selector *selection.Selector
	planner  *gang.Planner
	evictor  *eviction.Evictor
	clock    clock.PassiveClock
	features feature.Features

	checkProfileOnce, checkGroupsOnce, checkPermitOnce, logBinderOnce, awaitOnce sync.Once
	misplaced, permitted                                                         bool

	preemption  *defaultpreemption.DefaultPreemption
	attempt     attempt
	group       *groupAttempt
	deviceSwaps deviceSwaps
}

// New makes the plugin for one profile. It has PodGroupPostFilter only where the feature gate GenericWorkload is on. New fails if its
// arguments are invalid, and if it is not given the framework of a scheduler.
func New(ctx context.Context, object runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	args, ok := object.(*config.HeadroomArgs)
	if !ok {
		return nil, fmt.Errorf("arguments of plugin %s: want *config.HeadroomArgs, got %T; import api/config/scheme into the binary",
			Name, object)
	}
	if err := validation.ValidateHeadroomArgs(field.NewPath("pluginConfig").Key(Name).Child("args"), args).ToAggregate(); err != nil {
		return nil, fmt.Errorf("arguments of plugin %s: %w", Name, err)
	}
	profile, ok := handle.(framework.Framework)
	if !ok {
		return nil, fmt.Errorf("plugin %s needs the framework of a scheduler, got %T", Name, handle)
	}
	fit, err := newFit(ctx, args, handle)
	if err != nil {
		return nil, fmt.Errorf("embedding %s: %w", noderesources.Name, err)
	}
	common, err := sharedBy(ctx, handle, args)
	if err != nil {
		return nil, err
	}
	metrics.RegisterScheduler()
	p := &Plugin{
		args:   args,
		order:  args.Order(),
		handle: profile,
		fit:    fit,
		fitting: &fitting{
			handle: profile, own: fit, asked: len(args.IgnoredResources)+len(args.IgnoredResourceGroups) > 0,
		},
		shared: common,
		evictor: &eviction.Evictor{
			Client:       handle.ClientSet(),
			Pods:         handle.SharedInformerFactory().Core().V1().Pods().Lister(),
			Reservations: common.reservations,
			Credits:      common.credits,
			Refusals:     common.refusals,
			Wait:         time.Duration(args.VictimWaitSeconds) * time.Second,
			Parallelism:  int(args.EvictionParallelism),
		},
		clock:    clock.RealClock{},
		features: feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate),
	}
	p.useHandle(profile)
	if p.preemption, err = p.newPreemption(ctx, handle); err != nil {
		return nil, err
	}
	if args.GrowInPlace {
		common.growth.Serve(profile.ProfileName(), growth.Profile{
			Evictor: p.evictor, Recorder: handle.EventRecorder(), HideNames: args.HideNamesOfOtherNamespaces,
		})
	}
	if p.features.EnableGenericWorkload {
		return &withGroups{Plugin: p}, nil
	}
	return p, nil
}

// newFit makes a NodeResourcesFit: what all of them do alike it does for the plugin, see fitting for the rest.
func newFit(ctx context.Context, args *config.HeadroomArgs, handle fwk.Handle) (*noderesources.Fit, error) {
	plugin, err := noderesources.NewFit(ctx, &schedulerconfig.NodeResourcesFitArgs{
		IgnoredResources:      args.IgnoredResources,
		IgnoredResourceGroups: args.IgnoredResourceGroups,
		// The embedded plugin never scores; its constructor wants a strategy all the same.
		ScoringStrategy: &schedulerconfig.ScoringStrategy{
			Type:      schedulerconfig.LeastAllocated,
			Resources: []schedulerconfig.ResourceSpec{{Name: string(corev1.ResourceCPU), Weight: 1}},
		},
	}, handle, feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate))
	if err != nil {
		return nil, err
	}
	return plugin.(*noderesources.Fit), nil
}

// Name returns the plugin's name.
func (p *Plugin) Name() string {
	return Name
}

// useHandle makes what asks the profile's other plugins.
func (p *Plugin) useHandle(handle framework.Framework) {
	handle = &withForeign{Framework: handle, shared: p.shared}
	p.profile = dryrun.NewProfile(handle, Name)
	p.selector = selection.New(selection.Options{
		Handle: handle, Profile: p.profile, Inventory: p.shared.inventory, Catalog: p.shared.catalog, DaemonSets: p.shared.daemonSets,
		Args: p.args, Ignores: p.fitting.Ignores, Features: p.features, Devices: p.devices, Clock: p.clock,
		Undeletable: func(headroom types.NamespacedName) bool { return p.shared.refusals.Refused(headroom) },
	})
	p.planner = p.newPlanner()
}

// swapsHere reports whether the profile lets the plugin swap. It looks at the first pod, when all plugins are known.
func (p *Plugin) swapsHere(ctx context.Context) bool {
	p.checkProfileOnce.Do(func() {
		remedy := misplaced(p.handle.ListPlugins())
		p.misplaced = remedy != ""
		if p.misplaced {
			klog.FromContext(ctx).Error(nil, "No swaps in this profile", "profile", p.handle.ProfileName(), "remedy", remedy)
		}
	})
	return p.args.Swap && !p.misplaced
}

// misplaced says what a profile must change before the plugin may swap in it, nothing if all is well.
func misplaced(plugins *schedulerconfig.Plugins) (remedy string) {
	isFit := func(plugin schedulerconfig.Plugin) bool { return plugin.Name == noderesources.Name }
	if slices.ContainsFunc(plugins.Filter.Enabled, isFit) {
		return "disable the Filter of NodeResourcesFit, which Headroom's replaces"
	}
	// Another Bind plugin would bind the pod, and Headroom's, which evicts, would not run.
	if bind := plugins.Bind.Enabled; len(bind) == 0 || bind[0].Name != Name {
		return "enable Headroom under bind, so that it goes before all other Bind plugins: it evicts before a pod is bound"
	}
	return ""
}

// SignPod lets pods be batched as far as the other plugins let them. A batch reuses one pod's ranking of nodes for the next
// pod alike. The plugin has no part in a ranking: a pod that takes headroom is alone with its one node, so its cycle leaves no
// ranking behind; and when such a pod meets the ranking that an earlier one left, Filter rejects every node but the one decided.
// So what the plugin decides by need not be signed, but for what its Filter reads in the place of NodeResourcesFit's.
func (p *Plugin) SignPod(ctx context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	return p.fit.SignPod(ctx, pod)
}

// fitting is what says whether a node has the resources that a pod requests: the profile's own NodeResourcesFit, whose Filter
// is disabled but which is there for its other extension points. It knows what kube-scheduler tells no other plugin, as the
// resources that an extender manages and has the scheduler ignore. A profile without it gets one that is made from the plugin's
// arguments. Methods may be called concurrently.
type fitting struct {
	handle framework.Framework
	// own is made from the plugin's arguments; asked says that these name resources to ignore, so that its word counts, too.
	own   *noderesources.Fit
	asked bool

	once sync.Once
	// profiles is nil if the profile has none.
	profiles *noderesources.Fit
	// ignores keeps, by the name of a resource, whether it is ignored.
	ignores sync.Map
}

// resolve looks for the profile's NodeResourcesFit, once. Only the first pod, or who asks for events, finds the plugins of the
// profile there.
func (f *fitting) resolve() *noderesources.Fit {
	f.once.Do(func() {
		for _, plugin := range f.handle.EnqueueExtensions() {
			if fit, ok := plugin.(*noderesources.Fit); ok {
				f.profiles = fit
			}
		}
	})
	if f.profiles == nil {
		return f.own
	}
	return f.profiles
}

// Filter says whether a node has the resources for a pod.
func (f *fitting) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	fit := f.resolve()
	status := fit.Filter(ctx, state, pod, info)
	if f.asked && fit != f.own && status.IsRejected() {
		return f.own.Filter(ctx, state, pod, info)
	}
	return status
}

// Ignores reports whether an extended resource is somebody else's business: a pod fits on a node that has no more of it.
func (f *fitting) Ignores(name corev1.ResourceName) bool {
	if known, ok := f.ignores.Load(name); ok {
		return known.(bool)
	}
	one := corev1.ResourceList{name: resource.MustParse("1")}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: one}}}}}
	// A node that has one and has given it away. If it had none, dynamic resource allocation might stand in.
	full := framework.NewNodeInfo(pod)
	full.SetNode(&corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
		name: one[name], corev1.ResourcePods: resource.MustParse("2"),
	}}})
	ctx, state := context.Background(), framework.NewCycleState()
	ignored := false
	if _, status := f.own.PreFilter(ctx, state, pod, nil); status.IsSuccess() {
		ignored = f.Filter(ctx, state, pod, full).IsSuccess()
	}
	f.ignores.Store(name, ignored)
	return ignored
}
