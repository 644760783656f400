package observer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
)

// reservedUnit is a unit of one core on the small node that only some pods may take.
func reservedUnit() *corev1.Pod {
	h := builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").UID("spare").Reserved().Obj()
	return builders.ReservedUnit(h, 0).Node("small").Obj()
}

func TestAReservedUnitIsPreemptedForAPodAboveItAlone(t *testing.T) {
	waits := func(priority int32) *corev1.Pod { return nominated(withPriority(web("b", "", "1"), priority), "") }
	above, below := waits(builders.ReservedPriority+1), waits(builders.ReservedPriority)
	held := func() *timed { return new(timed).node(small()).pod(watch.Added, reservedUnit()) }
	for name, tc := range map[string]struct {
		story *timed
		want  []string
	}{
		"nobody waits":                       {held(), []string{"P1"}},
		"a pod waits that is not above it":   {held().pod(watch.Added, below), []string{"P1"}},
		"a pod waits that is above it":       {held().pod(watch.Added, above), nil},
		"such a pod has just gone":           {held().pod(watch.Added, above).pod(watch.Deleted, above), nil},
		"such a pod of another scheduler":    {held().pod(watch.Added, withPriority(web("b", "", "1"), builders.ReservedPriority+1)), []string{"P1"}},
		"such a pod has gone some time ago":  {held().pod(watch.Added, above).pod(watch.Deleted, above).after(time.Minute), []string{"P1"}},
		"such a pod has found another place": {held().pod(watch.Added, withNode(above, "small")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			history := tc.story.pod(watch.Modified, marked(reservedUnit())).end().history
			require.Equal(t, tc.want, properties(observer.Check(t.Context(), history, observer.Rules{})))
		})
	}
}

func withNode(pod *corev1.Pod, node string) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.NodeName = node
	return pod
}

func TestRoomOfAReservedUnitThatAnotherSchedulerGetsIsToldApart(t *testing.T) {
	ours := func(pod *corev1.Pod) *corev1.Pod {
		pod = pod.DeepCopy()
		pod.Spec.SchedulerName = "headroom-scheduler"
		return pod
	}
	uid := string(uidOf(reservedUnit().Name))
	onNode := func(pods string) *timed {
		return new(timed).node(builders.Node("small", "a", builders.Resources{"cpu": "2", "memory": "4Gi", "pods": pods}).Obj()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, reservedUnit()).pod(watch.Added, ours(web("b", "", "1"))).
			after(time.Minute).pod(watch.Deleted, reservedUnit()).after(time.Millisecond)
	}
	stolen := func(s *timed) *timed {
		return s.pod(watch.Added, nominated(web("c", "", "1"), "")).pod(watch.Modified, nominated(web("c", "small", "1"), "")).after(time.Millisecond).
			pod(watch.Modified, took(ours(web("b", "small", "1")), uid))
	}
	full := func() *timed { return onNode("7") }
	for name, tc := range map[string]struct {
		story *timed
		want  []string
	}{
		"the pod that took the unit has its room":         {full().pod(watch.Modified, took(ours(web("b", "small", "1")), uid)), nil},
		"another pod came first":                          {stolen(full()), []string{"reserved", "kubelet"}},
		"the same on a node that has no slot for a guard": {stolen(onNode("6")), []string{"race", "kubelet"}},
		"another pod came later": {
			full().pod(watch.Modified, took(ours(web("b", "small", "1")), uid)).after(time.Millisecond).pod(watch.Added, nominated(web("c", "", "1"), "")).
				pod(watch.Modified, nominated(web("c", "small", "1"), "")),
			[]string{"race", "kubelet"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			always := func(*corev1.Pod) bool { return true }
			require.Equal(t, tc.want, properties(observer.Check(t.Context(), tc.story.end().history, observer.Rules{
				Race: 5 * time.Second, MayVanish: always, Evicted: always, Names: func(*corev1.Pod, *corev1.Pod) bool { return true },
			})))
		})
	}
}
