package waiting

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestMethodsMayBeCalledConcurrently has each of several goroutines add pods of its own and take them away again, by every way out. Without
// a lock the runtime notices that maps are written at the same time.
func TestMethodsMayBeCalledConcurrently(t *testing.T) {
	const goroutines, rounds = 8, 300
	now := builders.Epoch()
	for name, begin := range map[string]func() (use func(pod *corev1.Pod), check func()){
		"pods that wait": func() (func(*corev1.Pod), func()) {
			p := NewPods()
			return func(pod *corev1.Pod) {
					p.Add(pod, p.Generation())
					require.True(t, p.CountOnce(pod.UID))
					p.nextGeneration()
					p.Forget(pod.UID)
				}, func() {
					require.Empty(t, p.pods)
					require.EqualValues(t, goroutines*rounds, p.Generation(), "each time counts")
				}
		},
		"pods that are postponed": func() (func(*corev1.Pod), func()) {
			p := NewPostponed(func(map[types.UID]types.NamespacedName) {})
			return func(pod *corev1.Pod) {
					p.Add(pod, now, []string{"n"})
					p.AddIfNone(pod, now)
					p.Hurry("n")
					p.take(now)
					p.Len()
					p.Forget(pod.UID)
				}, func() {
					require.Zero(t, p.Len())
					p.Stop()
				}
		},
		"pods for which no node was found": func() (func(*corev1.Pod), func()) {
			u := NewUnscheduled()
			return func(pod *corev1.Pod) {
					u.Observe(pod)
					u.Yield(pod.UID, now)
					u.Delay("unit"+pod.UID, now, pod.UID)
					u.Insists("unit"+pod.UID, now)
					require.NotEmpty(t, u.Matching(now, func(info *framework.PodInfo) bool { return info.Pod.UID == pod.UID }))
					u.Bound(pod.UID)
					u.Forget(pod.UID)
				}, func() {
					require.Empty(t, u.pods)
					require.Empty(t, u.delays, "each was ended by the pod that was waited for")
				}
		},
	} {
		t.Run(name, func(t *testing.T) {
			use, check := begin()
			var all sync.WaitGroup
			for i := range goroutines {
				all.Go(func() {
					for j := range rounds {
						uid := fmt.Sprint(i, "-", j)
						use(failed(builders.Consumer(uid, nil).UID(uid), corev1.PodReasonUnschedulable))
					}
				})
			}
			all.Wait()
			check()
		})
	}
}
