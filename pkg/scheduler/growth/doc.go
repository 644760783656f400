// Package growth lets running pods take the room that placeholders of their node hold, for a resize in place that the kubelet deferred
// because the node lacks room. Nothing is bound for it: the placeholders go, and the kubelet, which tries deferred resizes again whenever
// a pod of its node ends, grows the pod.
//
// Decide is the decision, and pure: which of the deferred resizes of one node are served, in which order, and which placeholders go. It
// counts as the kubelet does: of every pod what the kubelet has allocated to it, and of the pod to be grown what it asks for. The scheduler
// counts what each pod asks for, so that it binds nothing into the room between the eviction and the growth.
//
// Grower is the plumbing: it looks at the nodes with deferred resizes whenever something changes on them. What a pod is about to take
// stands in its annotation headroom.dev/taking before anything goes, and what it took in headroom.dev/took afterwards, so that a scheduler
// that is killed in between leaves the next one enough to end the work.
package growth
