package promised

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
)

// story is a memory of nominations with a clock, and the calls that it made.
type story struct {
	*Nominations
	clock *testingclock.FakeClock
	calls []string
}

func newStory() *story {
	s := &story{clock: testingclock.NewFakeClock(epoch)}
	s.Nominations = NewNominations(s.clock, func(node string, after time.Duration) { s.calls = append(s.calls, fmt.Sprint(node, " ", after)) })
	return s
}

// called returns the calls since the last time.
func (s *story) called() []string {
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *story) uids(node string) []types.UID {
	var uids []types.UID
	pods, _ := s.On(node)
	for _, pod := range pods {
		uids = append(uids, pod.UID)
	}
	return uids
}

func nominated(uid types.UID, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: corev1.PodStatus{NominatedNodeName: node}}
}

func TestANominationCountsOnceItHasLasted(t *testing.T) {
	s := newStory()
	s.Saw(nominated("w", "n1"))
	require.Equal(t, []string{"n1 5s"}, s.called())
	s.clock.Step(Settle - time.Millisecond)
	require.Empty(t, s.uids("n1"))
	_, next := s.On("n1")
	require.Equal(t, time.Millisecond, next)
	s.Saw(nominated("w", "n1")) // something else about the pod changed
	require.Empty(t, s.called())
	s.clock.Step(time.Millisecond)
	require.Equal(t, []types.UID{"w"}, s.uids("n1"))
	require.Empty(t, s.uids("n2"))

	s.Saw(nominated("w", "n2"))
	require.Equal(t, []string{"n1 0s", "n2 5s"}, s.called())
	require.Empty(t, s.uids("n1"))
	require.Empty(t, s.uids("n2"))
	s.clock.Step(Settle)
	s.Gone("w")
	require.Equal(t, []string{"n2 0s"}, s.called())
	require.Empty(t, s.uids("n2"))
}

func TestANominationThatLastsAMomentDisturbsNobody(t *testing.T) {
	s := newStory()
	s.Saw(nominated("w", "n1"))
	s.called()
	s.Gone("w")
	require.Empty(t, s.called())
	require.Empty(t, s.nodes, "nothing is kept")
	require.Empty(t, s.of)
}

func TestWhoIsNominatedNowhereAndPlaceholdersAreNotKept(t *testing.T) {
	s := newStory()
	s.Saw(nominated("w", ""))
	unit := nominated("u", "n1")
	unit.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
	s.Saw(unit)
	s.Gone("w")
	require.Empty(t, s.called())
	require.Empty(t, s.of)
}

func TestWhatConsumersAreAskedAboutIsKept(t *testing.T) {
	s := newStory()
	pod := nominated("w", "n1")
	pod.Namespace, pod.Labels = "shop", map[string]string{"app": "web"}
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = ptr.To[int32](7), ptr.To(corev1.PreemptNever)
	s.Saw(pod)
	s.clock.Step(Settle)
	pods, _ := s.On("n1")
	require.Len(t, pods, 1)
	require.Equal(t, entitlement.Consumer{
		Namespace: "shop", Labels: labels.Set{"app": "web"}, Priority: 7, NonPreempting: true,
	}, pods[0].Asks)
}

func TestANominationOfAMemberOfAGroupCountsAtOnce(t *testing.T) {
	s := newStory()
	pod := nominated("w", "n1")
	pod.Labels = map[string]string{labelPodGroup: "training"}
	s.Saw(pod)
	require.Equal(t, []string{"n1 0s"}, s.called())
	require.Equal(t, []types.UID{"w"}, s.uids("n1"))
	_, next := s.On("n1")
	require.Zero(t, next)
	s.Gone("w")
	require.Equal(t, []string{"n1 0s"}, s.called())
	require.Empty(t, s.uids("n1"))
}

func TestTheNextNominationToCountIsLookedAtFirst(t *testing.T) {
	s := newStory()
	s.Saw(nominated("v", "n1"))
	s.clock.Step(time.Second)
	s.Saw(nominated("w", "n1"))
	pods, next := s.On("n1")
	require.Empty(t, pods)
	require.Equal(t, Settle-time.Second, next)
}
