// Package observer watches a cluster from outside while a test runs, and judges afterwards what happened in it.
//
// It shares no code with the scheduler but the definition of a placeholder (pkg/placeholder): all it knows comes from the API
// server's watch of pods, nodes and DaemonSets, replayed in the order of resourceVersions. [Check] is the judgement, pure;
// [Watch] collects the history it is about. It works on any API server that a rest.Config leads to.
//
// It finds:
//
//   - a pod that a scheduler evicted and that is no placeholder, and one that vanished from its node with no cause that the test knows
//     of (property P1, only placeholders);
//   - a node on which the requests or the number of the pods bound to it exceed its allocatable when one more is bound (P5, no
//     overcommit);
//   - the same where the kubelet allocates more to a pod that grows in place: of every pod counts what is allocated to it;
//   - a guard, by which headroom-scheduler keeps other schedulers off a node, that requests something or stays for more than a minute;
//   - a pod that the kubelet would reject, by the kubelet's own predicate, at the point of the history at which it is bound.
package observer
