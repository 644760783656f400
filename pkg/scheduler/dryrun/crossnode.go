package dryrun

import (
	"context"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// crossNode is for the Filter plugins that read more than the node. What they say is good for one cycle only.
type crossNode struct {
	// state is that of the dry run for these plugins alone, nil if there are none.
	state fwk.CycleState
	// keys are the labels of a node that decide all that these plugins say of it, nil if more does.
	keys []string

	mu sync.Mutex
	// passedByDomain is what they said, by the values of these labels.
	passedByDomain map[string]bool
}

// skipState is a cycle state in which more Filter or Score plugins are to be skipped. The others find there what
// PreFilter and PreScore left.
type skipState struct {
	fwk.CycleState
	skipped sets.Set[string]
}

// GetSkipFilterPlugins returns the names of the plugins that are to be skipped.
func (s *skipState) GetSkipFilterPlugins() sets.Set[string] {
	return s.skipped
}

// GetSkipScorePlugins returns the names of the plugins that are to be skipped.
func (s *skipState) GetSkipScorePlugins() sets.Set[string] {
	return s.skipped
}

// splitFilters divides the Filter plugins into those that read nothing but the node and the others.
func (r *Run) splitFilters() {
	skipped := r.state.GetSkipFilterPlugins()
	crossing := sets.New[string]()
	if !skipped.Has(podtopologyspread.Name) {
		crossing.Insert(podtopologyspread.Name)
		r.crossNode.keys = requiredSpreadKeys(r.pod)
	}
	// Anti-affinity of existing pods is covered by the inventory's CrossNodeVersion.
	if !skipped.Has(interpodaffinity.Name) && HasPodAffinity(r.pod) {
		crossing.Insert(interpodaffinity.Name)
		r.crossNode.keys = nil
	}
	if crossing.Len() == 0 {
		r.nodeLocal = r.state
		return
	}
	r.profile.inspect()
	r.nodeLocal = &skipState{CycleState: r.state, skipped: skipped.Union(crossing)}
	r.crossNode.state = &skipState{CycleState: r.state, skipped: skipped.Union(r.profile.filters.Difference(crossing))}
	r.crossNode.passedByDomain = map[string]bool{}
}

// requiredSpreadKeys returns the topology keys of the pod's own spread constraints that must be met; PodTopologySpread
// reads nothing else of a node. It returns nil if there are none, or if each node is a domain of its own.
func requiredSpreadKeys(pod *corev1.Pod) []string {
	var keys []string
	for _, constraint := range pod.Spec.TopologySpreadConstraints {
		if constraint.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		if constraint.TopologyKey == corev1.LabelHostname {
			return nil
		}
		keys = append(keys, constraint.TopologyKey)
	}
	return keys
}

// HasPodAffinity reports whether the pod has affinity or anti-affinity terms about other pods.
func HasPodAffinity(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	return affinity != nil && (affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil)
}

// MustSpread reports whether there may be spread constraints that the pod must meet, its own or the profile's default ones. In a run apart
// there is no cycle that tells.
func (r *Run) MustSpread() bool {
	_, err := r.cycle.Read(preFilterKey(podtopologyspread.Name))
	return err == nil || r.apart || !r.profile.PreFilterReusable()
}

// PassesCrossNode reports whether the pod passes the Filter plugins that read more than the node, to which no other
// pods may be nominated. Of nodes in the same topology domains one is asked about: these plugins read nothing else of a
// node.
func (r *Run) PassesCrossNode(ctx context.Context, node fwk.NodeInfo) bool {
	c := &r.crossNode
	if c.state == nil {
		return true
	}
	ask := func() bool {
		return r.profile.handle.RunFilterPlugins(ctx, c.state, r.pod, node).IsSuccess()
	}
	domain, ok := c.domain(node.Node())
	if !ok {
		return ask()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	passes, asked := c.passedByDomain[domain]
	if !asked {
		passes = ask()
		if ctx.Err() == nil {
			c.passedByDomain[domain] = passes
		}
	}
	return passes
}

// domain returns what nodes have in common of which these plugins say the same, false if each node has to be asked about.
func (c *crossNode) domain(node *corev1.Node) (domain string, ok bool) {
	if len(c.keys) == 1 { // most often, and then without an allocation
		domain, ok = node.Labels[c.keys[0]]
		return domain, ok
	}
	values := make([]string, len(c.keys))
	for i, key := range c.keys {
		if values[i], ok = node.Labels[key]; !ok {
			return "", false
		}
	}
	return strings.Join(values, "\x00"), len(values) > 0
}
