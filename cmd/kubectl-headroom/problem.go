package main

import (
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// The exit codes, for scripts. docs/reference/kubectl-headroom.md lists them.
const (
	exitFailed      = 1 // anything that no other code names, such as flags that are none
	exitNotFound    = 2 // an object that was asked for is not there, or Headroom is not installed
	exitForbidden   = 3 // the user lacks a right
	exitUnreachable = 4 // the cluster does not answer, or does not accept the credentials
)

// problem is an error with an exit code of its own.
type problem struct {
	code int
	text string
	// cause is what the cluster said.
	cause error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.cause }

// exitCode is that of the command when it ends with this error.
func exitCode(err error) int {
	var p *problem
	switch {
	case err == nil:
		return 0
	case errors.As(err, &p):
		return p.code
	default:
		return exitFailed
	}
}

func notFound(format string, args ...any) error {
	return &problem{code: exitNotFound, text: fmt.Sprintf(format, args...)}
}

// listProblem words what a list ended with.
func listProblem(err error, resource, namespace string) error {
	where := "in namespace " + namespace
	if namespace == "" {
		where = "of the whole cluster"
	}
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return &problem{code: exitNotFound, cause: err, text: fmt.Sprintf(
			"the cluster does not know %s: install Headroom, or its CustomResourceDefinitions after an upgrade", resource)}
	case apierrors.IsForbidden(err):
		return &problem{code: exitForbidden, cause: err, text: fmt.Sprintf(
			"no right to list %s %s: ask for the verbs list and watch on it (%s)", resource, where, err)}
	default:
		return problemOf(err, "listing "+resource)
	}
}

// problemOf words what may happen to any request.
func problemOf(err error, doing string) error {
	switch {
	case apierrors.IsUnauthorized(err):
		return &problem{code: exitUnreachable, cause: err, text: fmt.Sprintf(
			"%s: the cluster does not accept the credentials of the kubeconfig, log in again: %s", doing, err)}
	case unreachable(err):
		return &problem{code: exitUnreachable, cause: err, text: fmt.Sprintf(
			"%s: the cluster cannot be reached, look at the server of the kubeconfig: %s", doing, err)}
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// unreachable reports whether a request got no answer. Errors of net/url and deadlines that passed are a net.Error, too.
func unreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err)
}

// lacking reports whether an error says that something is not there or not allowed, so that a command can go on without it, and what it
// then cannot tell.
func lacking(err error) bool {
	code := exitCode(err)
	return code == exitForbidden || code == exitNotFound
}
