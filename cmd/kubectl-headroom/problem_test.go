package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestEachProblemHasASentenceAndAnExitCode(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		err  error
		code int
		want string
	}{
		"no definition": {
			&meta.NoKindMatchError{}, exitNotFound, "the cluster does not know pods: install Headroom",
		},
		"a definition that went": {apierrors.NewNotFound(pods, ""), exitNotFound, "the cluster does not know pods: "},
		"no right": {
			apierrors.NewForbidden(pods, "", errors.New("no")), exitForbidden,
			"no right to list pods in namespace shop: ask for the verbs list and watch on it",
		},
		"credentials": {apierrors.NewUnauthorized("no"), exitUnreachable, "the cluster does not accept the credentials"},
		"no answer": {
			fmt.Errorf("get: %w", &url.Error{Op: "Get", URL: "https://none", Err: errors.New("connection refused")}), exitUnreachable,
			"listing pods: the cluster cannot be reached, look at the server of the kubeconfig",
		},
		"too slow":                         {context.DeadlineExceeded, exitUnreachable, "the cluster cannot be reached"},
		"an API server that is overloaded": {apierrors.NewServerTimeout(pods, "list", 1), exitUnreachable, "the cluster cannot be reached"},
		"one that gave the request up":     {apierrors.NewTimeoutError("gave up", 1), exitUnreachable, "the cluster cannot be reached"},
		"a connection that broke": {
			&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, exitUnreachable, "the cluster cannot be reached",
		},
		"a connection that was too slow": {os.ErrDeadlineExceeded, exitUnreachable, "the cluster cannot be reached"},
		"anything else":                  {errors.New("broken"), exitFailed, "listing pods: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			err := listProblem(tc.err, "pods", "shop")
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.code, exitCode(fmt.Errorf("wrapped: %w", err)))
			require.ErrorIs(t, err, tc.err)
		})
	}
	require.Zero(t, exitCode(nil))
	require.ErrorContains(t, listProblem(apierrors.NewForbidden(pods, "", nil), "pods", ""), "no right to list pods of the whole cluster: ")
}
