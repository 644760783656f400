package config

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HeadroomArgs are the arguments of the Headroom plugin. Package v1 documents the meaning, default and bounds of each.
//
// +kubebuilder:object:root=true
type HeadroomArgs struct {
	metav1.TypeMeta

	// TopologyKeys are the node labels that nearness is measured by, nearest first. Empty: all nodes are equally near.
	TopologyKeys []string
	// NodeRules is the order among nodes. Tiers do not decrease along the list.
	NodeRules []NodeRule
	// Swap reports whether consumers are bound in the cycle that evicts for them. If not, only PostFilter takes placeholders.
	Swap bool
	// VictimWaitSeconds is how long a bind waits for a victim to be gone.
	VictimWaitSeconds int32
	// EvictionParallelism is how many victims of one consumer are deleted at the same time.
	EvictionParallelism int32
	// MinNodesToScore is the least number of tied nodes that are filtered and scored, see package v1.
	MinNodesToScore int32
	// HideNamesOfOtherNamespaces leaves the names of placeholders of other namespaces than the consumer's out of its events.
	HideNamesOfOtherNamespaces bool
	// GrowInPlace reports whether pods whose resize in place is deferred take placeholders of their node.
	GrowInPlace bool
	// GuardHoles is for which swaps other schedulers are kept off the node between the eviction and the bind.
	GuardHoles GuardHoles
	// GuardNamespace is where the pods are that do so. Empty: the namespace of the scheduler's own pod.
	GuardNamespace string
	// IgnoredResources are the ones that NodeResourcesFit ignores.
	IgnoredResources []string
	// IgnoredResourceGroups are the ones that NodeResourcesFit ignores.
	IgnoredResourceGroups []string
}

// NodeRule is one rule of the order among nodes.
type NodeRule struct {
	// Name is one of the names that RuleNames returns.
	Name string
	// Tier: rules of one tier are weighed against each other.
	Tier int32
	// Weight is the cost of one unit of the rule. 1 for a rule alone in its tier.
	Weight int32
}

// GuardHoles is for which swaps other schedulers are kept off the node between the eviction and the bind.
type GuardHoles string

const (
	// GuardReserved: for swaps that take reserved units.
	GuardReserved GuardHoles = "Reserved"
	// GuardAll: for every swap.
	GuardAll GuardHoles = "All"
	// GuardNever: for none.
	GuardNever GuardHoles = "Never"
)
