package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HeadroomArgs are the arguments of the Headroom plugin.
//
// +kubebuilder:object:root=true
type HeadroomArgs struct {
	metav1.TypeMeta `json:",inline"`

	// topologyKeys are the node labels that nearness to a consumer's anchors is measured by, nearest first: a node that
	// shares the value of an earlier key with an anchor is nearer. At most 16. An empty list makes all nodes equally near.
	// Default: kubernetes.io/hostname, topology.kubernetes.io/zone, topology.kubernetes.io/region.
	// +optional
	// +listType=atomic
	TopologyKeys []string `json:"topologyKeys,omitzero"`
	// nodeRules is the order among the nodes on which headroom can be taken; rules that are not listed do not count. Nodes
	// that need no eviction always go first, and ties end with the node name. Default: Nearest, Spread, LeastWaste,
	// FewestEvictions, Score, each in a tier of its own.
	// +optional
	// +listType=map
	// +listMapKey=name
	NodeRules []NodeRule `json:"nodeRules,omitempty"`
	// swap reports whether a consumer is bound in the very scheduling cycle that evicts placeholders for it. If false, only
	// PostFilter takes placeholders: the consumer fails a cycle, is nominated, and is bound by a later one. Default: true.
	// +optional
	Swap *bool `json:"swap,omitempty"`
	// victimWaitSeconds is how long a bind waits for a victim to be gone that was terminating already or has finalizers, before it
	// gives up and the consumer is tried again. Any other victim is deleted with grace period 0 and gone at once. 0 to 600. Default: 30.
	// +optional
	VictimWaitSeconds *int32 `json:"victimWaitSeconds,omitempty"`
	// evictionParallelism is how many victims of one consumer are deleted at the same time. 1 to 256. Default: 8.
	// +optional
	EvictionParallelism *int32 `json:"evictionParallelism,omitempty"`
	// minNodesToScore is the least number of nodes that are put to the Filter and Score plugins where more tie by the rules before the
	// score. How many that are, the profile's percentageOfNodesToScore says, and kube-scheduler's own formula where the profile has none;
	// which ones, a hash of the pod's UID and the node's name. 1 to 1000000. Default: 100, as kube-scheduler has it.
	// +optional
	MinNodesToScore *int32 `json:"minNodesToScore,omitempty"`
	// hideNamesOfOtherNamespaces leaves the names of placeholders of other namespaces than the consumer's out of the consumer's events.
	// Default: false.
	// +optional
	HideNamesOfOtherNamespaces *bool `json:"hideNamesOfOtherNamespaces,omitempty"`
	// growInPlace reports whether running pods of the profile whose resize in place the kubelet deferred take placeholders of their node, as
	// far as `consumers` entitle them. Default: true.
	// +optional
	GrowInPlace *bool `json:"growInPlace,omitempty"`
	// guardHoles is for which swaps a guard keeps other schedulers off the node from before the eviction until the consumer is bound:
	// Reserved (those that take reserved units), All, or Never. A guard is a pod without requests that lives for that moment. None is made
	// while no pod names another scheduler. Default: Reserved.
	// +optional
	GuardHoles string `json:"guardHoles,omitempty"`
	// guardNamespace is the namespace of the guards; the same in all profiles. Default: the namespace of the scheduler's own pod, as the
	// files of its service account say. Where there are none, as in a static pod, there are no guards unless it is set.
	// +optional
	GuardNamespace string `json:"guardNamespace,omitempty"`
	// ignoredResources of the built-in NodeResourcesFit, whose Filter the plugin stands in for: set both alike.
	// Default: none.
	// +optional
	// +listType=atomic
	IgnoredResources []string `json:"ignoredResources,omitempty"`
	// ignoredResourceGroups of the built-in NodeResourcesFit, whose Filter the plugin stands in for: set both alike.
	// Default: none.
	// +optional
	// +listType=atomic
	IgnoredResourceGroups []string `json:"ignoredResourceGroups,omitempty"`
}

// NodeRule is one rule of the order among nodes.
type NodeRule struct {
	// name is Nearest, Spread, LeastWaste, FewestEvictions or Score.
	// +required
	Name string `json:"name"`
	// tier puts the rule with its neighbours of the same tier, to be weighed against them: the node with the lower sum of
	// weight times units goes first. A unit is one step of distance, one unit of headroom fewer left (up to 100, at the
	// first spread key), one percent of the node wasted, one more eviction, or one point of score fewer. 1 to 100, not
	// decreasing along the list. Default: the rule's place in the list, counted from 1.
	// +optional
	Tier *int32 `json:"tier,omitempty"`
	// weight is the cost of one unit. 1 to 1000; only 1 makes sense for a rule alone in its tier. Default: 1.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
}
