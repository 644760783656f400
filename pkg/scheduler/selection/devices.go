package selection

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// Devices are those of a swap whose consumer gets devices, by dynamic resource allocation, that victims hold.
type Devices struct {
	// State is what the plugin DynamicResources has to find in the cycle, under dryrun.DevicesKey, so that it allocates them.
	State fwk.StateData
	// Claims are those of victims, at least one. The consumer must not get its own until these hold nothing any more.
	Claims []*resourcev1.ResourceClaim
}

// devicesFor returns what asks about the devices of placeholders for a consumer, nil if there is nothing to ask: most pods want none.
func (s *Selector) devicesFor(ctx context.Context, c *Consumer) *dryrun.Devices {
	if len(c.devices) == 0 || s.Devices == nil {
		return nil
	}
	return s.Devices(ctx)
}

// latest returns a pod as the informer has it: while the scheduler is about to bind it, the snapshot does not have what was written
// meanwhile.
func (s *Selector) latest(pod *corev1.Pod) *corev1.Pod {
	current, err := s.Handle.SharedInformerFactory().Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if err != nil || current.UID != pod.UID {
		return pod
	}
	return current
}

// addDevices chooses the victims of nodes whose placeholders hold devices that the consumer may need. Which devices suit it, and which are
// free, only DynamicResources knows. So for these nodes the Filter plugins are asked about one set of victims after the other, in the
// order in which evictionorder.PickWhere tries them, and what else is known of them is forgotten.
func (ch *choice) addDevices(ctx context.Context, devices *dryrun.Devices) {
	if devices == nil || !ch.run.Start(ctx) {
		return
	}
	searches := ch.deviceSearches(&layers{run: ch.run, devices: devices})
	indices, searched := make([]int, len(searches)), map[int]bool{}
	for j, search := range searches {
		indices[j], searched[search.index] = j, true
	}
	ch.candidates = slices.DeleteFunc(slices.Clone(ch.candidates), func(i int) bool { return searched[i] })
	found := ch.run.All(ctx, indices, func(ctx context.Context, j int) bool { return searches[j].search(ctx) })
	for j, ok := range found {
		if search := searches[j]; ok && len(search.victims) > 0 {
			ch.setNominated(search.index, search.candidate())
			ch.candidates = append(ch.candidates, search.index)
		}
	}
	slices.Sort(ch.candidates)
}

// deviceSearches returns the nodes on which a search for devices makes sense.
func (ch *choice) deviceSearches(shared *layers) []*deviceSearch {
	for i := range ch.nodes {
		node := &ch.nodes[i]
		if len(node.Placeholders) == 0 || !slices.ContainsFunc(ch.consumer.devices, func(d int) bool { return node.Allocatable.At(d) == 0 }) {
			continue
		}
		search := &deviceSearch{choice: ch, layers: shared, index: i, node: node}
		if search.prepare() {
			shared.searches = append(shared.searches, search)
		}
	}
	return shared.searches
}

// confirmed is best, and makes sure of the devices that the best node was found with. While victims were searched for, devices of other
// nodes were taken to be free as well, which makes a difference only for those that can be reached from several nodes.
func (ch *choice) confirmed(ctx context.Context, devices *dryrun.Devices) (found ranking, ok bool) {
	for {
		found, ok = ch.best(ctx)
		if !ok {
			return found, false
		}
		best := ch.candidate(found.best)
		if best.devices == nil || ch.confirm(ctx, devices, found.best) {
			return found, true
		}
		ch.candidates = slices.DeleteFunc(ch.candidates, func(i int) bool { return i == found.best })
	}
}

// confirm asks about a node with the devices of its victims alone, and keeps what DynamicResources then goes by.
func (ch *choice) confirm(ctx context.Context, devices *dryrun.Devices, node int) bool {
	found := ch.candidate(node)
	state, err := ch.run.FreedFor(ctx, devices, found.devices.Claims)
	if err != nil {
		klog.FromContext(ctx).Error(err, "No devices of placeholders are taken", "pod", klog.KObj(ch.consumer.Pod))
		return false
	}
	found.devices.State = state
	return ch.run.PassesFreed(ctx, ch.nodes[node].Info, podsOf(found.victims, &ch.nodes[node]), state)
}
