package headroom

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

// verdict is all that a profile has to say about where a pod goes. Among the nodes with the highest score kube-scheduler draws lots.
type verdict struct {
	// Only are the nodes to which PreFilter plugins confine the pod, nil for all.
	Only []string
	// Rejected are the nodes that are not for the pod. Which plugin is the first to say so depends on their order alone.
	Rejected map[string]bool
	// Scores of all others.
	Scores map[string]int64
	// Signature is by which pods are batched.
	Signature string
}

// verdictOf asks a profile about a pod.
func verdictOf(t require.TestingT, profile framework.Framework, nodes []fwk.NodeInfo, pod *corev1.Pod) verdict {
	ctx, state := context.Background(), framework.NewCycleState()
	v := verdict{Rejected: map[string]bool{}, Scores: map[string]int64{}, Signature: string(profile.SignPod(ctx, pod))}
	result, status, _ := profile.RunPreFilterPlugins(ctx, state, pod)
	require.True(t, status.IsSuccess() || status.IsRejected(), status.Message())
	if status.IsRejected() {
		v.Rejected[""] = true
		return v
	}
	if !result.AllNodes() {
		v.Only = result.NodeNames.UnsortedList()
	}
	var feasible []fwk.NodeInfo
	for _, node := range nodes {
		if status := profile.RunFilterPluginsWithNominatedPods(ctx, state, pod, node); !status.IsSuccess() {
			v.Rejected[node.Node().Name] = true
			continue
		}
		feasible = append(feasible, node)
	}
	if len(feasible) == 0 {
		return v
	}
	status = profile.RunPreScorePlugins(ctx, state, pod, feasible)
	require.True(t, status.IsSuccess(), status.Message())
	scores, status := profile.RunScorePlugins(ctx, state, pod, feasible)
	require.True(t, status.IsSuccess(), status.Message())
	for _, score := range scores {
		v.Scores[score.Name] = score.TotalScore
	}
	return v
}

// drawPod draws a pod with what Filter and Score plugins look at.
func drawPod(t *rapid.T, name string) *st.PodWrapper {
	draw := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	app := rapid.SampledFrom([]string{"web", "db"}).Draw(t, "app")
	pod := builders.Consumer(name, res(rapid.SampledFrom([]string{"500m", "1", "2"}).Draw(t, "cpu"))).Namespace("default").UID(name).
		SchedulerName("default-scheduler").Label("app", app).Priority(rapid.Int32Range(-1, 2).Draw(t, "priority"))
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": rapid.SampledFrom([]string{"web", "db"}).Draw(t, "selects")}}
	if draw("zone") {
		pod.NodeSelector(map[string]string{corev1.LabelTopologyZone: "z-1"})
	}
	if draw("toleration") {
		pod.Toleration("dedicated")
	}
	if draw("port") {
		pod.HostPort(80)
	}
	if draw("spread") {
		pod.SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil)
	}
	if draw("affinity") {
		pod.PodAffinity(corev1.LabelTopologyZone, selector, st.PodAffinityWithPreferredReq)
	}
	if draw("anti-affinity") {
		pod.PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq)
	}
	return pod
}

// TestP10WithoutPlaceholdersAndForeignNominationsPodsArePlacedAsByStock compares the profile with the plugin with kube-scheduler's own on random
// clusters. What the plugin keeps beside that, of other schedulers' pods and of those of its own, must make no difference.
func TestP10WithoutPlaceholdersAndForeignNominationsPodsArePlacedAsByStock(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c cluster
		for i := range rapid.IntRange(1, 5).Draw(rt, "nodes") {
			node := builders.Node(fmt.Sprintf("n%d", i), rapid.SampledFrom([]string{"z-1", "z-2"}).Draw(rt, "zone"), res(rapid.SampledFrom([]string{"2", "4"}).Draw(rt, "size")))
			if rapid.IntRange(0, 4).Draw(rt, "tainted") == 0 {
				node.Taints([]corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}})
			}
			c.nodes = append(c.nodes, node.Obj())
			for j := range rapid.IntRange(0, 3).Draw(rt, "pods") {
				c.pods = append(c.pods, drawPod(rt, fmt.Sprintf("on-%d-%d", i, j)).Node(node.Obj().Name).Obj())
			}
		}
		c.signed = rapid.Bool().Draw(rt, "signed")
		f := newFixture(t, c)
		stock := f.stock(t, &c)
		for i := range rapid.IntRange(0, 2).Draw(rt, "nominated") {
			info, err := framework.NewPodInfo(drawPod(rt, fmt.Sprintf("nominated-%d", i)).NominatedNodeName(c.nodes[0].Name).Obj())
			require.NoError(rt, err)
			f.nominated[c.nodes[0].Name] = append(f.nominated[c.nodes[0].Name], info)
			f.shared.podChanged(nil, info.Pod)
		}
		f.shared.podChanged(nil, unscheduled(foreign("foreign", 10)))
		f.shared.podChanged(on(c.nodes[0].Name, "gone", "1"), nil)
		f.shared.podChanged(nil, preemptedBy("default-scheduler", on(c.nodes[0].Name, "victim", "1")))
		for i := range 3 {
			pod := drawPod(rt, fmt.Sprintf("pod-%d", i)).Obj()
			require.Equal(rt, verdictOf(rt, stock, f.nodes, pod), verdictOf(rt, f.framework, f.nodes, pod))
		}
	})
}

// stock makes kube-scheduler's default profile over the same snapshot.
func (f *fixture) stock(t *testing.T, c *cluster) framework.Framework {
	t.Helper()
	plain := *c
	plain.stock = true
	made, err := frameworkruntime.NewFramework(t.Context(), registry(t), profile(t, &plain), f.options(&plain)...)
	require.NoError(t, err)
	return made
}
