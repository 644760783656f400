package headroom

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/queuesort"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

func queued(t require.TestingT, pod *corev1.Pod, at time.Time) *framework.QueuedPodInfo {
	info, err := framework.NewPodInfo(pod)
	require.NoError(t, err)
	return &framework.QueuedPodInfo{PodInfo: info, QueueingParams: framework.QueueingParams{Timestamp: at}}
}

// ofDaemonSet is a placeholder of a Headroom with placement PerNode.
func ofDaemonSet(name string) *corev1.Pod {
	pod := unit(hr("web", "1"), 0, "").Name(name).Obj()
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "web-headroom", Controller: new(bool)}}
	*pod.OwnerReferences[0].Controller = true
	return pod
}

func TestP16PlaceholdersComeLastInTheQueue(t *testing.T) {
	epoch := builders.Epoch()
	low := builders.Consumer("low", res("1")).Namespace("default").Priority(-1000).Obj()
	stray := builders.Consumer("stray", res("1")).Namespace("default").Priority(-2000).Label("headroom", "web").Obj()
	high := unit(hr("web", "1"), 0, "").Name("high").Priority(1000).Obj()
	reserved := reservedUnit(reservedFor("web"), 0, "").Name("reserved").Obj()
	queue := []*framework.QueuedPodInfo{
		queued(t, reserved, epoch), queued(t, high, epoch), queued(t, ofDaemonSet("daemon"), epoch), queued(t, stray, epoch), queued(t, low, epoch.Add(time.Hour)),
	}
	slices.SortFunc(queue, func(a, b *framework.QueuedPodInfo) int {
		if (&QueueSort{}).Less(a, b) {
			return -1
		}
		return 1
	})
	var order []string
	for _, entry := range queue {
		order = append(order, entry.Pod.Name)
	}
	require.Equal(t, []string{"low", "stray", "reserved", "high", "daemon"}, order)
}

// TestAGroupOfPodsIsNotTakenForAPlaceholder: its entry in the queue has no pod of its own.
func TestAGroupOfPodsIsNotTakenForAPlaceholder(t *testing.T) {
	require.False(t, comesLast(&framework.QueuedPodGroupInfo{}))
	require.True(t, comesLast(queued(t, unit(hr("web", "1"), 0, "").Obj(), builders.Epoch())))
}

func TestAProfileThatOnlySortsTheQueueIsTheSchedulersOwn(t *testing.T) {
	f := newFixture(t, cluster{})
	require.False(t, f.shared.profiles.has("second"))
	_, err := NewQueueSort(t.Context(), nil, called{f.framework, "second"})
	require.NoError(t, err)
	require.True(t, f.shared.profiles.has("second"))
}

func TestAllProfilesOfASchedulerShareWhatIsKnown(t *testing.T) {
	f := newFixture(t, cluster{})
	again, err := sharedBy(t.Context(), called{f.framework, "second"}, f.args)
	require.NoError(t, err)
	require.Same(t, f.shared, again, "the same placeholder must not be promised twice")
	require.True(t, f.shared.profiles.has("second"))
	require.True(t, f.shared.profiles.has("default-scheduler"))
	require.False(t, f.shared.profiles.has("stock"))
}

// called is the framework of a profile of another name.
type called struct {
	framework.Framework
	name string
}

func (c called) ProfileName() string { return c.name }

// TestTheQueueIsKubeSchedulersButForPlaceholders also shows that Less is a strict weak order, as a heap needs it.
func TestTheQueueIsKubeSchedulersButForPlaceholders(t *testing.T) {
	sort, stock := &QueueSort{}, &queuesort.PrioritySort{}
	rapid.Check(t, func(t *rapid.T) {
		entry := func(label string) (fwk.QueuedEntityInfo, bool) {
			priority, is := rapid.Int32Range(-2, 2).Draw(t, label+" priority"), rapid.Bool().Draw(t, label+" is a placeholder")
			at := builders.Epoch().Add(time.Duration(rapid.IntRange(0, 2).Draw(t, label+" since")) * time.Second)
			if is {
				return queued(t, unit(hr("web", "1"), 0, "").Priority(priority).Obj(), at), true
			}
			return queued(t, builders.Consumer("pod", res("1")).Priority(priority).Obj(), at), false
		}
		a, unitA := entry("a")
		b, unitB := entry("b")
		c, _ := entry("c")
		if unitA == unitB {
			require.Equal(t, stock.Less(a, b), sort.Less(a, b))
		} else {
			require.Equal(t, unitB, sort.Less(a, b))
		}
		require.False(t, sort.Less(a, b) && sort.Less(b, a))
		if sort.Less(a, b) && sort.Less(b, c) {
			require.True(t, sort.Less(a, c))
		}
		if !sort.Less(a, b) && !sort.Less(b, a) && !sort.Less(b, c) && !sort.Less(c, b) {
			require.False(t, sort.Less(a, c) || sort.Less(c, a), "what is equal to an equal is equal")
		}
	})
}
