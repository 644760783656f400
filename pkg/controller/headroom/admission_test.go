package headroom

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestWhatAdmissionDoesIsAskedAgainWhereTheQuestionFailed(t *testing.T) {
	s := newScene(t, webOf(0))
	s.changes.note(web, &placeholder.Change{Field: "spec.containers[mesh-proxy]", How: "was added"})
	s.clock.Step(lastRetry + time.Second)
	s.answers["try Pod"] = apierrors.NewInternalError(errors.New("etcd"))
	require.Equal(t, time.Second, s.reconcile())
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	clear(s.answers)
	s.clock.Step(time.Second)
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
}

func TestWhatAdmissionDoesIsAskedAgainAfterAMinute(t *testing.T) {
	s := newScene(t, webOf(0))
	s.changes.note(web, &placeholder.Change{Field: "spec.containers[mesh-proxy]", How: "was added"})
	s.clock.Step(lastRetry - time.Millisecond)
	s.reconcile()
	require.Empty(t, s.writes())
	s.clock.Step(time.Millisecond)
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
}

// TestTheLastUnitThatWasMadeSaysWhatAdmissionDoes: what earlier ones said is over.
func TestTheLastUnitThatWasMadeSaysWhatAdmissionDoes(t *testing.T) {
	s := newScene(t, webOf(1))
	s.admit = injected
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
	s.admit = nil
	s.change(func(spec *v1alpha1.HeadroomSpec) { *spec.Replicas = 2 })
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

// TestAUnitThatIsMadeAsItIsMeantEndsWhatWasSaidOfAdmission, without another question.
func TestAUnitThatIsMadeAsItIsMeantEndsWhatWasSaidOfAdmission(t *testing.T) {
	s := newScene(t, webOf(1))
	s.changes.note(web, &placeholder.Change{Field: "spec.containers[mesh-proxy]", How: "was added"})
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes())
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

// TestThatNoUnitWouldBeKnownIsToldAlsoAfterARestart, where none is to be made that would show it.
func TestThatNoUnitWouldBeKnownIsToldAlsoAfterARestart(t *testing.T) {
	s := newScene(t, webOf(1))
	s.admit = func(pod *corev1.Pod) { delete(pod.Labels, v1alpha1.LabelHeadroom) }
	s.reconcile()
	s.change(func(spec *v1alpha1.HeadroomSpec) { *spec.Replicas = 0 })
	s.writes()
	s.Reconciler = New(s.Options)
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
	require.Contains(t, s.message(v1alpha1.ConditionReady), "Until then none is made")
}
