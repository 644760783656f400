package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// reservedFor is reserved headroom of one core for the pods of one app.
func reservedFor(app string) *v1alpha1.Headroom {
	h := forApp(app)
	h.Spec.Reserved = true
	return h
}

// reservedUnit is a unit of reserved headroom on a node.
func reservedUnit(h *v1alpha1.Headroom, ordinal int, node string) *st.PodWrapper {
	u := unit(h, ordinal, node).Priority(builders.ReservedPriority)
	u.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
	return u
}

func TestReservedUnitsGoToThePodsThatConsumersName(t *testing.T) {
	web := reservedFor("web")
	minimum := reservedFor("web")
	minimum.Spec.Consumers.MinPriority = new(int32)
	*minimum.Spec.Consumers.MinPriority = 10
	nobody := hr("web", "1")
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		consumer *st.PodWrapper
		ordinary bool
		want     bool
	}{
		"whatever their priority":                                  {headroom: web, consumer: wants("1").Label("app", "web").Priority(-1000), want: true},
		"above their own too":                                      {headroom: web, consumer: wants("1").Label("app", "web").Priority(2_000_000), want: true},
		"not below minPriority":                                    {headroom: minimum, consumer: wants("1").Label("app", "web").Priority(9)},
		"not if they never preempt":                                {headroom: web, consumer: wants("1").Label("app", "web").PreemptionPolicy(corev1.PreemptNever)},
		"not to others":                                            {headroom: web, consumer: wants("1").Priority(builders.ReservedPriority)},
		"not to others even of higher priority":                    {headroom: web, consumer: wants("1").Priority(builders.ReservedPriority + 1)},
		"but to system-critical ones":                              {headroom: web, consumer: wants("1").Priority(nodeCritical), want: true},
		"from 2,000,000,000 on":                                    {headroom: web, consumer: wants("1").Priority(2_000_000_000), want: true},
		"and not below":                                            {headroom: web, consumer: wants("1").Priority(1_999_999_999)},
		"to nobody of lower priority if none is named":             {headroom: nobody, consumer: wants("1").Priority(builders.ReservedPriority)},
		"an ordinary unit of such a priority goes to nobody below": {headroom: web, consumer: wants("1").Label("app", "web"), ordinary: true},
	} {
		t.Run(name, func(t *testing.T) {
			held := reservedUnit(tc.headroom, 0, "a")
			if tc.ordinary {
				held.Spec.PriorityClassName = ""
			}
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held.Obj()},
				headrooms: []*v1alpha1.Headroom{tc.headroom},
			})
			c, _ := f.decided(t, tc.consumer.Obj())
			require.Equal(t, tc.want, c.swap != nil)
		})
	}
}

func TestReservedUnitsStayWhereRunningPodsWouldGoOtherwise(t *testing.T) {
	web, shut := reservedFor("web"), closedHeadroom()
	for name, tc := range map[string]struct {
		units []*corev1.Pod
		want  string
	}{
		"ordinary units of others go":     {units: []*corev1.Pod{unit(shut, 0, "a").Obj()}, want: "a"},
		"reserved units of others do not": {units: []*corev1.Pod{reservedUnit(web, 0, "a").Obj()}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Priority(2_000_000).Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
				pods:  append(tc.units, on("b", "running", "1")), headrooms: []*v1alpha1.Headroom{web, shut}, pending: []*corev1.Pod{pod},
			})
			nominated, _ := f.postFiltered(t, pod)
			require.Equal(t, tc.want, nominated)
		})
	}
}

func TestReservedUnitsMakeNoRoomInDryRunsEvenBesideARunningPod(t *testing.T) {
	web := reservedFor("web")
	for name, tc := range map[string]struct {
		gone []string
		want bool
	}{
		"alone":                 {[]string{"web-headroom-0"}, false},
		"beside a running pod":  {[]string{"web-headroom-0", "first"}, false},
		"what is there without": {[]string{"first", "second"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("2").Priority(2_000_000).Obj()
			f := newFixture(t, cluster{
				nodes:     []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()},
				pods:      []*corev1.Pod{reservedUnit(web, 0, "a").Obj(), on("a", "first", "1"), on("a", "second", "1")},
				headrooms: []*v1alpha1.Headroom{web}, pending: []*corev1.Pod{pod},
			})
			_, state := f.postFiltered(t, pod)
			require.Equal(t, tc.want, f.fitsWithout(t, state, pod, tc.gone))
		})
	}
}

// TestAPodThatReservedUnitsBlockOtherwiseIsToldSo: the units have an anti-affinity to the pod, and the node has room for both.
func TestAPodThatReservedUnitsBlockOtherwiseIsToldSo(t *testing.T) {
	web := reservedFor("web")
	blocking := func() *st.PodWrapper {
		return reservedUnit(web, 0, "a").PodAntiAffinity(corev1.LabelHostname,
			&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, st.PodAntiAffinityWithRequiredReq)
	}
	for name, tc := range map[string]struct {
		units    []*corev1.Pod
		consumer *st.PodWrapper
		want     string
	}{
		"by an anti-affinity": {units: []*corev1.Pod{blocking().Obj()}, consumer: wants("1").Label("app", "web"), want: selection.ReasonOutOfReach},
		"by a host port": {
			units: []*corev1.Pod{reservedUnit(web, 0, "a").HostPort(80).Obj()}, consumer: wants("1").Label("app", "web").HostPort(80), want: selection.ReasonOutOfReach,
		},
		"by nothing that goes with them": {
			units: []*corev1.Pod{reservedUnit(web, 0, "a").Obj()}, consumer: wants("9").Label("app", "web"),
			want: "1 of 1 nodes hold headroom, none for this pod: no node holds enough for it",
		},
		"of which it may take none": {
			units: []*corev1.Pod{blocking().Label("app", "web").Obj()}, consumer: wants("1").Label("app", "web").Namespace("other"),
			want: "1 of 1 nodes hold headroom, none for this pod: default/web is for pods of its own namespace",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.consumer.Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: tc.units, headrooms: []*v1alpha1.Headroom{web},
				pending: []*corev1.Pod{pod},
			})
			require.Equal(t, tc.want, f.missed(t, pod))
		})
	}
}

func TestAReservedUnitWakesAPodThatItIsFor(t *testing.T) {
	web := reservedFor("web")
	for name, tc := range map[string]struct {
		pod       *st.PodWrapper
		headrooms []*v1alpha1.Headroom
		want      fwk.QueueingHint
	}{
		"one that its Headroom names":        {pod: wants("1").Label("app", "web"), headrooms: []*v1alpha1.Headroom{web}, want: fwk.Queue},
		"one of which that is not known yet": {pod: wants("1"), want: fwk.Queue},
		"not another":                        {pod: wants("1"), headrooms: []*v1alpha1.Headroom{web}, want: fwk.QueueSkip},
		"nor another of higher priority":     {pod: wants("1").Priority(2_000_000), headrooms: []*v1alpha1.Headroom{web}, want: fwk.QueueSkip},
		"but one that never waits":           {pod: wants("1").Priority(nodeCritical), headrooms: []*v1alpha1.Headroom{web}, want: fwk.Queue},
		"none below it if it is open to all": {pod: wants("1"), headrooms: []*v1alpha1.Headroom{hr("web", "1")}, want: fwk.QueueSkip},
		"one above it, if it is open to all": {pod: wants("1").Priority(2_000_000), headrooms: []*v1alpha1.Headroom{hr("web", "1")}, want: fwk.Queue},
		"none that has its place already":    {pod: wants("1").Label("app", "web").Node("b"), headrooms: []*v1alpha1.Headroom{web}, want: fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{headrooms: tc.headrooms})
			hint, err := f.isSchedulableAfterPodAdd(klog.Background(), tc.pod.Obj(), nil, reservedUnit(web, 0, "a").Obj())
			require.NoError(t, err)
			require.Equal(t, tc.want, hint)
		})
	}
}
