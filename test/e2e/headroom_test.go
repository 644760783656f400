package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/headroom-dev/headroom/test/observer"
)

// TestHeadroomWithKarpenter takes one cluster through steps, each of which needs the state that the one before leaves; it ends with
// the first that fails. Karpenter consolidates all the time. At the end the whole history is judged.
func TestHeadroomWithKarpenter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []struct {
		name string
		run  func(*testing.T)
	}{
		{"headroom makes Karpenter provision nodes, spread over the zones", w.headroomMakesNodes},
		{"a burst takes headroom zone by zone, and only what it took is provisioned again", w.burst(3)},
		{"a burst takes all the headroom, and only what it took is provisioned again", w.burst(6)},
		{"the pods of a node that vanishes land in the headroom of other nodes", w.nodeVanishes},
		{"the pods of a node that is drained land in headroom, and no node comes for both", w.nodeIsDrained},
		{"in a steady state Karpenter neither adds nor removes nodes", w.steadyState},
		{"scaling the Headroom to 0 lets Karpenter remove its nodes", w.scaleToZero},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			break
		}
	}
	t.Run("all along, nothing that must not happen did", w.judge)
}

const headroomUnits = 6

func (w *world) headroomMakesNodes(t *testing.T) {
	w.createWorkload(t)
	w.createHeadroom(t, headroomUnits)
	w.waitFilled(t, headroomUnits)
	require.EqualValues(t, headroomUnits*unitCPU, w.waitOrderedCPU(t, 0), "as much as the headroom, and no more")
}

// burst adds so many pods to the workload at once, no more than there are units.
func (w *world) burst(size int) func(*testing.T) {
	return func(t *testing.T) {
		before := w.workloadPods(t)
		mark := w.claims.ordered()
		started := time.Now()
		w.scale(t, "deployment/"+workload, len(before)+size)
		pods := w.waitRunning(t, len(before)+size)
		t.Logf("%d pods ran after %s; a node takes %s", size, time.Since(started).Round(10*time.Millisecond), registration)
		w.waitFilled(t, headroomUnits)

		burst := without(pods, before)
		require.EqualValues(t, size*unitCPU, w.waitOrderedCPU(t, mark), "as much as was taken, and no more")
		nodes := w.nodesByName(t)
		perZone := map[string]int{}
		for _, pod := range burst {
			perZone[nodes[pod.Spec.NodeName].Labels[corev1.LabelTopologyZone]]++
		}
		require.Len(t, perZone, 3)
		for zone, count := range perZone {
			require.Equal(t, size/3, count, "taken from %s; all: %v", zone, perZone)
		}
		w.waitTookHeadroom(t, burst)
		require.Empty(t, w.regardingEvents(t, "Nominated", burst), "Karpenter plans with pods that wait for a node, and none of these did")
	}
}

// waitTookHeadroom waits until an event tells of each of the pods that it took headroom: events are written behind the binding.
func (w *world) waitTookHeadroom(t *testing.T, pods []corev1.Pod) {
	t.Helper()
	w.eventually(t, func(collect *assert.CollectT) {
		require.ElementsMatch(collect, names(pods), w.regardingEvents(collect, "TookHeadroom", pods))
	}, "the events tell that the pods took headroom")
}

// regardingEvents returns the pods that have an event with the reason.
func (w *world) regardingEvents(t require.TestingT, reason string, pods []corev1.Pod) []string {
	events, err := w.clientset.CoreV1().Events(w.namespace).List(w.ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
	require.NoError(t, err)
	found := sets.New[types.UID]()
	for _, event := range events.Items {
		found.Insert(event.InvolvedObject.UID)
	}
	return names(slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool { return !found.Has(p.UID) }))
}

// nodeVanishes takes a node away without notice, as a cloud does with a spot instance: nobody drains it, and the cloud's controllers
// see to it that its Node and NodeClaim go. Kubernetes deletes its pods 40 to 60 seconds later.
func (w *world) nodeVanishes(t *testing.T) {
	w.losesNode(t, w.vanish)
}

// nodeIsDrained gives notice, as clouds do of spot instances by two minutes: Karpenter drains the node. It also looks for room for the
// pods that run there, since it does not know that they will take headroom; what it orders serves the placeholders in the end.
func (w *world) nodeIsDrained(t *testing.T) {
	mark := w.claims.ordered()
	lost := w.losesNode(t, w.deleteNodeClaim)
	require.LessOrEqual(t, w.waitOrderedCPU(t, mark), lost.Status.Allocatable.Cpu().Value(), "as much as was lost, at most")
}

// losesNode has a node with the most pods of the workload removed, and waits until they run on other nodes that were there before.
func (w *world) losesNode(t *testing.T, remove func(*testing.T, *corev1.Node)) *corev1.Node {
	t.Helper()
	before := w.workloadPods(t)
	perNode := map[string]int{}
	fullest := ""
	for _, pod := range before {
		if perNode[pod.Spec.NodeName]++; perNode[pod.Spec.NodeName] > perNode[fullest] {
			fullest = pod.Spec.NodeName
		}
	}
	nodes := w.nodesByName(t)
	remove(t, nodes[fullest])

	var replacements []corev1.Pod
	w.eventually(t, func(collect *assert.CollectT) {
		replacements = without(w.workloadPods(collect), before)
		require.Len(collect, replacements, perNode[fullest])
		for _, pod := range replacements {
			require.Equal(collect, corev1.PodRunning, pod.Status.Phase)
		}
	}, "the pods run elsewhere")
	for _, pod := range replacements {
		require.Contains(t, nodes, pod.Spec.NodeName, "a node that was there before")
	}
	w.waitTookHeadroom(t, replacements)
	w.waitFilled(t, headroomUnits)
	return nodes[fullest]
}

func (w *world) vanish(t *testing.T, node *corev1.Node) {
	t.Helper()
	nodes := w.clientset.CoreV1().Nodes()
	noFinalizers := []byte(`{"metadata":{"finalizers":null}}`)
	_, err := nodes.Patch(w.ctx, node.Name, types.MergePatchType, noFinalizers, metav1.PatchOptions{})
	require.NoError(t, err)
	require.NoError(t, nodes.Delete(w.ctx, node.Name, metav1.DeleteOptions{}))
	w.deleteNodeClaim(t, node)
}

func (w *world) deleteNodeClaim(t *testing.T, node *corev1.Node) {
	t.Helper()
	claims, err := w.cluster.NodeClaims(w.ctx)
	require.NoError(t, err)
	for i := range claims {
		if claims[i].GetName() == node.Labels[corev1.LabelHostname] {
			require.NoError(t, w.client.Delete(w.ctx, &claims[i]))
		}
	}
}

// steadyState frees some room, so that Karpenter has something to consolidate, and waits until it has and peace has lasted.
func (w *world) steadyState(t *testing.T) {
	before := w.workloadPods(t)
	ordered, given, started := w.claims.ordered(), w.claims.given(), time.Now()
	w.scale(t, "deployment/"+workload, 4)
	for _, pod := range without(before, w.waitRunning(t, 4)) {
		w.scaledDown.Insert(pod.UID)
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.Greater(collect, w.claims.quietFor(), *steady)
	}, *steady+patience, time.Second, "Karpenter does not come to rest: %v", w.claims)
	t.Logf("Karpenter ordered %d nodes and gave %d back in %s, and then none for %s",
		w.claims.ordered()-ordered, w.claims.given()-given, (time.Since(started) - *steady).Round(time.Second), *steady)
	w.waitFilled(t, headroomUnits)
	w.waitRunning(t, 4)
}

func (w *world) scaleToZero(t *testing.T) {
	w.scale(t, "hdr/"+headroomName, 0)
	w.eventually(t, func(collect *assert.CollectT) {
		require.Empty(collect, w.placeholders(collect))
		used := sets.New[string]()
		for _, pod := range w.workloadPods(collect) {
			used.Insert(pod.Spec.NodeName)
		}
		for name := range w.nodesByName(collect) {
			require.Contains(collect, used, name, "a node without a pod of the workload")
		}
	}, "the nodes of the headroom are gone")
	w.waitRunning(t, 4)
}

// judge replays what happened to pods and nodes.
func (w *world) judge(t *testing.T) {
	history, err := w.observer.Stop(context.Background())
	require.NoError(t, err)
	t.Run("only placeholders were evicted, and no node was overcommitted", func(t *testing.T) {
		for _, violation := range observer.Check(w.ctx, history, observer.Rules{MayVanish: w.mayVanish}) {
			t.Error(violation)
		}
	})
	t.Run("every pod of the workload was bound by its first attempt", func(t *testing.T) {
		bound := sets.New[types.UID]()
		for _, event := range history {
			if event.Pod == nil || event.Pod.Labels["app"] != workload {
				continue
			}
			if event.Pod.Spec.NodeName != "" {
				bound.Insert(event.Pod.UID)
			}
			for _, condition := range event.Pod.Status.Conditions {
				if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
					t.Errorf("pod %s: %s: %s", event.Pod.Name, condition.Reason, condition.Message)
				}
			}
		}
		require.GreaterOrEqual(t, bound.Len(), 9)
	})
	t.Run("nothing was forbidden", func(t *testing.T) { require.Empty(t, w.forbidden(t)) })
}

// mayVanish knows who deletes pods of the workload here beside the scheduler: Karpenter's drains, the collector of pods whose node is
// gone, and the test itself.
func (w *world) mayVanish(pod *corev1.Pod) bool {
	return w.scaledDown.Has(pod.UID) || disruptedBy(pod, evicted, "DeletionByPodGC")
}

// evicted is the reason of the API's eviction, by which Karpenter drains nodes.
const evicted = "EvictionByEvictionAPI"

// disruptedBy reports whether a pod says that it goes for one of the reasons.
func disruptedBy(pod *corev1.Pod, reasons ...string) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && slices.Contains(reasons, c.Reason)
	})
}
