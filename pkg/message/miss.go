package message

// What headroom-scheduler says to a pod that no headroom serves, and headroom-controller reads in the pod's condition PodScheduled.
const (
	// NoneLargeEnough: nodes hold headroom for the pod, but none as much as it needs.
	NoneLargeEnough = "no node holds enough for it"
	// DoesNotSuit: nodes hold enough of it; what comes after these words is why they do not suit the pod all the same.
	DoesNotSuit = "would have the room, but "
)
