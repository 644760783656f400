// Package guard keeps other schedulers off a node between the eviction of units and the bind of their consumer.
//
// What this scheduler has assumed no other one sees. The eviction wakes all pods of another scheduler that wait for room, and while the
// consumer is being bound, which takes an API call, the room looks free to them. A guard ends that: a pod that is on the node from its
// creation, requests nothing, and has a required anti-affinity to all pods of all namespaces on its host. kube-scheduler's plugin
// InterPodAffinity lets no pod onto that node while the guard is there. Schedulers hear of pods by one watch, in the order in which they
// change: who sees the unit gone has seen the guard come, and who sees the guard gone has seen the consumer bound. So there is no moment
// in which the room looks free.
//
// A guard lives for the two API calls of a swap. Its creation is a third one that the consumer waits for; for its deletion nobody waits.
// Swaps on one node at the same time share one. The scheduler's own informer takes the anti-affinity from its guards ([Transform]), so that
// they keep its own pods from nothing. What a scheduler that was killed leaves is removed by the next one ([Guards.Sweep]), and ended by
// the kubelet (activeDeadlineSeconds). A swap that cannot have a guard goes on without.
package guard
