package eviction

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
)

func TestADismissedPlaceholderSaysWhyItGoesAndThenGoes(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		patch, deletion error
		logged          []string
	}{
		"all is well":               {},
		"it is gone already":        {patch: apierrors.NewNotFound(pods, "v"), deletion: apierrors.NewNotFound(pods, "v")},
		"its status may not be set": {patch: apierrors.NewForbidden(pods, "v", errors.New("no")), logged: []string{"Writing why a placeholder goes failed"}},
		"it may not be deleted":     {deletion: apierrors.NewForbidden(pods, "v", errors.New("no")), logged: []string{"Deleting a placeholder failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, victims("v")...)
			if tc.patch != nil {
				s.answer("patch", tc.patch, "v")
			}
			if tc.deletion != nil {
				s.answer("delete", tc.deletion, "v")
			}
			var logged []string
			ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))

			victim := victims("v")[0]
			victim.Status.Phase, victim.Status.PodIP = corev1.PodRunning, "10.0.0.1"
			s.Dismiss(ctx, victim, "NodeShrank", "its node has become smaller")

			actions := s.server.Actions()
			require.Len(t, actions, 2)
			patch, ok := actions[0].(clienttesting.PatchActionImpl)
			require.True(t, ok, "first it is said why, as what is gone says nothing any more")
			require.Equal(t, "status", patch.Subresource)
			require.Equal(t, "v", patch.Name)
			var written struct{ Status corev1.PodStatus }
			require.NoError(t, json.Unmarshal(patch.Patch, &written))
			require.Empty(t, written.Status.Phase, "the rest of its status is the kubelet's")
			require.Empty(t, written.Status.PodIP)
			require.Len(t, written.Status.Conditions, 1)
			why := written.Status.Conditions[0]
			require.Equal(t, corev1.DisruptionTarget, why.Type)
			require.Equal(t, corev1.ConditionTrue, why.Status)
			require.Equal(t, "NodeShrank", why.Reason)
			require.Equal(t, "its node has become smaller", why.Message)
			require.Contains(t, s.deletions(), "v")

			require.Len(t, logged, len(tc.logged), "%v", logged)
			for i, want := range tc.logged {
				require.Contains(t, logged[i], want)
			}
		})
	}
}
