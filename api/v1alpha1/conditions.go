package v1alpha1

// Condition types of a Headroom.
const (
	// ConditionReady is True if the spec is valid and acted on. It says nothing about room: a cluster that cannot grow is no
	// error, so that health checks of GitOps tools stay green.
	ConditionReady = "Ready"
	// ConditionFilled is True if every unit is bound to a node and can be taken there, and says why not otherwise.
	ConditionFilled = "Filled"
	// ConditionSized is True if every rule of spec.sizing is evaluated, and says why not otherwise. It is there with spec.sizing only.
	ConditionSized = "Sized"
	// ConditionShaped is True if units are made like the pods of the workload of spec.shapeFrom, and says why not otherwise. It is there
	// with spec.shapeFrom only.
	ConditionShaped = "Shaped"
)

// Reasons of the condition Ready. Valid and QuotaShort come with True, all others with False. With False no new placeholders are made, but
// for two reasons: with AdmissionChanged those are that can still be recognized, and with AnotherController the other one makes them.
const (
	// ReasonValid says that the spec is valid and acted on.
	ReasonValid = "Valid"
	// ReasonQuotaShort says that the spec is valid and acted on, and that a ResourceQuota which counts the units leaves less than one of
	// them: the pods that are to take their room may be refused, because the units use up what those need.
	ReasonQuotaShort = "QuotaShort"
	// ReasonInvalidSpec says that the API server refuses the placeholders as malformed: a selector that does not parse, an
	// affinity without terms, and so on. The message carries the API server's own, with the path of the field.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonUnknownPriorityClass says that no PriorityClass has the name spec.priorityClassName.
	ReasonUnknownPriorityClass = "UnknownPriorityClass"
	// ReasonPriorityTooHigh says that the PriorityClass is above the operator's limit (-1 unless the operator raised it):
	// ordinary pods could not take the headroom, or would even be preempted for it.
	ReasonPriorityTooHigh = "PriorityTooHigh"
	// ReasonPriorityTooLow says that the PriorityClass is below what an autoscaler still sees (-10 unless the operator chose
	// another value): Cluster Autoscaler would treat the placeholders as if they were not there.
	ReasonPriorityTooLow = "PriorityTooLow"
	// ReasonPreemptingPriorityClass says that the preemptionPolicy of the PriorityClass is not Never: placeholders could evict
	// other pods to make room for themselves.
	ReasonPreemptingPriorityClass = "PreemptingPriorityClass"
	// ReasonReservedNotAllowed says that the operator does not allow reserved units, or that spec.priorityClassName names their class
	// without spec.reserved.
	ReasonReservedNotAllowed = "ReservedNotAllowed"
	// ReasonImageNotAllowed says that the operator does not allow units to run this image. The message names it and those that are
	// allowed.
	ReasonImageNotAllowed = "ImageNotAllowed"
	// ReasonSecurityContextNotAllowed says that the units would not meet the Pod Security level that the operator enforces for all of
	// them (baseline, or restricted). The message says in what.
	ReasonSecurityContextNotAllowed = "SecurityContextNotAllowed"
	// ReasonLimitReached says that the operator allows no more units: of this Headroom, in its namespace, or in all. The message says which.
	ReasonLimitReached = "LimitReached"
	// ReasonNoAccounts says that spec.refill.policy is Once, and that nothing counts what was taken, because the definition of
	// HeadroomAccounts is not installed.
	ReasonNoAccounts = "NoAccounts"
	// ReasonQuotaExceeded says that a ResourceQuota of the namespace leaves no room for the missing placeholders.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonAdmissionRefused says that admission refuses the placeholders: a LimitRange, Pod Security, a policy or a webhook.
	// The message carries the refusal.
	ReasonAdmissionRefused = "AdmissionRefused"
	// ReasonAdmissionChanged says that a policy or webhook changes the placeholders, and which field. Placeholders that can still be
	// recognized are made all the same, and outdated ones are replaced ever more slowly; others are not made.
	ReasonAdmissionChanged = "AdmissionChanged"
	// ReasonAnotherController says that another installation of headroom-controller would act on the Headroom too. One of them does; the
	// message names both.
	ReasonAnotherController = "AnotherController"
	// ReasonNameTaken says that the DaemonSet of a PerNode Headroom cannot be made: one of its name belongs to somebody else.
	ReasonNameTaken = "NameTaken"
	// ReasonShapeUnknown says that it is not known yet what the units of a Headroom with spec.shapeFrom are like; the condition Shaped
	// says why. It is a reason of Sized, too, where a rule has to know.
	ReasonShapeUnknown = "ShapeUnknown"
	// ReasonNamespaceTerminating says that the namespace is being deleted, so that nothing can be created in it.
	ReasonNamespaceTerminating = "NamespaceTerminating"
)

// Reasons of the condition Filled. ReasonFilled comes with True, all others with False.
const (
	// ReasonFilled says that every unit can be taken. Zero units always can.
	ReasonFilled = "Filled"
	// ReasonNotReady says that the condition Ready is False; its reason and message tell the cause.
	ReasonNotReady = "NotReady"
	// ReasonToppingUp says that units are being created, or were created and not yet looked at by the scheduler.
	ReasonToppingUp = "ToppingUp"
	// ReasonRollingOut says that placeholders that are not what the spec and the PriorityClass say now are being replaced step by
	// step.
	ReasonRollingOut = "RollingOut"
	// ReasonWaitingForRoom says that the scheduler found no room for some units. An autoscaler would add it; without one the
	// units wait until pods go. The message carries the scheduler's.
	ReasonWaitingForRoom = "WaitingForRoom"
	// ReasonAtCeiling says that no room came for the units that waited within spec.refill.parkAfter, so that only a few of them wait now. The
	// message carries the words of an autoscaler that says so, else those of the scheduler.
	ReasonAtCeiling = "AtCeiling"
	// ReasonUnavailable says that every unit is bound, but some cannot be taken: no consumer could be bound to their node now, or they
	// are promised to a pod that waits. The message says it of one.
	ReasonUnavailable = "Unavailable"
	// ReasonGated says that scheduling gates, which somebody's admission put on units, keep the scheduler from them. The message names
	// the gates.
	ReasonGated = "Gated"
	// ReasonNoScheduler says that no scheduler has looked at units for a minute: there may be none of the name that they carry.
	ReasonNoScheduler = "NoScheduler"
	// ReasonUnitsFail says that kubelets reject or evict units again and again. They are made anew after 1, 2, 4 ... 60 seconds; those of
	// a DaemonSet by its controller, which has a back-off of its own. The message carries a kubelet's.
	ReasonUnitsFail = "UnitsFail"
)

// Reasons of the condition Sized. ReasonSized comes with True, ReasonReading with Unknown, all others with False; with them the
// rules that the message is about keep the number of units that they came to last.
const (
	// ReasonSized says that every rule is evaluated.
	ReasonSized = "Sized"
	// ReasonReading says that the controller has not yet read what some rule is about.
	ReasonReading = "Reading"
	// ReasonTargetNotFound says that there is no object of the name that a rule gives.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonUnknownKind says that a rule names a kind that the API server does not serve, or that has no scale subresource.
	ReasonUnknownKind = "UnknownKind"
	// ReasonForbidden says that the controller may not read what a rule is about. The message says which verb on what it lacks.
	ReasonForbidden = "Forbidden"
	// ReasonNoAutoscaler says that no HorizontalPodAutoscaler names the target of a rule.
	ReasonNoAutoscaler = "NoAutoscaler"
	// ReasonUnknownTimeZone says that the Time Zone Database has no zone of that name.
	ReasonUnknownTimeZone = "UnknownTimeZone"
	// ReasonInvalidRule says that a rule is malformed, or that maxResources limits nothing, in a way that the API server does not notice.
	ReasonInvalidRule = "InvalidRule"
	// ReasonUnreadable says that the API server did not answer what a rule is about. The message is its own.
	ReasonUnreadable = "Unreadable"
)

// Reasons of the condition Shaped, beside TargetNotFound, UnknownKind, Forbidden, InvalidRule and Unreadable, which come with False, and
// Reading, which comes with Unknown; with them units keep the shape that they have. ReasonShaped comes with True, the others with False.
const (
	// ReasonShaped says that units are made like the pods of the workload.
	ReasonShaped = "Shaped"
	// ReasonNoRequests says that the pods of the workload request nothing.
	ReasonNoRequests = "NoRequests"
	// ReasonShapeChanged says that the workload changed less than 10 minutes after units last took another shape.
	ReasonShapeChanged = "ShapeChanged"
	// ReasonTargetRolls says that the workload changed and still replaces its pods.
	ReasonTargetRolls = "TargetRolls"
)
