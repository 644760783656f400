package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestAPodThatReservedUnitsBlockOtherwiseIsToldSo, in the words of the scheduler, before it comes.
func TestAPodThatReservedUnitsBlockOtherwiseIsToldSo(t *testing.T) {
	cpu := func(quantity string) builders.Resources { return builders.Resources{"cpu": quantity} }
	h := builders.Headroom("web", cpu("1")).Namespace("shop").UID("web").Reserved().
		Consumers(v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}).Obj()
	plain := func(pod *st.PodWrapper) *st.PodWrapper { return pod }
	port := func(pod *st.PodWrapper) *st.PodWrapper { return pod.HostPort(80) }
	for name, tc := range map[string]struct {
		unit, consumer func(*st.PodWrapper) *st.PodWrapper
		want           bool
	}{
		"by a host port": {unit: port, consumer: port, want: true},
		"by an anti-affinity": {unit: func(pod *st.PodWrapper) *st.PodWrapper {
			return pod.PodAntiAffinity(corev1.LabelHostname,
				&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, st.PodAntiAffinityWithRequiredReq)
		}, consumer: plain, want: true},
		"by nothing that goes with them": {unit: plain, consumer: func(pod *st.PodWrapper) *st.PodWrapper { return pod.Req(cpu("9")) }},
		"by nothing that is its own":     {unit: port, consumer: func(pod *st.PodWrapper) *st.PodWrapper { return pod.HostPort(80).Label("app", "db") }},
	} {
		t.Run(name, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), "", "")
			require.NoError(t, err)
			var objects Objects
			objects.Nodes = []*corev1.Node{builders.Node("a", "z-1", cpu("4")).Obj()}
			objects.Headrooms = []*v1alpha1.Headroom{h}
			objects.Pods = []*corev1.Pod{tc.unit(builders.ReservedUnit(h, 0).Node("a").UID("unit")).Obj()}
			cluster, err := New(objects, profile)
			require.NoError(t, err)
			pod := tc.consumer(builders.Consumer("web-1", cpu("1")).Namespace("shop").UID("web-1").Label("app", "web")).Obj()
			predicted, err := cluster.Predict(t.Context(), pod)
			require.NoError(t, err)
			require.Empty(t, predicted.Fits)
			require.Nil(t, predicted.Swap)
			require.Equal(t, tc.want, predicted.Message == selection.ReasonOutOfReach, predicted.Message)
			require.Equal(t, tc.want, predicted.Reason == metrics.MissFiltered && predicted.Message == selection.ReasonOutOfReach)
		})
	}
}
