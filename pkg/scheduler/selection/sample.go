package selection

import (
	"cmp"
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

const (
	// minPercentage is the least share of nodes that kube-scheduler scores unless told otherwise (minFeasibleNodesPercentageToFind in
	// pkg/scheduler/schedule_one.go).
	minPercentage = 5
	// full is the percentage that means all nodes.
	full = 100
)

// nodesToScore returns how many nodes kube-scheduler would score in a cluster of that many nodes
// (numFeasibleNodesToFind in pkg/scheduler/schedule_one.go): percentage is the profile's percentageOfNodesToScore, nil
// or 0 to have it computed, and minimum is the least number.
func nodesToScore(percentage *int32, minimum, nodes int) int {
	share := 0
	if percentage != nil {
		share = int(*percentage)
	}
	if share == 0 {
		share = max(minPercentage, full/2-nodes/125)
	}
	return min(nodes, max(minimum, nodes*share/full))
}

// fittingSample returns those of some tied nodes on which the pod passes every Filter plugin and extender once the
// victims are gone, and those that were asked about. Of more nodes than kube-scheduler would score it asks only until
// so many fit, in the order of their sample keys. Where the score is weighed against other rules, it must not decide
// which nodes these look at, and all are asked about.
func (ch *choice) fittingSample(ctx context.Context, ties []int) (fitting, asked []int) {
	s := ch.selector
	limit := nodesToScore(s.Handle.PercentageOfNodesToScore(), int(s.Args.MinNodesToScore), len(ch.nodes))
	if len(ties) <= limit || len(s.scoreAndLater.Tiers) == 0 || len(s.scoreAndLater.Tiers[0]) > 1 {
		return ch.passExtenders(ctx, ch.fitting(ctx, ties)), ties
	}
	sample := newSample(ch.consumer.Pod, ch.nodes, ties, limit)
	for len(fitting) < limit {
		next := sample.next(limit - len(fitting))
		if len(next) == 0 {
			break
		}
		asked = append(asked, next...)
		fitting = append(fitting, ch.passExtenders(ctx, ch.fitting(ctx, next))...)
	}
	return fitting, asked
}

// sample puts nodes in an order that is as good as random for each pod, uniform over nodes, and the same whenever it is
// asked: by sample key, then name. It sorts no more of them than are asked for: bands of keys, each as wide as it takes
// for about as many nodes as were wanted at first.
type sample struct {
	pod   uint64
	all   []inventory.Node
	nodes []int
	width uint64
	// from is the lowest key that is in no band yet; done says that there is none.
	from uint64
	done bool
	// band are the nodes of the last band that were not returned yet.
	band []sampled
}

type sampled struct {
	key  uint64
	node int
}

func newSample(pod *corev1.Pod, all []inventory.Node, nodes []int, wanted int) *sample {
	return &sample{
		pod: inventory.Hash(string(pod.UID)), all: all, nodes: nodes, width: max(1, math.MaxUint64/uint64(len(nodes))*uint64(wanted)),
	}
}

// next returns the next n nodes, fewer if there are no more.
func (s *sample) next(n int) []int {
	next := make([]int, 0, n)
	for len(next) < n {
		if len(s.band) == 0 && !s.nextBand() {
			break
		}
		next = append(next, s.band[0].node)
		s.band = s.band[1:]
	}
	return next
}

// nextBand sorts the nodes of the next band that has any.
func (s *sample) nextBand() bool {
	for len(s.band) == 0 && !s.done {
		last := s.from + (s.width - 1)
		if last < s.from { // beyond the end
			last = math.MaxUint64
		}
		s.band = s.band[:0]
		for _, i := range s.nodes {
			if key := sampleKey(s.pod, s.all[i].Hash); key >= s.from && key <= last {
				s.band = append(s.band, sampled{key: key, node: i})
			}
		}
		slices.SortFunc(s.band, func(a, b sampled) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(s.all[a.node].Rank, s.all[b.node].Rank))
		})
		s.done = last == math.MaxUint64
		s.from = last + 1
	}
	return len(s.band) > 0
}

// sampleKey mixes the hashes of a pod and of a node: the finalizer of SplitMix64 (Steele, Lea and Flood, Fast
// splittable pseudorandom number generators, 2014), which makes every bit depend on every other.
func sampleKey(pod, node uint64) uint64 {
	x := pod ^ node
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
