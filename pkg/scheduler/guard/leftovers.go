package guard

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// SweepEvery is how often Sweep is to be called.
	SweepEvery = time.Second
	// leftAfter is how long a guard that no swap of this process relies on must have been known before it counts as left over. It may be that
	// of another process: no swap holds one for longer, and one that loses it goes on without.
	leftAfter = holdsAtMost
	// finishedEvery is how often it is looked for guards that a kubelet ended, which the scheduler's informer does not know; finishedFirst is
	// when that is done for the first time, and how often it is asked whether this replica leads.
	finishedEvery, finishedFirst = 10 * time.Minute, 30 * time.Second
	// finishedAtOnce is how many of these are removed at a time.
	finishedAtOnce = 100
)

// leftovers is what is known of guards that may be left over. It belongs to the goroutine that sweeps.
type leftovers struct {
	// known is since when guards are known that no swap relies on.
	known map[types.UID]time.Time
	// look is when to look for those that a kubelet ended.
	look time.Time
}

func newLeftovers(now time.Time) leftovers {
	return leftovers{known: map[types.UID]time.Time{}, look: now.Add(finishedFirst)}
}

// Sweep removes guards that nobody relies on: a scheduler that was killed left them, or their deletion failed. Only the replica that
// leads does so. Ages are by this process's own clock, from when it first saw a guard, so that clocks need not agree.
func (g *Guards) Sweep(ctx context.Context) {
	pods, err := g.known()
	if err != nil {
		klog.FromContext(ctx).Error(err, "Listing guards failed")
		return
	}
	now := g.Clock.Now()
	left, due := g.leftOver(pods, now), !now.Before(g.leftovers.look)
	if len(left) == 0 && !due {
		return
	}
	if !g.Leads() {
		g.leftovers.look = now.Add(finishedFirst)
		return
	}
	if due {
		g.leftovers.look = now.Add(finishedEvery)
		left = append(left, g.finished(ctx)...)
	}
	for _, pod := range left {
		klog.FromContext(ctx).V(2).Info("Removing a guard that was left over", "pod", klog.KObj(pod), "node", pod.Spec.NodeName)
		g.remove(ctx, pod)
	}
}

// known returns the guards that the scheduler knows of.
func (g *Guards) known() (guards []*corev1.Pod, err error) {
	objects, err := g.Pods.ByIndex(byNamespace, g.Namespace)
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			guards = append(guards, pod)
		}
	}
	return guards, err
}

// leftOver returns those of the guards that are left over.
func (g *Guards) leftOver(pods []*corev1.Pod, now time.Time) (left []*corev1.Pod) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := map[types.UID]time.Time{}
	for _, pod := range pods {
		if _, live := g.live[pod.UID]; live {
			continue
		}
		since, seen := g.leftovers.known[pod.UID]
		if !seen {
			since = now
		}
		known[pod.UID] = since
		if now.Sub(since) >= leftAfter {
			left = append(left, pod)
		}
	}
	g.leftovers.known = known
	return left
}

// finished asks the API server for guards that have ended.
func (g *Guards) finished(ctx context.Context) (ended []*corev1.Pod) {
	selector := labels.SelectorFromSet(labels.Set{v1alpha1.LabelGuard: v1alpha1.GuardLabelValue})
	list, err := g.Client.CoreV1().Pods(g.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: finishedAtOnce})
	if err != nil {
		klog.FromContext(ctx).Error(err, "Listing guards that have ended failed")
		return nil
	}
	for i := range list.Items {
		if phase := list.Items[i].Status.Phase; phase == corev1.PodFailed || phase == corev1.PodSucceeded {
			ended = append(ended, &list.Items[i])
		}
	}
	return ended
}
