package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// messageSwapsOff is why a pod that units would serve takes none in its first attempt.
const messageSwapsOff = "swap is false in the plugin's arguments, so none does in its first attempt; " +
	"preemption may take units for a later one"

// Prediction is what the scheduler would do with a pod that came now, if nothing else happened meanwhile. Of Fits, Swap and Message one is
// set.
type Prediction struct {
	// Fits are the nodes on which the pod fits as it is, in the order of their names. kube-scheduler's scores choose among them.
	Fits []string
	// Swap is the node and the placeholders on it that would go.
	Swap *selection.Swap
	// Reason is why no headroom serves the pod, empty if there is none at all, and Message the same in words.
	Reason  metrics.MissReason
	Message string
	// SwapsOff says that the pod would take units if the plugin's arguments let it swap.
	SwapsOff bool
	// Misfits say of each node why not, in the order of their names.
	Misfits []Misfit
	// Assumptions are what the prediction takes for granted.
	Assumptions []string
}

// Predict runs what the scheduler's cycle runs for the pod: the Filter and Score plugins of the profile, and the selection. A pod that is
// on a node already is treated as if it were not.
func (c *Cluster) Predict(ctx context.Context, pod *corev1.Pod) (*Prediction, error) {
	ctx, cancel := context.WithCancel(ctx) // What the framework runs in the background ends with it.
	defer cancel()
	pending := pod.DeepCopy()
	pending.Spec.NodeName, pending.Status.NominatedNodeName = "", ""
	leftOut, assumptions := unknowable(pending)
	w, err := c.newWhatIf(ctx, pod, leftOut)
	if err != nil {
		return nil, err
	}
	prediction, err := w.predict(ctx, pending)
	if err != nil {
		return nil, err
	}
	prediction.Assumptions = append(c.assumptions(), assumptions...)
	return prediction, nil
}

// unknowable are the plugins that cannot be asked about a pod, because what they look at is not known.
func unknowable(pod *corev1.Pod) (plugins, assumptions []string) {
	plugins = []string{names.DynamicResources}
	if len(pod.Spec.ResourceClaims) > 0 {
		assumptions = append(assumptions, "devices for the pod's resourceClaims are there on every node")
	}
	for i := range pod.Spec.Volumes {
		if volume := &pod.Spec.Volumes[i]; volume.PersistentVolumeClaim != nil || volume.Ephemeral != nil {
			plugins = append(plugins, names.VolumeBinding, names.VolumeZone, names.VolumeRestrictions, names.NodeVolumeLimits)
			return plugins, append(assumptions, "the pod's persistent volumes can be had on every node")
		}
	}
	return plugins, assumptions
}

// assumptions are what every prediction takes for granted.
func (c *Cluster) assumptions() []string {
	configuration := "kube-scheduler's default profile with the plugin's default arguments; --scheduler-config reads another"
	if c.profile.Source != "" {
		configuration = fmt.Sprintf("the profile %s of %s", c.profile.Scheduler.SchedulerName, c.profile.Source)
	}
	meanwhile := "nothing else happens meanwhile: no other pod comes or goes, no preemption is under way, and no unit is reserved"
	if c.objects.Reserved != nil {
		meanwhile = fmt.Sprintf("nothing else happens meanwhile: no other pod comes or goes, no preemption is under way, and "+
			"the units that the scheduler has reserved stay so (%d)", len(c.objects.Reserved))
	}
	return []string{meanwhile, "the scheduler's configuration is " + configuration}
}

// whatIf is a scheduling cycle without a scheduler.
type whatIf struct {
	*Cluster
	framework framework.Framework
	profile   *dryrun.Profile
	selector  *selection.Selector
}

// newWhatIf puts the objects, but for one pod, into a snapshot, the inventory and the plugins.
func (c *Cluster) newWhatIf(ctx context.Context, leftOut *corev1.Pod, plugins []string) (*whatIf, error) {
	known := map[string]bool{}
	for _, node := range c.objects.Nodes {
		known[node.Name] = true
	}
	var pods []*corev1.Pod
	for _, pod := range c.objects.Pods {
		if pod != leftOut && known[pod.Spec.NodeName] && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			pods = append(pods, pod)
		}
	}
	snapshot := cache.NewSnapshot(pods, c.objects.Nodes)
	infos, err := snapshot.NodeInfos().List()
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of a snapshot: %w", err)
	}
	slices.SortFunc(infos, func(a, b fwk.NodeInfo) int { return strings.Compare(a.Node().Name, b.Node().Name) })
	c.inventory.Refresh(infos, true)
	made, err := newFramework(ctx, c.profile.Scheduler, c.handle.informers, snapshot, plugins)
	if err != nil {
		return nil, err
	}
	w := &whatIf{Cluster: c, framework: made, profile: dryrun.NewProfile(made, plugin)}
	options := c.selector.Options
	options.Handle, options.Profile = made, w.profile
	w.selector = selection.New(options)
	return w, nil
}

func (w *whatIf) predict(ctx context.Context, pod *corev1.Pod) (*Prediction, error) {
	state := framework.NewCycleState()
	run := w.profile.NewRun(state, pod)
	if !run.Start(ctx) {
		_, status, _ := w.framework.RunPreFilterPlugins(ctx, framework.NewCycleState(), pod)
		return &Prediction{Message: "the scheduler looks at no node for it: " + status.Message()}, nil
	}
	consumer := w.selector.AsConsumer(pod)
	anchors := w.selector.Anchors(consumer)
	nodes := w.inventory.Nodes()
	prediction := &Prediction{}
	candidates := 0
	for i := range nodes {
		option, fits := w.selector.Option(consumer, &nodes[i], anchors)
		if fits && len(option.Victims) == 0 && run.Passes(ctx, nodes[i].Info, nil) {
			prediction.Fits = append(prediction.Fits, nodes[i].Name)
		}
	}
	if len(prediction.Fits) > 0 {
		return prediction, nil
	}
	entitled := w.selector.Consumer(pod)
	if entitled != nil && (entitled.Entitled || selection.SystemCritical(pod)) {
		selected := w.selector.Select(ctx, run, entitled)
		prediction.Swap, candidates = selected.Swap, selected.Candidates
	}
	if prediction.Swap != nil && !w.profileSwaps() {
		return &Prediction{Message: messageSwapsOff, SwapsOff: true}, nil
	}
	if prediction.Swap != nil {
		return prediction, nil
	}
	prediction.Reason, prediction.Message = w.selector.Miss(pod, func() int { return candidates }, func() selection.Objections {
		return w.selector.Objections(ctx, run, consumer, func(string) *fwk.Status { return nil })
	})
	switch {
	case prediction.Message == "":
		prediction.Message = "no node holds headroom"
	case entitled != nil && w.outOfReach(ctx, entitled):
		prediction.Reason, prediction.Message = metrics.MissFiltered, selection.ReasonOutOfReach
	}
	if selection.SystemCritical(pod) {
		consumer = w.selector.Unrestricted(consumer)
	}
	var err error
	prediction.Misfits, err = w.misfits(ctx, consumer)
	return prediction, err
}

// outOfReach reports whether reserved units are in the way of a pod that may take them by something else than the room that they hold.
func (w *whatIf) outOfReach(ctx context.Context, c *selection.Consumer) bool {
	state := framework.NewCycleState()
	if _, status, _ := w.framework.RunPreFilterPlugins(ctx, state, c.Pod); !status.IsSuccess() {
		return false
	}
	return w.selector.OutOfReach(ctx, w.profile.NewRun(state, c.Pod), c)
}

// profileSwaps reports whether the arguments let the plugin swap.
func (w *whatIf) profileSwaps() bool { return w.Cluster.profile.Args.Swap }

// misfits says of each node why the consumer cannot go there: what Filter plugins say, or what it lacks.
func (w *whatIf) misfits(ctx context.Context, consumer *selection.Consumer) ([]Misfit, error) {
	state := framework.NewCycleState()
	only, status, _ := w.framework.RunPreFilterPlugins(ctx, state, consumer.Pod)
	if !status.IsSuccess() {
		return nil, fmt.Errorf("asking the scheduler's plugins: %w", status.AsError())
	}
	anchors := w.selector.Anchors(consumer)
	nodes := w.inventory.Nodes()
	var misfits []Misfit
	for i := range nodes {
		misfit := Misfit{Node: nodes[i].Name}
		status := w.framework.RunFilterPlugins(ctx, state, consumer.Pod, nodes[i].Info)
		_, fits := w.selector.Option(consumer, &nodes[i], anchors)
		switch {
		case !only.AllNodes() && !only.NodeNames.Has(nodes[i].Name):
			misfit.Why = "the pod's affinity names other nodes"
		case !status.IsSuccess():
			misfit.Why = status.Message()
		case fits:
			misfit.Why = "it would have the room, but does not suit the pod once the units are gone"
		default:
			misfit.Why = w.whyNot(consumer, &nodes[i])
		}
		misfits = append(misfits, misfit)
	}
	return misfits, nil
}
