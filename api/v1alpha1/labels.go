package v1alpha1

const (
	// LabelHeadroom is put on every placeholder pod, and on the DaemonSet of a PerNode Headroom. Its value is the name of
	// the Headroom, in the same namespace.
	LabelHeadroom = "headroom.dev/headroom"
	// LabelOpenFaaSHeadroom is put on every placeholder pod beside LabelHeadroom, with the same value, so that spread
	// constraints and affinities written for the OpenFaaS Headroom Controller keep working.
	LabelOpenFaaSHeadroom = "headroom"
	// LabelGuard is put, with the value GuardLabelValue, on guards: pods by which the scheduler keeps other schedulers off a node between the
	// eviction of a unit and the bind of its consumer. It means nothing outside the scheduler's own namespace.
	LabelGuard = "headroom.dev/guard"
	// GuardLabelValue is the only value of LabelGuard.
	GuardLabelValue = "true"
	// AnnotationGuardOf is put on guards. Its value is the name of the host, as a rule the pod, whose scheduler made it.
	AnnotationGuardOf = "headroom.dev/guard-of"
	// AnnotationTemplateHash is put on every placeholder pod. Its value identifies the part of the spec that the pod was
	// made from; a pod with another value is replaced.
	AnnotationTemplateHash = "headroom.dev/template-hash"
	// AnnotationFromRollout is put, with the value "true", on placeholder pods that a rollout creates in the place of one that
	// held room. It is how a rollout knows, after a restart too, how many units it has made unavailable. Its name is older than
	// the Go constant's and stays, because pods carry it.
	AnnotationFromRollout = "headroom.dev/exchange"
	// AnnotationDomain is put on placeholder pods that a Headroom with a ladder means for one topology domain, as a rule a zone. Its value is
	// the domain.
	AnnotationDomain = "headroom.dev/domain"
	// AnnotationController is put on every placeholder pod that the controller makes itself, and on the DaemonSet of a PerNode Headroom. Its
	// value is the identity of the installation of headroom-controller that made it.
	AnnotationController = "headroom.dev/controller"
	// AnnotationNear is put on consumers by their users. Its value is a label selector; the scheduler takes headroom as
	// near as it can to the pods of the same namespace that it selects.
	AnnotationNear = "headroom.dev/near"
	// AnnotationTook is put on consumers by the scheduler, in the write that binds them: the UIDs of the placeholders that were
	// evicted by the decision to bind this pod, and later by those to let it grow in place, separated by commas. It is how the
	// controller knows who took what. With the admission policy of the install, nobody but the schedulers may set it.
	AnnotationTook = "headroom.dev/took"
	// AnnotationTaking is put on running pods by the scheduler: the UIDs of the placeholders that are about to be evicted so that the pod can
	// grow in place, separated by commas. It is there from before the first eviction until AnnotationTook says which of them the pod took,
	// so that a scheduler that is killed in between leaves no eviction without its pod. The same admission policy protects it.
	AnnotationTaking = "headroom.dev/taking"
)
