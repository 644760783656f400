package headroom

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// cycleKey is where a scheduling cycle keeps its cycle.
const cycleKey fwk.StateKey = "PreFilter" + Name

// cycle is what the plugin remembers of one attempt to schedule one pod.
type cycle struct {
	// generation of the waiting pods when the cycle began.
	generation uint64
	// consumer is the pod, nil if it can take no headroom, or if PreFilter had no need to find that out.
	consumer *selection.Consumer
	// candidates is on how many nodes placeholders would make the room, whatever the other Filter plugins say; nil if not counted.
	candidates *int
	// swap is what was decided, nil if the pod is scheduled as kube-scheduler would.
	swap *swap
	// devicesBefore is what the plugin DynamicResources went by before the swap exposed devices to it, nil if none does.
	devicesBefore fwk.StateData
	// preemptor is the pod once PostFilter ran: from then on Filter answers dry runs of preemption.
	preemptor *selection.Preemptor
	// member is what concerns the pod as a member of a group of scheduler-plugins, nil if it is scheduled like any other pod.
	member *member
	// place is the only node for a pod of a group: while kube-scheduler looks what the preemption of placeholders for the group would bring,
	// and where the group has its places. It is empty at all other times.
	place string
	// kept is about room that is kept for other pods.
	kept keptFrom
}

// swap is a decision and how far it got.
type swap struct {
	*selection.Swap
	decided time.Time
	outcome outcome
	// place is the node as it is when the victims are reserved.
	place guard.Node
	// unguard lets other schedulers onto the node again, nil if they are not kept off.
	unguard func()
}

// Clone returns the cycle itself: it does not depend on the pods that dry runs add and remove.
func (c *cycle) Clone() fwk.StateData {
	return c
}

// victimsOn returns the placeholders that the pod takes on a node.
func (c *cycle) victimsOn(node string) []*corev1.Pod {
	if c.swap != nil && c.swap.Node == node {
		return c.swap.Victims
	}
	return nil
}

// cycleOf returns the cycle, nil if PreFilter did not run.
func cycleOf(state fwk.CycleState) *cycle {
	data, err := state.Read(cycleKey)
	if err != nil {
		return nil
	}
	c, _ := data.(*cycle)
	return c
}

// swapOn returns the swap that was decided for a node.
func swapOn(state fwk.CycleState, node string) *swap {
	if c := cycleOf(state); c != nil && c.swap != nil && c.swap.Node == node {
		return c.swap
	}
	return nil
}

// catalogTimeout is how long the first pod waits for the Headrooms to be known. After that no placeholder is taken until they are.
const catalogTimeout = 10 * time.Second

// PreFilter decides the whole swap. If the pod fits nowhere as it is, but would fit where placeholders go, it narrows the cycle
// to the one node that the published order puts first. In any other case the decision is kube-scheduler's; where few nodes have free
// room for a consumer, it need not look at the others.
func (p *Plugin) PreFilter(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo,
) (*fwk.PreFilterResult, *fwk.Status) {
	if _, status := p.fit.PreFilter(ctx, state, pod, nodes); !status.IsSuccess() {
		return nil, status
	}
	if _, dry := dryrun.Without(state); dry {
		return nil, nil // the plugin itself runs the PreFilter plugins to ask Filter plugins about nodes
	}
	p.shared.leadership.Schedules()
	c := &cycle{generation: p.shared.waiting.Generation()}
	c.kept.placeholder = p.shared.isPlaceholder(pod)
	c.kept.insists = c.kept.placeholder && p.shared.unscheduled.Insists(pod.UID, p.clock.Now())
	state.Write(cycleKey, c)
	group := state.IsPodGroupSchedulingCycle()
	if group {
		if result, status, again := p.preFilterAgain(ctx, state, c, pod, nodes); again {
			return result, status
		}
	} else {
		p.warnOfNear(ctx, pod)
	}
	if selection.IsBound(pod) || !p.shared.placeholdersExist() {
		return nil, nil
	}
	if !group {
		if result, status, decided := p.preFilterMember(ctx, state, c, pod, nodes); decided {
			return result, status
		}
	}
	run := p.profile.NewRun(state, pod)
	fits, scarce := p.selector.FitsNearby(ctx, run, pod, nodes)
	if fits && !scarce {
		return nil, nil
	}
	p.shared.refresh(nodes, group)
	if fits {
		return only(p.selector.Free(ctx, run, p.selector.Consumer(pod))), nil
	}
	critical := selection.SystemCritical(pod)
	if p.shared.inventory.Placeholders() == 0 || !p.await(ctx) && !critical {
		return nil, nil
	}
	// Once more, for what became known of the Headrooms in the meantime; most often that is nothing.
	p.shared.inventory.RefreshHeadrooms()
	c.consumer = p.selector.Consumer(pod)
	if c.consumer == nil || !c.consumer.Entitled && !critical || !p.swapsHere(ctx) || p.boundByExtender(ctx, run) {
		return nil, nil
	}
	selected := p.selector.Select(ctx, run, c.consumer)
	c.candidates = &selected.Candidates
	if selected.Swap == nil {
		return only(selected.Free), nil
	}
	c.swap = &swap{Swap: selected.Swap, decided: p.clock.Now()}
	c.exposeDevices(state)
	klog.FromContext(ctx).V(2).Info("Pod takes headroom", "pod", klog.KObj(pod), "node", c.swap.Node,
		"placeholders", klog.KObjSlice(c.swap.Victims), "why", c.swap.Why)
	return only(sets.New(c.swap.Node)), nil
}

// only narrows the cycle to some nodes; nil leaves it alone.
func only(nodes sets.Set[string]) *fwk.PreFilterResult {
	if nodes == nil {
		return nil
	}
	return &fwk.PreFilterResult{NodeNames: nodes}
}

// boundByExtender reports whether one of the extenders that have a say about the pod binds it: then no Bind plugin
// runs, and nothing would evict the victims of a swap. PostFilter serves such pods.
func (p *Plugin) boundByExtender(ctx context.Context, run *dryrun.Run) bool {
	extender := run.BinderExtender()
	if extender == "" {
		return false
	}
	p.logBinderOnce.Do(func() {
		klog.FromContext(ctx).Info("No swaps for the pods that an extender binds; they preempt placeholders and are bound by another attempt",
			"extender", extender, "profile", p.handle.ProfileName())
	})
	return true
}

// PreFilterExtensions returns nil: what Filter needs to know of pods that come and go, it reads from the node.
func (p *Plugin) PreFilterExtensions() fwk.PreFilterExtensions {
	return nil
}

// await waits, at start-up, until the Headrooms are known, which say which pods are entitled.
func (p *Plugin) await(ctx context.Context) bool {
	select {
	case <-p.shared.catalog.Ready():
		return true
	default:
	}
	waited := false
	p.awaitOnce.Do(func() {
		waited = true
		timer := time.NewTimer(catalogTimeout)
		defer timer.Stop()
		select {
		case <-p.shared.catalog.Ready():
		case <-timer.C:
			klog.FromContext(ctx).Error(nil, "Headrooms are not known yet; no placeholder is taken until they are")
		case <-ctx.Done():
		}
	})
	if !waited {
		return false
	}
	select {
	case <-p.shared.catalog.Ready():
		return true
	default:
		return false
	}
}

const (
	// reasonInvalidNear is the reason of the event on a pod whose headroom.dev/near annotation is no label selector.
	reasonInvalidNear = "InvalidNearAnnotation"
	actionScheduling  = "Scheduling"
)

// warnings are the annotations that authors of pods that still wait were warned of, by the pod's UID.
type warnings struct {
	mu     sync.Mutex
	values map[types.UID]string
}

func newWarnings() *warnings {
	return &warnings{values: map[types.UID]string{}}
}

// due notes a warning and reports whether it is the first of this value: an attempt to schedule a pod is often not the only one.
func (w *warnings) due(uid types.UID, value string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	warned, ok := w.values[uid]
	w.values[uid] = value
	return !ok || warned != value
}

// forget drops a pod that is bound or gone.
func (w *warnings) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.values, uid)
}

// warnOfNear tells the author of a pod, once, that its annotation has no effect.
func (p *Plugin) warnOfNear(ctx context.Context, pod *corev1.Pod) {
	_, err := nearness.Near(pod)
	if err != nil && p.shared.warnings.due(pod.UID, pod.Annotations[v1alpha1.AnnotationNear]) {
		p.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(pod, nil, corev1.EventTypeWarning,
			reasonInvalidNear, actionScheduling, "%s; the pod is scheduled as if it had none", err.Error())
	}
}
