package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// called gives a controller an identity, and an image for its placeholders.
func called(identity, image string) func(*config.Config, *rest.Config) {
	return func(c *config.Config, _ *rest.Config) { c.Identity, c.Placeholders.DefaultImage = identity, image }
}

// TestTwoInstallationsWithDifferentOptions: each would replace what the other makes. The later one does nothing, the Headroom names it,
// and when the first is gone it takes over.
func TestTwoInstallationsWithDifferentOptions(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	first := e.startController(called("one/headroom-controller", "example.com/pause:1"))
	e.headroom("web", replicas(3))
	h := e.waitFilled("web", 3)
	require.Equal(t, "one/headroom-controller", h.Status.Controller.Identity)
	before := e.pods()
	require.Equal(t, "one/headroom-controller", before[0].Annotations[v1alpha1.AnnotationController])

	requests := &traffic{}
	e.startController(called("two/headroom-controller", "example.com/pause:2"), through(requests.wrap))
	h = e.waitStatus("web", v1alpha1.ReasonAnotherController, v1alpha1.ReasonNotReady, 3, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "two/headroom-controller, would act on this Headroom too; one/headroom-controller does")
	e.waitEvent("web", "CannotFill", "two/headroom-controller")
	require.Equal(t, "one/headroom-controller", h.Status.Controller.Identity)
	e.change("web", replicas(4))
	e.waitStatus("web", v1alpha1.ReasonAnotherController, v1alpha1.ReasonNotReady, 4, 0)
	require.Zero(t, requests.count("POST pods")+requests.count("DELETE pods"), "the later one does nothing")
	for i, pod := range e.pods()[:3] {
		require.Equal(t, before[i].UID, pod.UID)
	}

	first.stop()
	e.eventually("the other one takes over", func() error {
		h := e.get("web")
		if h.Status.Controller.Identity != "two/headroom-controller" || h.Status.OtherController != nil {
			return fmt.Errorf("%s acts, %v would", h.Status.Controller.Identity, h.Status.OtherController)
		}
		return nil
	})
	e.eventually("its units are there", func() error {
		for _, pod := range e.pods() {
			if pod.Spec.Containers[0].Image != "example.com/pause:2" {
				return fmt.Errorf("%s has %s", pod.Name, pod.Spec.Containers[0].Image)
			}
		}
		return nil
	})
	e.waitFilled("web", 4)
}

// TestP13OfTwoInstallationsOneKeepsTheAccount has each of two installations keep the account in turn, and units taken when the first acts,
// when none does because the first cannot reach the API server, and when the second does because the first is back too late.
func TestP13OfTwoInstallationsOneKeepsTheAccount(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	requests := map[string]*traffic{"one": {}, "two": {}}
	start := func(name string) *controller {
		return e.startController(called(name, "example.com/pause:1"), through(requests[name].wrap))
	}
	writes := func(name string) int {
		return requests[name].count("POST headroomaccounts") + requests[name].count("PUT headroomaccounts")
	}
	takes := 0
	take := func() {
		takes++
		pods := e.pods()
		unit := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Labels[v1alpha1.LabelHeadroom] != "" && pod.Spec.NodeName != "" })
		e.take(e.unboundPod(fmt.Sprint("api-", takes)), &pods[unit])
	}
	acts := func(name string) {
		e.eventually(name+" acts, and the other one would", func() error {
			status := e.get("web").Status
			if status.Controller.Identity != name || status.OtherController == nil || status.ReadyReplicas != 3 {
				return fmt.Errorf("%s acts, %v would, %d are ready", status.Controller.Identity, status.OtherController, status.ReadyReplicas)
			}
			return nil
		})
	}
	adds := func() (writer string) {
		e.eventually("the account says who took what", func() error {
			a := &v1alpha1.HeadroomAccount{}
			if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "web"}, a); err != nil {
				return err
			}
			if writer = a.Record.Position.Writer; int(a.Record.Taken) != takes || len(a.Record.Takes) != takes || len(a.Record.Lost) > 0 {
				return fmt.Errorf("%d were taken, %v lost, of %d", a.Record.Taken, a.Record.Lost, takes)
			}
			return nil
		})
		return writer
	}
	// The controller asks for pods each time that it looks which accounts to write.
	looks := func(name string) {
		before := requests[name].count("GET pods")
		e.eventually(name+" looks for accounts to write", func() error {
			if requests[name].count("GET pods") < before+3 {
				return errNotYet
			}
			return nil
		})
	}

	start("one")
	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)
	second := start("two")
	acts("one")
	take()
	one := adds()
	looks("two")
	require.Zero(t, writes("two"), "the later one leaves the account alone")
	require.Zero(t, second.value(t, "headroom_consumed_total"))
	require.Equal(t, one, adds())

	requests["one"].away.Store(true)
	take()
	e.eventually("the other one takes over", func() error {
		if acts := e.get("web").Status.Controller.Identity; acts != "two" {
			return fmt.Errorf("%s acts", acts)
		}
		return nil
	})
	two := adds()
	require.NotEqual(t, one, two, "and goes on from what is stored, and what happened since")

	requests["one"].away.Store(false)
	acts("two")
	take()
	adds()
	looks("one")
	require.Equal(t, two, adds(), "what it had is not written over what the other one wrote since")
}
