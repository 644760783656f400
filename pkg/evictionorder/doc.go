// Package evictionorder says which placeholder goes first, and why. It is pure: it knows neither pods nor nodes nor an API
// server, only the evidence about them, and the same evidence always gives the same answer.
//
// A pod that needs room held by placeholders raises two questions. Compare and Pick answer the first, Order the second; Explain
// of either names the rule that decided, in the words that events, logs and tools print.
//
// # Which placeholders go, on one node
//
// Placeholders that the pod may take are put in this order (Compare):
//
//	victim rule 1 leaving      one that is being deleted already, or reserved for another pod, goes before one that would have to be
//	victim rule 2 named        one of a Headroom whose consumers name this pod goes before one that is open to all, and that before one
//	                           that does not entitle the pod, which the pod may take only by its priority (Unentitled)
//	victim rule 3 priority     lower priority goes first
//	victim rule 4 surplus      the one that, taken alone, holds least beyond what is missing goes first (Surplus)
//	victim rule 5 age          the youngest goes first
//	victim rule 6 uid          lower UID goes first, so that the order is total
//
// Pick takes them from the front until the pod fits, then goes over the taken ones from last to first and drops each one
// without which the pod would still fit. What remains is irreducible: no victim could have stayed.
//
// # Which node
//
// Nodes on which the pod fits after those evictions are put in this order (Order, here DefaultOrder):
//
//	rule 0 Free             a node that needs no eviction wins over one that does; among free nodes only rules 5 and 6 count
//	rule 1 Nearest          smallest topology distance to the pod's anchors
//	rule 2 Spread           most units left of the Headroom in the topology domain that loses some, after the loss (Left)
//	rule 3 LeastWaste       smallest surplus of evicted requests over what is missing, as a share of the node (Waste)
//	rule 4 FewestEvictions  fewest victims
//	rule 5 Score            highest score from the pod's own Score plugins
//	rule 6 Name             lower node name, so that the order is total
//
// Where more nodes tie by the rules before the score than kube-scheduler would score in a cluster of that size, rules 5
// and 6 look at a sample of that many that pass all Filter plugins: those with the lowest hash of pod UID and node
// name. That holds where the score is alone in its tier.
//
// Rules 1 to 5 can be left out, reordered, and weighed against each other (Tier); rules 0 and 6 cannot.
//
// # Arithmetic
//
// All quantities are int64, in Kubernetes' own units (CPU in thousandths, memory in bytes), and all shares are whole
// millionths rounded up. There is no floating point, so that no two machines disagree.
package evictionorder
