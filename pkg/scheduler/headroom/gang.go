package headroom

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// grouped indexes pods by the group of scheduler-plugins that they are members of.
const grouped = Name + "/grouped"

// reasonNoPodGroup is the reason of the event on a pod that names a PodGroup that there is not.
const reasonNoPodGroup = "PodGroupNotFound"

// member is what a cycle remembers of a pod that takes headroom with its group or not at all.
type member struct {
	group types.NamespacedName
	// attempt is set if the pod has its place.
	attempt *gang.Attempt
	// why no headroom is taken for it in this cycle, and the reason that counts as a miss; both may be empty.
	why    string
	reason metrics.MissReason
}

// followGangs makes what knows of groups of scheduler-plugins.
func (s *shared) followGangs(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) error {
	s.gangs, s.attempts = gang.NewGroups(), gang.NewAttempts()
	informer := factory.Core().V1().Pods().Informer()
	err := informer.AddIndexers(cache.Indexers{grouped: func(object any) ([]string, error) {
		if pod, ok := object.(*corev1.Pod); ok {
			if name, ok := gang.NameOf(pod); ok {
				return []string{name.String()}, nil
			}
		}
		return nil, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(object any) {
		if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName == "" {
			s.memberCame(ctx, handle, pod)
		}
	}})
	if err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	return s.gangs.Follow(ctx, handle.KubeConfig(), gang.Listener{
		Ready:   func() { s.activatePods(ctx, handle, s.allGrouped()) },
		Changed: func(name types.NamespacedName) { s.activateGroups(ctx, handle, name) },
		Gone:    s.attempts.ForgetGroup,
	})
}

// memberCame has the members of a group tried again once there are as many as it needs.
func (s *shared) memberCame(ctx context.Context, handle fwk.Handle, pod *corev1.Pod) {
	if name, ok := gang.NameOf(pod); ok && s.gangs.MinMember(name) == len(s.podsOf(name)) {
		s.activateGroups(ctx, handle, name)
	}
}

// podsOf returns the pods that name a group.
func (s *shared) podsOf(name types.NamespacedName) []*corev1.Pod {
	objects, err := s.pods.ByIndex(grouped, name.String())
	if err != nil {
		return nil
	}
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods
}

// activateGroups has the members of groups tried again that wait.
func (s *shared) activateGroups(ctx context.Context, handle fwk.Handle, names ...types.NamespacedName) {
	for _, name := range names {
		s.activatePods(ctx, handle, s.podsOf(name))
	}
}

// activatePods has those of some pods tried again that wait.
func (s *shared) activatePods(ctx context.Context, handle fwk.Handle, all []*corev1.Pod) {
	pods := map[string]*corev1.Pod{}
	for _, pod := range all {
		if pod.Spec.NodeName == "" && !s.attempts.Assumed(pod.UID) {
			pods[pod.Namespace+"/"+pod.Name] = pod
		}
	}
	if len(pods) > 0 {
		handle.Activate(klog.FromContext(ctx), pods)
	}
}

// allGrouped returns all pods that name a group.
func (s *shared) allGrouped() (pods []*corev1.Pod) {
	for _, object := range s.pods.List() {
		if pod, ok := object.(*corev1.Pod); ok {
			if _, named := gang.NameOf(pod); named {
				pods = append(pods, pod)
			}
		}
	}
	return pods
}

// groupOf returns the group of which a pod is a member, nil if it is scheduled like any other. A pod that names a group that there is not
// is told so once.
func (p *Plugin) groupOf(ctx context.Context, pod *corev1.Pod) *gang.Group {
	group, missing := p.shared.gangs.Of(ctx, pod)
	if missing && p.shared.attempts.WarnOnce(pod.UID) {
		recorder := p.handle.EventRecorder().WithLogger(klog.FromContext(ctx))
		recorder.Eventf(pod, nil, corev1.EventTypeWarning, reasonNoPodGroup, actionScheduling,
			"there is no PodGroup %s, which the label %s names; the pod is scheduled as if it had no such label",
			pod.Labels[gang.Label], gang.Label)
	}
	return group
}

// preFilterMember is PreFilter for a member of a group of scheduler-plugins. It reports whether that is all: a pod is scheduled like any
// other if it is of no group, if its group has as many members as it needs, if it may take no headroom, and if it is system-critical.
func (p *Plugin) preFilterMember(
	ctx context.Context, state fwk.CycleState, c *cycle, pod *corev1.Pod, nodes []fwk.NodeInfo,
) (result *fwk.PreFilterResult, status *fwk.Status, decided bool) {
	if _, named := gang.NameOf(pod); !named || selection.SystemCritical(pod) {
		return nil, nil, false
	}
	if attempt := p.shared.attempts.WithPod(pod.UID); attempt != nil {
		return p.toItsPlace(c, pod, attempt), nil, true
	}
	if !p.shared.gangs.Await(ctx, catalogTimeout) {
		c.member = &member{why: "it is not known yet which groups of pods there are"}
		return nil, nil, true
	}
	group := p.groupOf(ctx, pod)
	if group == nil {
		return nil, nil, false
	}
	members := gang.MembersOf(p.shared.podsOf(group.Name), pod.Spec.SchedulerName, p.shared.attempts.Assumed)
	lacking := members.Lacking(group.MinMember)
	if lacking == 0 {
		return nil, nil, false
	}
	c.member = &member{group: group.Name}
	run := p.profile.NewRun(state, pod)
	if p.shared.attempts.Of(group.Name) != nil {
		c.member.why = "the other pods of its group go first"
		return nil, nil, true
	}
	if p.shared.attempts.Fitting(pod.UID) {
		if fits, _ := p.selector.FitsNearby(ctx, run, pod, nodes); fits {
			return nil, nil, true
		}
	}
	p.shared.refresh(nodes, false)
	if p.shared.inventory.Placeholders() == 0 || !p.await(ctx) {
		return nil, nil, true
	}
	p.shared.inventory.RefreshHeadrooms()
	c.consumer = p.selector.Consumer(pod)
	switch {
	case c.consumer == nil || !c.consumer.Entitled:
		c.member, c.consumer = nil, nil
		return nil, nil, false
	case !p.swapsHere(ctx) || !p.permits() || p.boundByExtender(ctx, run):
		c.member.why = "groups of pods take no headroom in this profile"
		return nil, nil, true
	case len(members.Waiting) < lacking:
		c.member.why = fmt.Sprintf("%d pods of its group are there, %d are needed before it takes headroom",
			members.Placed+len(members.Waiting), group.MinMember)
		return nil, nil, true
	}
	result, status = p.planGroup(ctx, c, pod, group, members.Waiting, lacking)
	return result, status, true
}

// toItsPlace narrows the cycle of a member to its node, and lets it take the units of the group there.
func (p *Plugin) toItsPlace(c *cycle, pod *corev1.Pod, attempt *gang.Attempt) *fwk.PreFilterResult {
	place := attempt.Places[pod.UID]
	c.member, c.place = &member{group: attempt.Group, attempt: attempt}, place.Node
	if victims := p.current(place.Node, attempt.Units[place.Node]); len(victims) > 0 {
		why := place.Why
		if why == "" {
			why = "the node of other pods of its group"
		}
		c.swap = &swap{Swap: &selection.Swap{Node: place.Node, Victims: victims, Why: why, Waste: place.Waste}, decided: p.clock.Now()}
	}
	return only(sets.New(place.Node))
}

// current returns those of some pods that are on a node, as the snapshot has them now.
func (p *Plugin) current(node string, pods []*corev1.Pod) []*corev1.Pod {
	info, err := p.handle.SnapshotSharedLister().NodeInfos().Get(node)
	if err != nil || len(pods) == 0 {
		return nil
	}
	wanted := sets.New[types.UID]()
	for _, pod := range pods {
		wanted.Insert(pod.UID)
	}
	var found []*corev1.Pod
	for _, podInfo := range info.GetPods() {
		if wanted.Has(podInfo.GetPod().UID) {
			found = append(found, podInfo.GetPod())
		}
	}
	return found
}

// planGroup looks for places for as many of the members as are lacking. If they fit as they are, they are scheduled like any other pods;
// else they all get their places, or none takes anything.
func (p *Plugin) planGroup(
	ctx context.Context, c *cycle, pod *corev1.Pod, group *gang.Group, members []*corev1.Pod, lacking int,
) (*fwk.PreFilterResult, *fwk.Status) {
	restore := p.withoutNominations(ctx, members)
	defer restore()
	smallest, nodes := gang.Smallest(members), p.shared.inventory.Nodes()
	if gang.Most(nodes, smallest, func(*inventory.Placeholder) bool { return false }, lacking) == lacking {
		fit, err := p.planner.Fit(ctx, members, lacking)
		if err != nil {
			return nil, fwk.AsStatus(err)
		}
		if fit {
			p.shared.attempts.NoteFitting(members)
			return nil, nil
		}
	}
	t := p.newTurn(pod, group)
	// Which of the others the members are entitled to is looked at for each of them: by what their Headroom says, not by priority alone.
	takeable := func(unit *inventory.Placeholder) bool {
		return !t.withheld(p.shared.inventory.Headrooms()[unit.Evidence.Headroom].Name)
	}
	if most := gang.Most(p.shared.inventory.Nodes(), smallest, takeable, lacking); most < lacking {
		return p.noRoomForGroup(ctx, c, t, members[most:lacking], lacking)
	}
	plan, err := p.planner.Plan(ctx, members, lacking, t.withheld)
	switch {
	case err != nil:
		return nil, fwk.AsStatus(err)
	case len(plan.Places) < lacking:
		return p.noRoomForGroup(ctx, c, t, plan.Unplaced[:lacking-len(plan.Places)], lacking)
	case len(plan.Headrooms) == 0:
		p.shared.attempts.NoteFitting(members)
		return nil, nil
	}
	attempt := p.begin(ctx, pod, group, plan)
	return p.toItsPlace(c, pod, attempt), nil
}

// turn is what a group may take while others hold headroom.
type turn struct {
	rank     gang.Rank
	withheld func(types.NamespacedName) bool
	// wants are the Headrooms that are withheld, other is the group because of which, and until is when to try again without being told.
	wants sets.Set[types.NamespacedName]
	other types.NamespacedName
	until time.Time
}

func (p *Plugin) newTurn(pod *corev1.Pod, group *gang.Group) *turn {
	t := &turn{
		rank:  gang.Rank{Name: group.Name, Priority: corev1helpers.PodPriority(pod), Created: group.Created},
		wants: sets.New[types.NamespacedName](),
	}
	known := map[types.NamespacedName]bool{}
	identity, now := p.shared.identityOf(pod), time.Now()
	t.withheld = func(headroom types.NamespacedName) bool {
		withheld, ok := known[headroom]
		if ok {
			return withheld
		}
		var other types.NamespacedName
		var until time.Time
		p.shared.attempts.Turns(func(turns *gang.Turns) { other, until, withheld = turns.Before(t.rank, headroom, now) })
		known[headroom] = withheld
		if entry := p.shared.catalog.Get(headroom); withheld && entry != nil && entry.Rule.Entitles(&identity) {
			t.wants.Insert(headroom)
			t.other = other
			if until.After(t.until) {
				t.until = until
			}
		}
		return withheld
	}
	return t
}

// noRoomForGroup says what is missing for a group. If headroom is withheld because of another group, it is tried again once that one is
// through.
func (p *Plugin) noRoomForGroup(
	ctx context.Context, c *cycle, t *turn, unplaced []*corev1.Pod, lacking int,
) (*fwk.PreFilterResult, *fwk.Status) {
	missing := gang.Missing(unplaced)
	if t.wants.Len() == 0 {
		var next []types.NamespacedName
		p.shared.attempts.Turns(func(turns *gang.Turns) { next = turns.Failed(t.rank.Name, time.Now()) })
		p.shared.activateGroups(ctx, p.handle, next...)
		c.member.reason = metrics.MissTooSmall
		c.member.why = fmt.Sprintf("its group needs room for %d pods, with all the headroom that it may take there is none for %d of them: "+
			"missing %s", lacking, len(unplaced), missing)
		return nil, fwk.NewStatus(fwk.Unschedulable, c.member.why)
	}
	p.shared.attempts.Turns(func(turns *gang.Turns) { turns.Wait(t.rank, t.wants) })
	if !t.until.IsZero() {
		for _, pod := range p.shared.podsOf(t.rank.Name) {
			p.shared.postponed.Add(pod, t.until, nil)
		}
	}
	c.member.why = fmt.Sprintf("its group needs room for %d pods, and headroom that it may take is for group %s first: missing %s",
		lacking, t.other, missing)
	return nil, fwk.NewStatus(fwk.Unschedulable, c.member.why)
}

// withoutNominations forgets the nominations of some pods, which may be left over from an attempt of a scheduler before this one: on paper
// each pod would count twice. It returns what brings back those of pods that have not got their places meanwhile.
func (p *Plugin) withoutNominations(ctx context.Context, pods []*corev1.Pod) (restore func()) {
	var nominated []*corev1.Pod
	for _, pod := range pods {
		if pod.Status.NominatedNodeName != "" {
			nominated = append(nominated, pod)
			p.handle.DeleteNominatedPodIfExists(pod)
		}
	}
	return func() {
		for _, pod := range nominated {
			if p.shared.attempts.WithPod(pod.UID) == nil {
				p.nominate(ctx, pod, pod.Status.NominatedNodeName)
			}
		}
	}
}

// nominate keeps the room of a node from other pods, in the scheduler's memory alone.
func (p *Plugin) nominate(ctx context.Context, pod *corev1.Pod, node string) {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return // a pod whose affinity does not parse fails in its own cycle
	}
	p.handle.AddNominatedPod(klog.FromContext(ctx), info, &fwk.NominatingInfo{NominatingMode: fwk.ModeOverride, NominatedNodeName: node})
}

// postFilterMember is PostFilter for a member of a group that lacks members: nothing is preempted for one of them alone that only the group
// may take.
func (p *Plugin) postFilterMember(ctx context.Context, state fwk.CycleState, c *cycle, pod *corev1.Pod) *fwk.Status {
	if c.member.attempt != nil {
		p.shared.giveUp(context.WithoutCancel(ctx), c.member.attempt, fmt.Sprintf("pod %s does not fit where it was to go any more", pod.Name))
	}
	c.swap, c.place = nil, ""
	if !p.lookAgain(c, state, pod) {
		return fwk.NewStatus(fwk.Unschedulable)
	}
	// From here on Filter answers dry runs of DefaultPreemption, which gains nothing from placeholders.
	c.preemptor = &selection.Preemptor{Pod: pod}
	p.missed(ctx, c, pod, c.member.reason)
	if c.member.why == "" {
		return fwk.NewStatus(fwk.Unschedulable)
	}
	return fwk.NewStatus(fwk.Unschedulable, c.member.why)
}

// newPlanner returns what places the members of groups on paper.
func (p *Plugin) newPlanner() *gang.Planner {
	return &gang.Planner{
		Profile: p.profile, Selector: p.selector, Refresh: p.readSnapshot,
		HeadroomOf: func(pod *corev1.Pod) (types.NamespacedName, bool) {
			owner, ok := placeholder.OwnerOf(pod, p.shared.daemonSets)
			return owner.NamespacedName, ok
		},
	}
}
