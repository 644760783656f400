package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/upgrade"
)

// TestAnUpgradeReplacesNoPlaceholder: Headrooms that commit 2ab7e04 filled are what this version finds when it starts. It makes, changes
// and deletes nothing, and Ready stays True all the time: the time of its last transition stays, too. The operator allows the image that one
// of them names, as the upgrade notes ask.
func TestAnUpgradeReplacesNoPlaceholder(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a", "b")
	for _, name := range nodes {
		label := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"upgraded-from":"2ab7e04"}}}`))
		require.NoError(t, e.client.Patch(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, label))
	}
	e.bindBy(func(pod *corev1.Pod) string {
		if owner := metav1.GetControllerOf(pod); owner == nil || owner.Kind != "DaemonSet" {
			return nodes[0]
		}
		return pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields[0].Values[0]
	})
	since := metav1.NewTime(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	units := map[string]int32{"web": 3, "batch": 2, "reserve": 2}
	for _, made := range upgrade.AllMade(t, e.namespace) {
		require.NoError(t, e.client.Create(t.Context(), made.Headroom))
		for _, object := range made.Objects(t, made.Headroom.GetUID()) {
			require.NoError(t, e.client.Create(t.Context(), object))
		}
		e.writeEarlierStatus(made.Headroom.GetName(), units[made.Headroom.GetName()], since)
	}
	before := e.waitAllBound(7)
	set := &appsv1.DaemonSet{}
	key := client.ObjectKey{Namespace: e.namespace, Name: "reserve-headroom"}
	e.eventually("the DaemonSet's controller is done", func() error {
		if err := e.client.Get(t.Context(), key, set); err != nil {
			return err
		}
		if set.Status.UpdatedNumberScheduled != 2 || set.Status.ObservedGeneration != set.Generation {
			return errNotYet
		}
		return nil
	})

	requests := &traffic{}
	e.startController(func(c *config.Config, _ *rest.Config) {
		c.Identity, c.Placeholders.AllowedImages = "new/headroom-controller", []string{"example.com/pause:1"}
	}, through(requests.wrap))
	for name, n := range units {
		h := e.waitFilled(name, n)
		e.eventually("this version has looked at "+name, func() error {
			if h = e.get(name); h.Status.Controller == nil {
				return errNotYet
			}
			return nil
		})
		require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady))
		ready := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionReady)
		require.True(t, since.Time.Equal(ready.LastTransitionTime.Time), "it was never False")
		require.Zero(t, h.Status.OutdatedReplicas)
	}
	require.Zero(t, requests.count("POST pods"))
	require.Zero(t, requests.count("DELETE pods"))
	require.Equal(t, before, e.uids())
	now := &appsv1.DaemonSet{}
	require.NoError(t, e.client.Get(t.Context(), key, now))
	require.Equal(t, set.Generation, now.Generation)
}

// writeEarlierStatus writes the status that the earlier version wrote of a Headroom that is filled.
func (e *environment) writeEarlierStatus(name string, units int32, since metav1.Time) {
	e.Helper()
	clustertest.ChangeStatus(e.T, e.client, e.get(name), func(h *v1alpha1.Headroom) {
		h.Status.ObservedGeneration, h.Status.Replicas, h.Status.ReadyReplicas, h.Status.DesiredReplicas = h.Generation, units, units, units
		for kind, reason := range map[string]string{v1alpha1.ConditionReady: v1alpha1.ReasonValid, v1alpha1.ConditionFilled: v1alpha1.ReasonFilled} {
			h.Status.Conditions = append(h.Status.Conditions, metav1.Condition{
				Type: kind, Status: metav1.ConditionTrue, Reason: reason, ObservedGeneration: h.Generation, LastTransitionTime: since, Message: "as it was",
			})
		}
	})
}

var errUnbound = errors.New("not all are bound")

// waitAllBound waits until so many pods are bound, and returns their UIDs.
func (e *environment) waitAllBound(n int) map[string]types.UID {
	e.Helper()
	e.eventually("all pods are bound", func() error {
		pods := e.pods()
		for i := range pods {
			if pods[i].Spec.NodeName == "" {
				return errUnbound
			}
		}
		if len(pods) != n {
			return errUnbound
		}
		return nil
	})
	return e.uids()
}

// uids returns the UIDs of the pods of the namespace by their names.
func (e *environment) uids() map[string]types.UID {
	e.Helper()
	uids := map[string]types.UID{}
	for _, pod := range e.pods() {
		uids[pod.Name] = pod.UID
	}
	return uids
}
