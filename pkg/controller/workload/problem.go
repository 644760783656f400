package workload

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Problem is why something cannot be told.
type Problem struct {
	// Reason is one of the condition Sized.
	Reason string
	// Message says what is wrong, and what to do about it, in one sentence.
	Message string
}

// problemOf says why something, such as "Deployment web", could not be read.
func problemOf(what string, err error) *Problem {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return &Problem{v1alpha1.ReasonForbidden, fmt.Sprintf(
			"the controller may not read %s, which needs list and watch, and get of a scale subresource: %v; the ClusterRole "+
				"headroom-controller-targets has the rights for the kinds of Kubernetes", what, err)}
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return &Problem{v1alpha1.ReasonUnknownKind, fmt.Sprintf("the API server does not serve the kind of %s: %v", what, err)}
	}
	return &Problem{v1alpha1.ReasonUnreadable, fmt.Sprintf("reading %s failed: %v", what, err)}
}

// lasting reports whether a problem makes what was read before worthless. The API server being away does not.
func (p *Problem) lasting() bool {
	return p.Reason == v1alpha1.ReasonForbidden || p.Reason == v1alpha1.ReasonUnknownKind
}
