package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// foreignPod creates a pod of somebody else.
func (e *environment) foreignPod(name string, labels map[string]string) *corev1.Pod {
	e.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "c"}}},
	}
	require.NoError(e, e.client.Create(e.Context(), pod))
	return pod
}

func TestForeignPodsAreNeverAdoptedCountedOrDeleted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name   string
		labels map[string]string
		want   []string
	}{
		"a pod that carries our label": {
			name: "stray", labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
			want: []string{"stray", "web-headroom-0", "web-headroom-1"},
		},
		"a pod that carries our label and has a placeholder's name": {
			name: "web-headroom-0", labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
			want: []string{"web-headroom-0", "web-headroom-1", "web-headroom-2"},
		},
		"a pod that only has a placeholder's name": {
			name: "web-headroom-1", want: []string{"web-headroom-0", "web-headroom-1", "web-headroom-2"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.bindTo(e.nodes("a")...)
			foreign := e.foreignPod(tc.name, tc.labels)
			e.startController()
			e.headroom("web", replicas(2))
			e.waitFilled("web", 2)
			require.Equal(t, tc.want, e.names())

			e.change("web", replicas(0))
			e.waitFilled("web", 0)
			e.stillThere(foreign)
			require.Len(t, e.pods(), 1)
		})
	}
}

// stillThere checks that a pod was not replaced or deleted.
func (e *environment) stillThere(pod *corev1.Pod) {
	e.Helper()
	now := &corev1.Pod{}
	require.NoError(e, e.client.Get(e.Context(), client.ObjectKeyFromObject(pod), now))
	require.Equal(e, pod.UID, now.UID)
	require.Nil(e, now.DeletionTimestamp)
}

func TestOrphansOfADeletedHeadroomAreLeftAlone(t *testing.T) {
	t.Parallel()
	e, h := filled(t, 2)
	orphans := e.pods()
	require.NoError(t, e.client.Delete(t.Context(), h, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	e.eventually("the Headroom is gone", func() error {
		err := e.client.Get(t.Context(), client.ObjectKeyFromObject(h), &v1alpha1.Headroom{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errNotYet
	})

	e.headroom("web", replicas(2))
	e.waitFilled("web", 2)
	require.Equal(t, []string{"web-headroom-0", "web-headroom-1", "web-headroom-2", "web-headroom-3"}, e.names())
	for i := range orphans {
		e.stillThere(&orphans[i])
	}
	e.delete(&orphans[0]) // somebody cleans up
	e.delete(&orphans[1])
	e.change("web", replicas(3))
	e.waitFilled("web", 3)
	require.Equal(t, []string{"web-headroom-2", "web-headroom-3", "web-headroom-4"}, e.names(), "the names of pods that went rest a while")
}

func TestNewPlaceholdersDoNotHaveTheNamesOfThoseJustTaken(t *testing.T) {
	t.Parallel()
	e, _ := filled(t, 3)
	for _, taken := range e.pods() {
		e.delete(&taken)
	}
	e.eventually("three others are there", func() error {
		if !slices.Equal(e.names(), []string{"web-headroom-3", "web-headroom-4", "web-headroom-5"}) {
			return fmt.Errorf("there are %v", e.names())
		}
		return nil
	})
	e.waitFilled("web", 3)
}

// soonAfter is within how long after a pod went no other gets its name, as the history shows it: half of the time for which the controller
// does not give a name again, since a busy machine sees the one and the other late.
const soonAfter = 30 * time.Second

// watchNames follows the API server's history of all placeholders from now on. The function it returns ends that, and returns the names
// that were given to another pod soon after one had gone.
func (e *environment) watchNames() func() []string {
	e.Helper()
	went := map[string]time.Time{}
	var hasty []string
	stop := e.changes(metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom}, func([]corev1.Pod) {},
		func(change watch.EventType, pod *corev1.Pod) {
			at, had := went[pod.Name]
			switch {
			case change == watch.Deleted:
				went[pod.Name] = time.Now()
			case change == watch.Added && had && time.Since(at) < soonAfter:
				hasty = append(hasty, pod.Name)
			}
		})
	return func() []string {
		stop()
		return hasty
	}
}

// TestNoUnitHasTheNameOfOneThatJustWent has a unit fail, a change be rolled out, and the Headroom be deleted and made anew at once.
func TestNoUnitHasTheNameOfOneThatJustWent(t *testing.T) {
	t.Parallel()
	e, h := filled(t, 4)
	hasty := e.watchNames()
	failed := e.pods()[1]
	e.fail(&failed, "OutOfcpu", "")
	e.waitReplaced(failed.UID)
	e.waitUnits("web", 4)
	before := e.uids()
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.NodeSelector = map[string]string{"test": e.namespace} })
	e.waitFilled("web", 4)
	for _, uid := range before {
		e.waitReplaced(uid)
	}
	before = e.uids()
	require.NoError(t, e.client.Delete(t.Context(), h))
	for _, uid := range before {
		e.waitReplaced(uid)
	}
	e.headroom("web", replicas(4))
	e.waitFilled("web", 4)
	require.Empty(t, hasty())
}

// TestAControllerThatStartsKnowsWhichNamesWereLeft has a unit go while no controller runs. On a busy machine the API server may take longer to
// tell than the controller waits, but not five times.
func TestAControllerThatStartsKnowsWhichNamesWereLeft(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	c := e.startController()
	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)
	for range 5 {
		c.stop() // it writes the account
		e.eventually("the account is there", func() error {
			return e.client.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "web"}, &v1alpha1.HeadroomAccount{})
		})
		gone := e.pods()[0]
		e.delete(&gone)
		c = e.startController()
		e.waitReplaced(gone.UID)
		e.waitUnits("web", 3)
		if !slices.Contains(e.names(), gone.Name) {
			return
		}
	}
	t.Error("each time the unit that was made has the name of the one that went")
}

func TestUserWhoDeletesPlaceholdersAgainAndAgain(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	requests := &traffic{}
	c := e.startController(through(requests.wrap))
	e.headroom("web", replicas(2))
	e.waitFilled("web", 2)
	const rounds = 15
	for range rounds {
		victim := e.pods()[0]
		e.delete(&victim)
		e.eventually("another one is there", func() error {
			if pods := e.pods(); len(pods) != 2 || pods[0].UID == victim.UID {
				return errNotYet
			}
			return nil
		})
	}
	e.waitFilled("web", 2)
	require.Nil(t, e.get("web").Status.LastConsumedTime, "that is no consumption")
	require.Zero(t, c.value(t, "headroom_consumed_total"))
	// One for each that was deleted. KWOK's kubelet, which deletes by name, sometimes hits the successor of a pod, hence the spare.
	require.LessOrEqual(t, requests.count("POST pods"), 2+rounds+3)
}

func TestHeadroomInATerminatingNamespace(t *testing.T) {
	t.Parallel()
	// Nothing deletes what is in the namespace here, so that it stays as it is.
	c := clustertest.SharedAPIServer(t)
	applyManifests(t, c)
	e := newEnvironmentOn(t, c, nil)
	e.headroom("web", replicas(2))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}}
	require.NoError(t, e.client.Delete(t.Context(), namespace))
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.waitStatus("web", v1alpha1.ReasonNamespaceTerminating, v1alpha1.ReasonNotReady, 0, 0)
	require.Less(t, requests.count("POST pods"), 20, "it does not spin")
}

func TestHeadroomThatIsBeingDeletedMakesNothing(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	h := e.newHeadroom("web", replicas(2))
	h.Finalizers = []string{"example.com/keep"}
	require.NoError(t, e.client.Create(t.Context(), h))
	e.waitFilled("web", 2)
	t.Cleanup(func() {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		_ = e.client.Patch(context.Background(), h, patch)
	})
	require.NoError(t, e.client.Delete(t.Context(), h))
	gone := e.pods()[0]
	e.delete(&gone)
	// Another Headroom shows that the controller is past the deletion.
	e.headroom("other", replicas(1))
	e.waitFilled("other", 1)
	for _, name := range e.names() {
		require.NotEqual(t, gone.Name, name)
	}
}

func TestTwoControllersByMistake(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	most := e.watchMost("web")
	e.startController()
	e.startController()
	e.headroom("web", replicas(40))
	e.waitFilled("web", 40)
	require.Equal(t, 40, most(), "both make the same names")
	for _, n := range []int32{15, 30, 40} {
		e.change("web", replicas(n))
		e.waitFilled("web", n)
		e.waitUnits("web", int(n))
	}
	for _, pod := range e.pods()[:10] {
		e.delete(&pod)
	}
	e.waitUnits("web", 40)
	e.waitFilled("web", 40)
}
