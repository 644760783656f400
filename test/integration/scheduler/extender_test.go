package scheduler

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// binder starts an extender that binds every pod.
func (w *world) binder(t *testing.T) config.Extender {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		var args extenderv1.ExtenderBindingArgs
		result := extenderv1.ExtenderBindingResult{}
		err := json.NewDecoder(request.Body).Decode(&args)
		if err == nil {
			err = w.Client.CoreV1().Pods(args.PodNamespace).Bind(request.Context(), &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: args.PodName, UID: args.PodUID}, Target: corev1.ObjectReference{Kind: "Node", Name: args.Node},
			}, metav1.CreateOptions{})
		}
		if err != nil {
			result.Error = err.Error()
		}
		assert.NoError(t, json.NewEncoder(answer).Encode(result))
	}))
	t.Cleanup(server.Close)
	return config.Extender{URLPrefix: server.URL, BindVerb: "bind", HTTPTimeout: metav1.Duration{Duration: schedulerharness.Timeout}}
}

func TestAPodThatAnExtenderBindsComesAfterThePlaceholderIsGone(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	units := w.hold(t, "n0")
	cfg := schedulerharness.SecondScheduler(t)
	cfg.Extenders = []config.Extender{w.binder(t)}
	w.StartHeadroom(t, cfg, nil)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])

	require.Empty(t, w.remaining(t, units))
	w.judge(t) // P5
}

// TestAResourceThatAnExtenderManagesIsIgnored has an extender manage a resource that no node has, with ignoredByScheduler, which kube-scheduler
// tells its own NodeResourcesFit alone.
func TestAResourceThatAnExtenderManagesIsIgnored(t *testing.T) {
	const device = "example.com/device"
	w := newWorld(t)
	w.judged = true // to the observer a node without the device is overcommitted
	w.nodes(t, cpu("1"), "a")
	units := w.hold(t, "n0")
	cfg := schedulerharness.SecondScheduler(t)
	extender := w.binder(t)
	extender.ManagedResources = []config.ExtenderManagedResource{{Name: device, IgnoredByScheduler: true}}
	cfg.Extenders = []config.Extender{extender}
	w.StartHeadroom(t, cfg, nil)
	needs := cpu("1")
	needs[device] = "1"
	pod := consumer("web", needs).Obj()
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{device: resource.MustParse("1")}
	w.CreatePods(t, pod)

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Empty(t, w.remaining(t, units))
}
