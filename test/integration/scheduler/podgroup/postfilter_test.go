package podgroup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// withPort lets a pod ask for a host port: a unit that has it cannot be taken in one cycle by a pod that wants it.
func withPort(pod *st.PodWrapper) *st.PodWrapper {
	return pod.ContainerPort([]corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080}})
}

func cpu(quantity string) builders.Resources { return builders.Resources{corev1.ResourceCPU: quantity} }

// node creates a node.
func node(t *testing.T, cluster *schedulerharness.Cluster, name, cores string) {
	t.Helper()
	cluster.CreateNodes(t, builders.Node(name, "a", cpu(cores)).Obj())
}

// place creates a pod that is bound from birth and returns its name.
func place(t *testing.T, cluster *schedulerharness.Cluster, pod *st.PodWrapper) string {
	t.Helper()
	return cluster.CreatePods(t, pod.Obj())[0].Name
}

// remaining returns which of the pods exist and are not being deleted.
func remaining(t *testing.T, cluster *schedulerharness.Cluster, names []string) []string {
	t.Helper()
	pods := cluster.Pods(t)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return pods[name] == nil || pods[name].DeletionTimestamp != nil })
}

// onlyFor admits the pods of one app.
func onlyFor(app string) v1alpha1.Consumers {
	return v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

// member builds a pod of one core of a group, for the scheduler with the plugin.
func member(name string) *st.PodWrapper {
	return builders.Consumer(name, oneCPU).SchedulerName(schedulerharness.HeadroomScheduler)
}

// gang creates a group of which all members are needed.
func gang(t *testing.T, cluster *schedulerharness.Cluster, name string, members ...*st.PodWrapper) (names []string) {
	t.Helper()
	group := st.MakePodGroup().Name(name).Namespace(cluster.Namespace).MinCount(int32(len(members))).Obj()
	group.Spec.Priority = members[0].Spec.Priority
	_, err := cluster.Client.SchedulingV1beta1().PodGroups(cluster.Namespace).Create(t.Context(), group, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, pod := range members {
		names = append(names, cluster.CreatePods(t, pod.PodGroupName(name).Obj())[0].Name)
	}
	return names
}

// TestAGroupTakesUnitsThatBlockInTheProjectsOrder has units hold the port that the pods of a group want. There are large and small
// units: kube-scheduler by itself takes those of the large nodes, which then are the emptiest, the order those that waste least.
func TestAGroupTakesUnitsThatBlockInTheProjectsOrder(t *testing.T) {
	avoiding := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.LabelHeadroom, Operator: metav1.LabelSelectorOpExists},
	}}
	for name, tc := range map[string]struct {
		unit, member func(*st.PodWrapper) *st.PodWrapper
		want         []string
	}{
		"by a host port": {withPort, withPort, []string{"small-0", "small-1"}},
		"by an anti-affinity": {
			func(unit *st.PodWrapper) *st.PodWrapper { return unit },
			func(pod *st.PodWrapper) *st.PodWrapper {
				return pod.PodAntiAffinity(corev1.LabelHostname, avoiding, st.PodAntiAffinityWithRequiredReq)
			},
			[]string{"small-0", "small-0"}, // where one unit went is room for both
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := schedulerharness.New(t)
			large := cluster.CreateHeadroom(t, builders.Headroom("large", cpu("7")).Obj())
			small := cluster.CreateHeadroom(t, builders.Headroom("small", cpu("1")).Obj())
			var wasteful, fitting []string
			for i := range 2 {
				node(t, cluster, fmt.Sprintf("large-%d", i), "8")
				wasteful = append(wasteful, place(t, cluster, tc.unit(builders.Placeholder(large, i).Node(fmt.Sprintf("large-%d", i)))))
			}
			for i := range 3 { // one more, so that the last one of its Headroom stays either way
				node(t, cluster, fmt.Sprintf("small-%d", i), "4")
				fitting = append(fitting, place(t, cluster, tc.unit(builders.Placeholder(small, i).Node(fmt.Sprintf("small-%d", i)))))
			}
			cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

			names := gang(t, cluster, "gang", tc.member(member("web-0")), tc.member(member("web-1")))

			nodes := cluster.WaitBound(t, names...)
			require.Equal(t, tc.want, []string{nodes["web-0"], nodes["web-1"]})
			require.Len(t, remaining(t, cluster, fitting), 3-len(sets.New(tc.want...)), "one unit goes for each node that is needed")
			require.Equal(t, wasteful, remaining(t, cluster, wasteful))
		})
	}
}

// TestAGroupThatUnitsWouldServeInPartTakesNone has a third node of which a running pod holds the port.
func TestAGroupThatUnitsWouldServeInPartTakesNone(t *testing.T) {
	cluster := schedulerharness.New(t)
	spare := cluster.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
	var units []string
	for i := range 2 {
		node(t, cluster, fmt.Sprintf("n%d", i), "4")
		units = append(units, place(t, cluster, withPort(builders.Placeholder(spare, i).Node(fmt.Sprintf("n%d", i)))))
	}
	node(t, cluster, "n2", "4")
	place(t, cluster, withPort(builders.Consumer("running", oneCPU).Node("n2")))
	cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

	names := gang(t, cluster, "gang", withPort(member("web-0")), withPort(member("web-1")), withPort(member("web-2")))

	for _, name := range names {
		cluster.WaitUnschedulable(t, name)
		require.Empty(t, cluster.Pod(t, name).Status.NominatedNodeName)
	}
	require.Equal(t, units, remaining(t, cluster, units))
}

// TestAGroupWaitsForUnitsThatAreTerminating has somebody else delete units with a grace period, which hold the port until the kubelet is done.
func TestAGroupWaitsForUnitsThatAreTerminating(t *testing.T) {
	cluster := schedulerharness.New(t)
	spare := cluster.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
	var leaving []string
	for i := range 2 {
		name := fmt.Sprintf("n%d", i)
		node(t, cluster, name, "2")
		leaving = append(leaving, place(t, cluster,
			withPort(builders.Placeholder(spare, i).Node(name).TerminationGracePeriodSeconds(30))))
		require.NoError(t, cluster.Client.CoreV1().Pods(cluster.Namespace).Delete(t.Context(), leaving[i], metav1.DeleteOptions{}))
	}
	node(t, cluster, "n2", "8")
	staying := []string{place(t, cluster, withPort(builders.Placeholder(spare, 2).Node("n2")))}
	cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

	names := gang(t, cluster, "gang", withPort(member("web-0")), withPort(member("web-1")))

	cluster.Eventually(t, "waiting for the group to be nominated", func(context.Context) string {
		nominated := []string{cluster.Pod(t, names[0]).Status.NominatedNodeName, cluster.Pod(t, names[1]).Status.NominatedNodeName}
		if slices.Sort(nominated); !slices.Equal(nominated, []string{"n0", "n1"}) {
			return fmt.Sprint(nominated)
		}
		return ""
	})
	for _, name := range leaving {
		require.NoError(t, cluster.Client.CoreV1().Pods(cluster.Namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0)))
	}
	cluster.WaitBound(t, names...)
	require.Equal(t, staying, remaining(t, cluster, staying))
}

// TestAGroupTakesNoUnitsOfOthers has units in the way of a group that their Headroom does not entitle.
func TestAGroupTakesNoUnitsOfOthers(t *testing.T) {
	for name, blocks := range map[string]func(*st.PodWrapper) *st.PodWrapper{
		"in the way by their resources": func(pod *st.PodWrapper) *st.PodWrapper { return pod },
		"in the way by a host port":     withPort,
	} {
		t.Run(name, func(t *testing.T) {
			cluster := schedulerharness.New(t)
			shut := cluster.CreateHeadroom(t, builders.Headroom("shut", oneCPU).Consumers(onlyFor("db")).Obj())
			var units []string
			for i := range 2 {
				node(t, cluster, fmt.Sprintf("n%d", i), "1")
				units = append(units, place(t, cluster, blocks(builders.Placeholder(shut, i).Node(fmt.Sprintf("n%d", i)))))
			}
			cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

			names := gang(t, cluster, "gang", blocks(member("web-0")), blocks(member("web-1")))

			for _, name := range names {
				cluster.WaitUnschedulable(t, name)
				require.Empty(t, cluster.Pod(t, name).Status.NominatedNodeName, "DefaultPreemption, which has its turn, finds nothing to take, either")
			}
			require.Equal(t, units, remaining(t, cluster, units))
		})
	}
}

// TestUnitsOfOthersGoBeforeRunningPodsForAGroup has units that do not entitle a group, and running pods of lower priority that would go.
func TestUnitsOfOthersGoBeforeRunningPodsForAGroup(t *testing.T) {
	cluster := schedulerharness.New(t)
	shut := cluster.CreateHeadroom(t, builders.Headroom("shut", oneCPU).Consumers(onlyFor("db")).Obj())
	var units, running []string
	for i := range 2 {
		held, busy := fmt.Sprintf("held-%d", i), fmt.Sprintf("busy-%d", i)
		node(t, cluster, held, "1")
		units = append(units, place(t, cluster, builders.Placeholder(shut, i).Node(held)))
		node(t, cluster, busy, "1")
		running = append(running, place(t, cluster, builders.Consumer(busy, oneCPU).Node(busy)))
	}
	cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

	names := gang(t, cluster, "gang", member("web-0").Priority(1000), member("web-1").Priority(1000))

	cluster.WaitBound(t, names...)
	require.Equal(t, running, remaining(t, cluster, running))
	require.Empty(t, remaining(t, cluster, units))
}

// TestOfTwoGroupsThatAskAtOnceOneIsServed has two groups of six want eight units, in many orders.
func TestOfTwoGroupsThatAskAtOnceOneIsServed(t *testing.T) {
	const seeds, nodes, size = 50, 8, 6
	cluster := schedulerharness.New(t)
	for i := range nodes {
		node(t, cluster, fmt.Sprintf("n%d", i), "1")
	}
	spare := cluster.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
	cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, seed))
		var units []string
		for i := range nodes {
			units = append(units, place(t, cluster, builders.Placeholder(spare, nodes*int(seed)+i).Node(fmt.Sprintf("n%d", i))))
		}
		groups := [2][]string{}
		var all []*corev1.Pod
		for g := range groups {
			name := fmt.Sprintf("gang-%d-%d", seed, g)
			group := st.MakePodGroup().Name(name).Namespace(cluster.Namespace).MinCount(size).Obj()
			_, err := cluster.Client.SchedulingV1beta1().PodGroups(cluster.Namespace).Create(t.Context(), group, metav1.CreateOptions{})
			require.NoError(t, err)
			for i := range size {
				pod := member(fmt.Sprintf("%s-%d", name, i)).PodGroupName(name).Obj()
				groups[g], all = append(groups[g], pod.Name), append(all, pod)
			}
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		cluster.CreatePods(t, all...)

		winner := 0
		cluster.Eventually(t, fmt.Sprintf("seed %d: waiting for one group to be bound and the other to be told that it waits", seed),
			func(context.Context) string {
				pods := cluster.Pods(t)
				bound := [2]int{boundOf(pods, groups[0]), boundOf(pods, groups[1])}
				for winner = range groups {
					if bound[winner] == size && waitingOf(pods, groups[1-winner]) == size {
						return ""
					}
				}
				return fmt.Sprintf("%v of %d pods are bound", bound, size)
			})
		pods := cluster.Pods(t)
		require.Zero(t, boundOf(pods, groups[1-winner]), "seed %d", seed)
		require.Len(t, remaining(t, cluster, units), nodes-size, "seed %d: no unit goes for the group that waits", seed)
		// The one that waits goes first, so that it is not bound where the other was.
		for _, name := range slices.Concat(groups[1-winner], groups[winner], units) {
			err := cluster.Client.CoreV1().Pods(cluster.Namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0))
			require.NoError(t, ctrlclient.IgnoreNotFound(err)) // units that were taken
		}
	}
}

// boundOf counts the pods that are bound.
func boundOf(pods map[string]*corev1.Pod, names []string) (bound int) {
	for _, name := range names {
		if pods[name] != nil && pods[name].Spec.NodeName != "" {
			bound++
		}
	}
	return bound
}

// waitingOf counts the pods that are not bound and are told so.
func waitingOf(pods map[string]*corev1.Pod, names []string) (waiting int) {
	for _, name := range names {
		pod := pods[name]
		if pod != nil && pod.Spec.NodeName == "" && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
		}) {
			waiting++
		}
	}
	return waiting
}
