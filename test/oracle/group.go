package oracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// Paper is a cluster on paper: what is put on its nodes and taken from them is seen by nobody else.
type Paper interface {
	// Seen is the cluster as it is on paper now, with one of the pods as the consumer.
	Seen(pod Pod) *Cluster
	// Judge says what belongs to Kubernetes about this pod there.
	Judge(pod Pod) Judge
	// Place puts a pod on a node, from which pods of these names go.
	Place(pod Pod, node string, gone []string)
}

// GroupExpectation is what has to happen with pods that are one group which needs all of them.
type GroupExpectation struct {
	// Nodes are those of the members by their names. It is nil if there is no room for one of them: then no member is bound, and nothing goes.
	Nodes map[string]string
	// Victims are the placeholders that go, by name.
	Victims []string
}

// String says what is expected.
func (e GroupExpectation) String() string {
	if e.Nodes == nil {
		return "no member bound, nothing evicted"
	}
	var nodes []string
	for name, node := range e.Nodes {
		nodes = append(nodes, name+" on "+node)
	}
	slices.Sort(nodes)
	return fmt.Sprintf("%s; evicted %s", strings.Join(nodes, ", "), strings.Join(e.Victims, ", "))
}

// ExpectGroup says what the rules want of members of which all are needed: on paper one after the other, those of higher priority first,
// then the older ones, then by name, each where it fits as it is, on the node with the highest score, else where the published order puts
// it; all of them or none.
func ExpectGroup(members []Pod, paper Paper) GroupExpectation {
	expected := GroupExpectation{Nodes: map[string]string{}}
	members = slices.SortedFunc(slices.Values(members), func(a, b Pod) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Name, b.Name))
	})
	for _, member := range members {
		alone := paper.Seen(member).Expect(paper.Judge(member))
		node := alone.Node
		switch {
		case len(alone.Free) > 0:
			node, alone.Victims = slices.Min(alone.Free), nil
		case !alone.Swaps():
			return GroupExpectation{}
		}
		expected.Nodes[member.Name] = node
		expected.Victims = append(expected.Victims, alone.Victims...)
		paper.Place(member, node, alone.Victims)
	}
	slices.Sort(expected.Victims)
	return expected
}

// mayFitAsTheyAre reports whether there is a way to put all consumers where they fit by their requests with everything that is there: then
// they are not judged as a group, as it depends on the order of nodes whether they are found to fit.
func (c *Cluster) mayFitAsTheyAre() bool { return c.mayFit(c.consumers()) }

func (c *Cluster) mayFit(members []Pod) bool {
	if len(members) == 0 {
		return true
	}
	for _, node := range c.Nodes {
		with := *c
		with.Consumer = members[0]
		if !with.shortfall(node).coveredBy(nil) {
			continue
		}
		placed := members[0]
		placed.Node = node.Name
		with.Pods = append(slices.Clone(c.Pods), placed)
		if with.mayFit(members[1:]) {
			return true
		}
	}
	return false
}

// GroupRun is what became of the consumers of a cluster that are one group.
type GroupRun struct {
	Run
	// Expected is what the oracle says of the group.
	Expected GroupExpectation
	cluster  *Cluster
}

// String tells the whole story.
func (r GroupRun) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\nexpected: %s\n", r.cluster, r.Expected)
	for i, member := range r.cluster.consumers() {
		fmt.Fprintf(&b, "%s: %s\n", member.Name, r.Steps[i].Outcome)
	}
	fmt.Fprintf(&b, "evicted in all: %v", r.Evicted)
	return b.String()
}

// SimulateGroup puts the cluster before the scheduler, with all consumers there from the start. They are one group that needs all of them.
// What the oracle expects is judged on the scheduler's own snapshot at the first attempt. An error means that the run itself failed.
func (s Scheduler) SimulateGroup(c *Cluster) (GroupRun, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sim := newSimulation(c, s.Profile.SchedulerName)
	sim.ended = true
	run := GroupRun{cluster: c}
	for _, member := range c.consumers() {
		sim.run.Steps = append(sim.run.Steps, &Step{})
		if err := sim.client.Tracker().Add(c.object(member, sim.schedulerName)); err != nil {
			return run, fmt.Errorf("creating member %s: %w", member.Name, err)
		}
	}
	asked := false
	sim.onPaper = func(ctx context.Context, snapshot *internalcache.Snapshot) {
		if !asked {
			asked, run.Expected = true, sim.expectGroup(ctx, snapshot)
		}
	}
	if err := sim.start(ctx, s); err != nil {
		return run, err
	}
	finished, err := sim.result()
	sim.mu.Lock() // of a run that is stuck the oracle may still be asked
	defer sim.mu.Unlock()
	run.Run = finished
	return run, err
}

// expectGroup asks the oracle, and leaves the snapshot as it was.
func (sim *simulation) expectGroup(ctx context.Context, snapshot *internalcache.Snapshot) (expected GroupExpectation) {
	if sim.failure = snapshot.StartMutations(); sim.failure != nil {
		return expected
	}
	defer func() { sim.failure = errors.Join(sim.failure, snapshot.EndMutations()) }()
	return ExpectGroup(sim.cluster.consumers(), &snapshotPaper{ctx: ctx, simulation: sim, snapshot: snapshot})
}

// snapshotPaper is a snapshot that is being changed.
type snapshotPaper struct {
	*simulation
	ctx      context.Context
	snapshot *internalcache.Snapshot
}

// Seen is what the snapshot has.
func (p *snapshotPaper) Seen(pod Pod) *Cluster { return p.seen(p.snapshot, pod.Name) }

// Judge asks the plugins over the snapshot.
func (p *snapshotPaper) Judge(pod Pod) Judge {
	return newJudge(p.ctx, p.sched.Profiles[judgeName], p.snapshot, p.cluster.object(pod, p.schedulerName))
}

// Place changes the snapshot.
func (p *snapshotPaper) Place(pod Pod, node string, gone []string) {
	info, err := p.snapshot.Get(node)
	if err == nil {
		for _, there := range slices.Clone(info.GetPods()) {
			if slices.Contains(gone, there.GetPod().Name) {
				err = errors.Join(err, p.snapshot.RemovePod(klog.FromContext(p.ctx), there.GetPod(), node))
			}
		}
	}
	pod.Node = node
	placed, podErr := framework.NewPodInfo(p.cluster.object(pod, p.schedulerName))
	if err = errors.Join(err, podErr); err == nil {
		err = p.snapshot.AddPod(placed, node)
	}
	p.failure = errors.Join(p.failure, err)
}

// groups are the PodGroups that consumers name, which need all of their members.
func (sim *simulation) groups() []schedulingv1alpha1.PodGroup {
	members := sim.cluster.consumers()
	if members[0].Group == "" {
		return nil
	}
	group := schedulingv1alpha1.PodGroup{
		TypeMeta:   metav1.TypeMeta{Kind: "PodGroup", APIVersion: schedulingv1alpha1.SchemeGroupVersion.String()},
		ObjectMeta: metav1.ObjectMeta{Namespace: members[0].Namespace, Name: members[0].Group, UID: "group", ResourceVersion: "1"},
	}
	group.Spec.MinMember = int32(len(members)) //nolint:gosec // a handful
	return []schedulingv1alpha1.PodGroup{group}
}
