package controller

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestAPolicyThatDropsWhatPlaceholdersAreKnownBy: not one of many pods is made and deleted in a loop.
func TestAPolicyThatDropsWhatPlaceholdersAreKnownBy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ expression, field string }{
		"the hash": {
			`[JSONPatch{op: "remove", path: "/metadata/annotations/headroom.dev~1template-hash"}]`,
			"metadata.annotations[headroom.dev/template-hash] was taken away",
		},
		"the label": {
			`[JSONPatch{op: "remove", path: "/metadata/labels/headroom.dev~1headroom"}]`,
			"metadata.labels[headroom.dev/headroom] was taken away",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			objects := patching(e.namespace, tc.expression)
			for _, object := range objects {
				require.NoError(t, e.client.Create(t.Context(), object))
				t.Cleanup(func() { _ = e.client.Delete(context.Background(), object) })
			}
			e.waitStripped()
			e.bindTo(e.nodes("a")...)
			requests := &traffic{}
			e.startController(through(requests.wrap))
			e.headroom("web", replicas(10))
			h := e.waitStatus("web", v1alpha1.ReasonAdmissionChanged, v1alpha1.ReasonNotReady, 0, 0)
			require.Contains(t, messageOf(h, v1alpha1.ConditionReady), tc.field)
			e.waitEvent("web", "CannotFill", tc.field)
			e.eventually("it was tried three times", func() error {
				if requests.count("POST pods") < 3 {
					return errNotYet
				}
				return nil
			})
			require.Less(t, requests.count("POST pods"), 20, "it waits longer each time, up to a minute")
			e.eventually("none is left behind", func() error {
				if len(e.pods()) > 1 { // one may be on its way
					return errNotYet
				}
				return nil
			})
			for _, object := range objects {
				require.NoError(t, e.client.Delete(t.Context(), object))
			}
			e.waitFilled("web", 10)
		})
	}
}

// TestAPolicyThatAddsAContainer: the units are there and can be taken, and the status says what is different about them; a restart does
// not make it forget, and it is over when the policy is.
func TestAPolicyThatAddsAContainer(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	objects := mutation(e.namespace, sidecar)
	for _, object := range objects {
		require.NoError(t, e.client.Create(t.Context(), object))
		t.Cleanup(func() { _ = e.client.Delete(context.Background(), object) })
	}
	e.waitMutated(func(pod *corev1.Pod) bool { return len(pod.Spec.Containers) > 1 })
	e.bindTo(e.nodes("a")...)
	first := e.startController()
	e.headroom("web", replicas(2))
	said := func() {
		t.Helper()
		h := e.waitStatus("web", v1alpha1.ReasonAdmissionChanged, v1alpha1.ReasonNotReady, 2, 0)
		require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "spec.containers[mesh-proxy] was added")
	}
	said()
	e.waitEvent("web", "CannotFill", "spec.containers[mesh-proxy] was added")
	before := e.pods()
	first.stop()
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.eventually("it asks again", func() error {
		if requests.count("POST pods") == 0 {
			return errNotYet
		}
		return nil
	})
	said()
	for i, pod := range e.pods() {
		require.Equal(t, before[i].UID, pod.UID)
	}
	for _, object := range objects {
		require.NoError(t, e.client.Delete(t.Context(), object))
	}
	e.waitFilled("web", 2)
}

// TestUnitsThatSomebodyMakesOutdatedAgain plays a second controller, of an old version, with other options: whatever this one makes, it
// gives another hash as soon as it sees it. Without a brake that is some fifty units a second.
func TestUnitsThatSomebodyMakesOutdatedAgain(t *testing.T) {
	t.Parallel()
	const units, window = 3, 5 * time.Second
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.headroom("web", replicas(units))
	e.waitFilled("web", units)
	ctx, stop := context.WithTimeout(t.Context(), window)
	defer stop()
	for ctx.Err() == nil {
		for _, pod := range e.pods() {
			if pod.Annotations[v1alpha1.AnnotationTemplateHash] != "theirs" {
				before := pod.DeepCopy()
				pod.Annotations[v1alpha1.AnnotationTemplateHash] = "theirs"
				_ = e.client.Patch(t.Context(), &pod, client.MergeFrom(before)) // if it is gone meanwhile, the next is there
			}
		}
	}
	// Those of the beginning, those of the first rounds, and one round each after 1 and 2 seconds.
	require.LessOrEqual(t, requests.count("POST pods"), 2*(units+units+2+2*units))
}
