// Package holes knows which room of a node is not to be had although no pod is bound there yet: the room that a preemption
// makes for another pod, and the room that has been free for so short a time that another scheduler may be about to use it. It
// follows pods, and nothing else.
//
// A hole is room that a preemption makes. It exists from the moment in which the victim is marked (the condition
// DisruptionTarget with the reason PreemptionByScheduler), which may be before anybody can see for which pod, until a pod of
// the scheduler that preempted is nominated or bound to the node and is large enough for it, or until HoleLasts has passed. A pod
// that went while nothing was heard of pods may have been a victim: its room counts as a hole, for a pod of any scheduler.
// From then on the nomination keeps the room, until the pod is bound, finished or gone, is nominated elsewhere, or has not
// changed for NominationLasts.
//
// Placeholders heed every hole and every nomination. Other pods heed what kube-scheduler's own nominator does not know, the holes and
// nominations of other schedulers' pods, if these have at least their own priority. Beside other schedulers, placeholders also leave room
// alone until it has been free for FreeFor. Room of a new node is not young in this sense: nothing went from it.
package holes
