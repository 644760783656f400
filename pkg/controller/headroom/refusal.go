package headroom

import (
	"errors"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// problem is why the controller does not do what the spec says, in words for the user: the spec or the namespace has to
// change. Anything else that goes wrong is an error.
type problem struct {
	// reason is a reason of the condition Ready.
	reason string
	// message says what is wrong.
	message string
}

// checkSpec reports whether the Headroom's PriorityClasses are such that placeholders may have, and whether any pod can be a consumer.
func checkSpec(headroom *v1alpha1.Headroom, classes classes, limits priority.Limits) *problem {
	refusal := classes.check(limits)
	if headroom.Spec.Reserved {
		refusal = priority.CheckReserved(classes.values[v1alpha1.ReservedPriorityClassName], limits)
	}
	if refusal != nil {
		return &problem{reason: refusal.Reason, message: refusal.Message}
	}
	if err := placeholder.ValidateConsumers(headroom.Spec.Consumers); err != nil {
		return &problem{reason: v1alpha1.ReasonInvalidSpec, message: err.Error()}
	}
	return nil
}

// checkPods reports whether the operator lets units be what the spec makes of them.
func checkPods(headroom *v1alpha1.Headroom, defaults placeholder.Defaults, policy *podpolicy.Policy) *problem {
	if refusal := policy.Check(placeholder.Build(headroom, defaults, 0)); refusal != nil {
		return &problem{reason: refusal.Reason, message: refusal.Message}
	}
	return nil
}

// problemOf returns what the user has to change for the API server to accept a placeholder, and nil if the error is none
// that a user could do something about: the API server is away, overloaded, or forbids the controller itself.
func problemOf(err error) *problem {
	if changed := (*changedError)(nil); errors.As(err, &changed) {
		return &problem{reason: v1alpha1.ReasonAdmissionChanged, message: changed.Error()}
	}
	text := err.Error()
	of := func(reason string) *problem { return &problem{reason: reason, message: text} }
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return of(v1alpha1.ReasonNamespaceTerminating)
	case strings.Contains(text, "exceeded quota:"):
		return of(v1alpha1.ReasonQuotaExceeded)
	case strings.Contains(text, "ValidatingAdmissionPolicy"), strings.Contains(text, "MutatingAdmissionPolicy"),
		strings.Contains(text, "admission webhook"), strings.Contains(text, "failed calling webhook"):
		return of(v1alpha1.ReasonAdmissionRefused)
	case code(err) == http.StatusForbidden && !refusedUser(text):
		// The reason does not tell: a policy says what it likes, and one that fails says Invalid.
		return of(v1alpha1.ReasonAdmissionRefused)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return of(v1alpha1.ReasonInvalidSpec)
	case code(err) == http.StatusRequestEntityTooLarge:
		return of(v1alpha1.ReasonInvalidSpec)
	}
	return nil
}

// isRefusal reports whether a problem is that the API server did not accept a placeholder. It accepts one that it changes.
func (p *problem) isRefusal() bool {
	switch p.reason {
	case v1alpha1.ReasonAdmissionChanged, v1alpha1.ReasonNameTaken, v1alpha1.ReasonAnotherController:
		return false
	}
	return true
}

// isQuota reports whether an error is that of a ResourceQuota that is used up.
func isQuota(err error) bool {
	what := problemOf(err)
	return what != nil && what.reason == v1alpha1.ReasonQuotaExceeded
}

// refusedUser reports whether a Forbidden error is about the controller's own permissions. Authorization has no code of its own.
func refusedUser(text string) bool {
	return strings.Contains(text, `is forbidden: User "`)
}

func code(err error) int32 {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code
	}
	return 0
}
