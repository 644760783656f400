package headroom

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/message"
)

// Reporter is the name under which the controller reports events.
const Reporter = "headroom-controller"

// Reasons of the events on a Headroom.
const (
	// EventCreated says that placeholders were created.
	EventCreated = "Created"
	// EventConsumed says that pods took placeholders: which pods, on which nodes, and what is left.
	EventConsumed = "Consumed"
	// EventRefilled says that every unit is bound after some were not.
	EventRefilled = "Refilled"
	// EventCannotFill says that units wait for room, or that the API server refuses them, and why.
	EventCannotFill = "CannotFill"
	// EventParked says that no room came for the units that waited, so that only a few wait now. EventUnparked says that all that are missing
	// are made again.
	EventParked   = "Parked"
	EventUnparked = "Unparked"
	// EventExpired says that the units go because spec.refill.ttl is over.
	EventExpired = "Expired"
	// EventQuotaShort says that a quota leaves less than one unit while units are held.
	EventQuotaShort = "QuotaShort"
	// EventInvalid says that the spec cannot be acted on, and why.
	EventInvalid = "Invalid"
)

// Actions of the events on a Headroom.
const (
	actionTopUp    = "TopUp"
	actionConsume  = "Consume"
	actionValidate = "Validate"
)

const (
	// namedConsumers is how many consumers one event names.
	namedConsumers = 5
	// maxNote is the longest note that the API server accepts, in bytes.
	maxNote = 1024
)

// notice is one event on a Headroom. Events that differ in the note only are folded into one by the recorder.
type notice struct {
	kind, reason, action, note string
	related                    runtime.Object
}

// eventsOf says what there is to tell after a status was written over another one.
func eventsOf(before, after v1alpha1.HeadroomStatus, t tally, created int, consumed []consumption.Consumption) []notice {
	var notices []notice
	if created > 0 {
		notices = append(notices, normal(EventCreated, actionTopUp, "Created "+placeholders(created)))
	}
	if len(consumed) > 0 {
		notices = append(notices, consumedEvent(consumed, t))
	}
	if !t.expiredAt.IsZero() && before.DesiredReplicas > 0 {
		notices = append(notices, normal(EventExpired, actionTopUp,
			"The units go: spec.refill.ttl ended at "+t.expiredAt.UTC().Format(time.RFC3339)))
	}
	ready, wasReady := conditionOf(after, v1alpha1.ConditionReady), conditionOf(before, v1alpha1.ConditionReady)
	if ready.Status == metav1.ConditionFalse && ready.Reason != wasReady.Reason {
		reason, action := EventInvalid, actionValidate
		if isRefusal(ready.Reason) {
			reason, action = EventCannotFill, actionTopUp
		}
		notices = append(notices, warning(reason, action, ready.Reason+": "+ready.Message))
	}
	if ready.Reason == v1alpha1.ReasonQuotaShort && ready.Reason != wasReady.Reason {
		notices = append(notices, warning(EventQuotaShort, actionTopUp, ready.Message))
	}
	filled, wasFilled := conditionOf(after, v1alpha1.ConditionFilled), conditionOf(before, v1alpha1.ConditionFilled)
	switch {
	case filled.Reason == wasFilled.Reason:
	case filled.Status == metav1.ConditionTrue && wasFilled.Status == metav1.ConditionFalse && t.desired > 0:
		notices = append(notices, normal(EventRefilled, actionTopUp, filled.Message))
	case filled.Reason == v1alpha1.ReasonAtCeiling:
		notices = append(notices, normal(EventParked, actionTopUp, filled.Message))
	case wasFilled.Reason == v1alpha1.ReasonAtCeiling && !t.atCeiling:
		notices = append(notices, normal(EventUnparked, actionTopUp, filled.Message))
	case needsHelp(filled.Reason):
		notices = append(notices, warning(EventCannotFill, actionTopUp, filled.Message))
	}
	return notices
}

// needsHelp reports whether a reason of the condition Filled is one that the controller can do nothing about.
func needsHelp(reason string) bool {
	switch reason {
	case v1alpha1.ReasonWaitingForRoom, v1alpha1.ReasonGated, v1alpha1.ReasonNoScheduler, v1alpha1.ReasonUnitsFail:
		return true
	}
	return false
}

// isRefusal reports whether a reason of the condition Ready is about the namespace rather than the spec.
func isRefusal(reason string) bool {
	switch reason {
	case v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNamespaceTerminating, v1alpha1.ReasonNameTaken,
		v1alpha1.ReasonAdmissionChanged, v1alpha1.ReasonAnotherController, v1alpha1.ReasonLimitReached,
		v1alpha1.ReasonNoAccounts:
		return true
	}
	return false
}

// consumedEvent names the consumers. One consumer's pod is the event's related object.
func consumedEvent(consumed []consumption.Consumption, t tally) notice {
	var who []string
	for _, c := range consumed[:min(len(consumed), namedConsumers)] {
		who = append(who, fmt.Sprintf("%s took %s on node %s", nameOf(c.Consumer), c.Placeholder.Name, c.Node))
	}
	note := strings.Join(who, "; ")
	if more := len(consumed) - len(who); more > 0 {
		note += fmt.Sprintf("; %d more were taken", more)
	}
	note += fmt.Sprintf(". Left: %d of %d", t.ready, t.desired)
	if len(t.domains) > 1 {
		note += " (" + inOneLine(t.domains) + ")"
	}
	e := normal(EventConsumed, actionConsume, note)
	if first := consumed[0].Consumer; first.Name != "" {
		e.related = reference(first.NamespacedName, first.UID)
	}
	return e
}

// nameOf names a consumer as far as it is known.
func nameOf(consumer account.Consumer) string {
	switch {
	case consumer.Name != "":
		return consumer.String()
	case consumer.UID != "":
		return "the pod with UID " + string(consumer.UID)
	default:
		return "an unknown pod"
	}
}

func normal(reason, action, note string) notice {
	return notice{kind: corev1.EventTypeNormal, reason: reason, action: action, note: message.Cut(note, maxNote, message.Ellipsis)}
}

func warning(reason, action, note string) notice {
	return notice{kind: corev1.EventTypeWarning, reason: reason, action: action, note: message.Cut(note, maxNote, message.Ellipsis)}
}

func placeholders(n int) string {
	if n == 1 {
		return "1 placeholder"
	}
	return fmt.Sprintf("%d placeholders", n)
}

func conditionOf(status v1alpha1.HeadroomStatus, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// reference names a pod in an event.
func reference(pod types.NamespacedName, uid types.UID) *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: uid}
}
