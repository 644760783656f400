package headroom

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// callsQueued is the framework of a scheduler that has a queue of API calls, which answers in its own time.
type callsQueued struct {
	framework.Framework
	calls *apiCalls
}

func (q callsQueued) APICacher() fwk.APICacher { return q.calls }

type apiCalls struct {
	fwk.APICacher
	bindings         []*corev1.Binding
	refused, answers error
}

func (a *apiCalls) BindPod(binding *corev1.Binding) (<-chan error, error) {
	a.bindings = append(a.bindings, binding)
	return make(chan error), a.refused
}

func (a *apiCalls) WaitOnFinish(context.Context, <-chan error) error { return a.answers }

// TestABindingGoesThroughTheSchedulersQueueOfCallsWhereItHasOne: what waits there of the pod's status would be lost otherwise.
func TestABindingGoesThroughTheSchedulersQueueOfCallsWhereItHasOne(t *testing.T) {
	no := errors.New("no")
	for name, tc := range map[string]struct {
		calls apiCalls
		want  error
	}{
		"and is done once the queue says so": {},
		"and fails if it is not taken in":    {calls: apiCalls{refused: no}, want: no},
		"and fails if the API server says":   {calls: apiCalls{answers: no}, want: no},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			f.handle = callsQueued{f.handle, &tc.calls}
			status := f.Bind(t.Context(), state, pod, "a")
			require.Equal(t, tc.want == nil, status.IsSuccess(), status.Message())
			if tc.want != nil {
				require.ErrorIs(t, status.AsError(), tc.want)
			}
			require.Empty(t, f.bindings(), "there is one way only")
			require.Len(t, tc.calls.bindings, 1)
			binding := tc.calls.bindings[0]
			require.Equal(t, "a", binding.Target.Name)
			require.Equal(t, types.UID("consumer"), binding.UID)
			require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "open-headroom-0"}, binding.Annotations)
		})
	}
}
