package promised

import (
	"fmt"
	"sync"
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

// TestANominationThatIsTakenBackIsForgotten: the scheduler found no room there after all.
func TestANominationThatIsTakenBackIsForgotten(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		then  *corev1.Pod
		want  []string
	}{
		"before it counted":              {Settle - 1, nominated("w", ""), nil},
		"when it counted":                {Settle, nominated("w", ""), []string{"n1 0s"}},
		"for another, before it counted": {Settle - 1, nominated("w", "n2"), []string{"n2 5s"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			s.Saw(nominated("w", "n1"))
			s.called()
			s.clock.Step(tc.after)
			s.Saw(tc.then)
			require.Equal(t, tc.want, s.called())
			s.clock.Step(time.Hour)
			require.Empty(t, s.uids("n1"))
			require.NotContains(t, s.nodes, "n1", "nothing is kept")
			require.NotContains(t, s.nodes, "")
			s.Gone("w")
			require.Empty(t, s.nodes)
			require.Empty(t, s.of)
		})
	}
}

func TestOthersThatWaitForTheNodeStayWhenOneIsGone(t *testing.T) {
	s := newStory()
	for _, uid := range []types.UID{"d", "a", "c", "e", "b"} {
		s.Saw(nominated(uid, "n1"))
	}
	s.Saw(nominated("f", "n2"))
	s.clock.Step(Settle)
	require.Equal(t, []types.UID{"a", "b", "c", "d", "e"}, s.uids("n1"))
	s.Gone("c")
	s.Gone("never seen")
	require.Equal(t, []types.UID{"a", "b", "d", "e"}, s.uids("n1"))
	require.Equal(t, []types.UID{"f"}, s.uids("n2"))
}

// TestWhoIsCalledMayAskAtOnce: it would wait for itself if it were called with the lock. Others see and ask meanwhile.
func TestWhoIsCalledMayAskAtOnce(t *testing.T) {
	now := testingclock.NewFakeClock(epoch)
	var n *Nominations
	n = NewNominations(now, func(node string, _ time.Duration) { n.On(node) })
	member := nominated("w", "n1")
	member.Labels = map[string]string{labelPodGroup: "training"}
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			for range 5000 {
				n.Saw(member)
				n.On("n1")
				n.Gone("w")
			}
		})
	}
	running.Wait()
	require.Empty(t, n.nodes)
	require.Empty(t, n.of)
}

func TestWhatIsDecidedByIsKeptOfAPod(t *testing.T) {
	pod := nominated("w", "n1")
	pod.CreationTimestamp = metav1.NewTime(epoch)
	pod.Spec.Priority = ptr.To[int32](7)
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: cpu(2)}}}
	got := PodOf(pod)
	require.Equal(t, "2", got.Requests.Cpu().String())
	got.Requests = nil
	require.Equal(t, Pod{UID: "w", Priority: 7, Created: epoch, Asks: entitlement.Consumer{Priority: 7}}, got)
}

func TestTheNextNominationToCountIsLookedAtFirst(t *testing.T) {
	s := newStory()
	s.Saw(nominated("v", "n1"))
	s.clock.Step(time.Second)
	for _, uid := range []types.UID{"w", "x", "y", "z"} {
		s.Saw(nominated(uid, "n1"))
	}
	pods, next := s.On("n1")
	require.Empty(t, pods)
	require.Equal(t, Settle-time.Second, next)
}
