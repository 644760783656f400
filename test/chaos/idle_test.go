package chaos

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/test/chaos/proxy"
)

func TestOneAccountEveryHalfMinuteIsWrittenForAReason(t *testing.T) {
	begun := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	write := func(seconds int, method, path string) proxy.Request {
		return proxy.Request{At: begun.Add(time.Duration(seconds) * time.Second), Method: method, Path: path}
	}
	const account = "/apis/headroom.dev/v1alpha1/namespaces/shop/headroomaccounts/web"
	put := func(seconds int) proxy.Request { return write(seconds, http.MethodPut, account) }
	for name, tc := range map[string]struct {
		writes []proxy.Request
		want   []proxy.Request
	}{
		"one":                            {writes: []proxy.Request{put(5)}},
		"one every half minute":          {writes: []proxy.Request{put(5), put(35), put(75)}},
		"more than that":                 {writes: []proxy.Request{put(5), put(15), put(35)}, want: []proxy.Request{put(15)}},
		"one that is made anew":          {writes: []proxy.Request{write(5, http.MethodPost, account)}, want: []proxy.Request{write(5, http.MethodPost, account)}},
		"anything else, however seldom ": {writes: []proxy.Request{write(5, http.MethodPut, "/api/v1/pods")}, want: []proxy.Request{write(5, http.MethodPut, "/api/v1/pods")}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, tc.want, needless(tc.writes))
		})
	}
}

func TestComponentsMayWriteForAWhileAfterANodeChanged(t *testing.T) {
	atRest := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct{ changed, want time.Duration }{
		"none did since the cluster came to rest": {changed: -time.Hour, want: 0},
		"one did":             {changed: time.Minute, want: time.Minute},
		"they go on changing": {changed: time.Hour, want: nodesComeToRest},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, atRest.Add(tc.want+comesToRest), restBy(atRest, atRest.Add(tc.changed)))
		})
	}
}

func TestComponentsHeedWhetherPodsMayRunOnANode(t *testing.T) {
	node := func(ready corev1.ConditionStatus, change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: metav1.Now()}, {Type: corev1.NodeReady, Status: ready},
		}}}
		change(n)
		return n
	}
	same := func(*corev1.Node) {}
	was := stateOf(node(corev1.ConditionTrue, same))
	require.Equal(t, was, stateOf(node(corev1.ConditionTrue, func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Time{} })))
	require.NotEqual(t, was, stateOf(node(corev1.ConditionUnknown, same)))
	require.NotEqual(t, was, stateOf(node(corev1.ConditionTrue, func(n *corev1.Node) { n.Spec.Unschedulable = true })))
	require.NotEqual(t, was, stateOf(node(corev1.ConditionTrue, func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoExecute}}
	})))
}
