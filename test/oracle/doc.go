// Package oracle knows, by brute force and without the plugin, what the scheduler must do with a few pods in a small cluster.
//
// A [Cluster] is a plain model: nodes, Headrooms, pods and one to four consumers. [Generate] draws random ones, small enough to read
// and odd enough to hurt. [Cluster.Expect] looks at every node, works out the victims there by the published order of eviction, and says
// which node and which victims the rules name. [Simulate] puts the same cluster before a real scheduler with the plugin, in this
// process and without an API server, and reports what it did. The tests compare the two. Consumers come one after the other. For each the
// oracle is asked about the cluster that those before have left; in some runs these are not bound yet, and the placeholders that they take
// still there, or just going.
//
// The rules of the order are written here a second time on purpose, from the documentation and in the plainest way, not the
// fastest. What is taken from Kubernetes is what belongs to it: whether the other Filter plugins accept a node, and what the other
// Score plugins think of it.
package oracle
