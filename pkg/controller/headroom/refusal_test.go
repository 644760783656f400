package headroom

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

var errBroken = errors.New("broken")

func TestProblemOf(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	forbidden := func(text string) error { return apierrors.NewForbidden(pods, "web-headroom-0", errors.New(text)) }
	terminating := apierrors.NewForbidden(pods, "web-headroom-0", errors.New("namespace is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	tests := map[string]struct {
		err  error
		want string // the reason, empty for none: it is an error and no problem of the user's
	}{
		"a quota":                    {forbidden("exceeded quota: two, requested: pods=1"), v1alpha1.ReasonQuotaExceeded},
		"Pod Security":               {forbidden(`violates PodSecurity "restricted:latest"`), v1alpha1.ReasonAdmissionRefused},
		"a terminating namespace":    {terminating, v1alpha1.ReasonNamespaceTerminating},
		"a malformed pod":            {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{field.Required(field.NewPath("spec"), "")}), v1alpha1.ReasonInvalidSpec},
		"a pod that does not decode": {apierrors.NewBadRequest("unable to parse quantity"), v1alpha1.ReasonInvalidSpec},
		"a pod that is too large":    {apierrors.NewRequestEntityTooLargeError("limit"), v1alpha1.ReasonInvalidSpec},
		"a policy":                   {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{field.Forbidden(nil, "ValidatingAdmissionPolicy 'x' denied request")}), v1alpha1.ReasonAdmissionRefused},
		"a policy that fails": {&apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusForbidden, Reason: metav1.StatusReasonInvalid,
			Message: "policy 'sidecar' with binding 'sidecar' denied request: expression evaluation error",
		}}, v1alpha1.ReasonAdmissionRefused},
		"a policy that takes the label": {&changedError{&placeholder.Change{Field: "metadata.labels[x]", How: "was taken away", Unrecognizable: true}}, v1alpha1.ReasonAdmissionChanged},
		"a webhook that says no":        {apierrors.NewBadRequest(`admission webhook "x" denied the request: no`), v1alpha1.ReasonAdmissionRefused},
		"a webhook that is away":        {apierrors.NewInternalError(errors.New("failed calling webhook")), v1alpha1.ReasonAdmissionRefused},
		"permissions that are lacking": {
			&apierrors.StatusError{ErrStatus: metav1.Status{
				Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
				Message: `pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods"`,
			}}, "",
		},
		"too many requests":        {apierrors.NewTooManyRequestsError("later"), ""},
		"an error of the server":   {apierrors.NewInternalError(errors.New("etcd")), ""},
		"a conflict":               {apierrors.NewConflict(pods, "p", errBroken), ""},
		"a connection that breaks": {errBroken, ""},
		"a timeout":                {apierrors.NewTimeoutError("slow", 1), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := problemOf(fmt.Errorf("creating placeholder web-headroom-0: %w", tc.err))
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, tc.want, got.reason)
			require.Contains(t, got.message, tc.err.Error())
		})
	}
}

func TestFirstPrefersWhatIsNoRefusal(t *testing.T) {
	refusal := apierrors.NewBadRequest("no")
	require.NoError(t, first([]error{nil, nil}))
	require.Equal(t, error(refusal), first([]error{nil, refusal, apierrors.NewBadRequest("nor that")}))
	require.ErrorIs(t, first([]error{refusal, errBroken}), errBroken)
}

// TestAReconcileThatHasNothingToMakeProvesNothing: that the API server accepts units again is not known before it has accepted one.
func TestAReconcileThatHasNothingToMakeProvesNothing(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = quotaExceeded()
	for _, want := range []time.Duration{1, 2, 4} {
		require.Equal(t, want*time.Second, s.reconcile())
		s.clock.Step(want * time.Second)
	}
	there := placeholderOf(webOf(1), 7, nil)
	require.NoError(t, s.api.Create(t.Context(), there))
	s.writes()
	s.reconcile()
	require.Empty(t, s.writes())
	require.NoError(t, s.api.Delete(t.Context(), there))
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes())
	wait, _ := s.refusals.due(web, 1)
	require.Equal(t, 8*time.Second, wait, "the next refusal in a row")
}
