package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// forApp is a Headroom of one core for the pods of one app.
func forApp(app string) *v1alpha1.Headroom {
	h := hr(app, "1")
	h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
	return h
}

func TestNewLabelsWakeAPodThatTheyEntitle(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		never, bound  bool
		want          fwk.QueueingHint
	}{
		"entitled, where it is":     {before: "db", after: "web", bound: true, want: fwk.QueueSkip},
		"entitled from now on":      {before: "db", after: "web", want: fwk.Queue},
		"entitled as before":        {before: "web", after: "web", want: fwk.QueueSkip},
		"no longer entitled":        {before: "web", after: "db", want: fwk.QueueSkip},
		"refused as before":         {before: "db", after: "api", want: fwk.QueueSkip},
		"entitled but must not ask": {before: "db", after: "web", never: true, want: fwk.QueueSkip},
		"entitled and may ask":      {before: "db", after: "polite", never: true, want: fwk.Queue},
	} {
		t.Run(name, func(t *testing.T) {
			polite := forApp("polite")
			polite.Spec.Consumers.NonPreempting = v1alpha1.NonPreemptingAllow
			f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{forApp("web"), polite}})
			labeled := func(app string) *corev1.Pod {
				pod := wants("1").Label("app", app)
				if tc.never {
					pod = pod.PreemptionPolicy(corev1.PreemptNever)
				}
				if tc.bound {
					pod = pod.Node("a")
				}
				return pod.Obj()
			}
			before, after := labeled(tc.before), labeled(tc.after)
			hint, err := f.isSchedulableAfterLabelChange(klog.Background(), after, before, after)
			require.NoError(t, err)
			require.Equal(t, tc.want, hint)
		})
	}
}

func TestThePluginHearsOfNewLabelsOfAWaitingPodAndOfNewUnits(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	events, err := f.EventsToRegister(t.Context())
	require.NoError(t, err)
	var registered []fwk.ClusterEvent
	for _, event := range events {
		registered = append(registered, event.Event)
		require.NotNil(t, event.QueueingHintFn, "without one, every pod would be tried: %v", event.Event)
	}
	require.Contains(t, registered, fwk.ClusterEvent{Resource: fwk.TargetPod, ActionType: fwk.UpdatePodLabel})
	require.Contains(t, registered, fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add})
}

func TestANewPlaceholderWakesAPodThatMayTakeIt(t *testing.T) {
	web, anew := forApp("web"), forApp("web")
	anew.UID = "anew"
	byDaemonSet := func(pod *corev1.Pod) *corev1.Pod {
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "web-headroom", UID: "set"}}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		return pod
	}
	for name, tc := range map[string]struct {
		app       string
		headrooms []*v1alpha1.Headroom
		assigned  *corev1.Pod
		// controls is the Headroom that controls the DaemonSet, where that is known.
		controls *v1alpha1.Headroom
		// change changes the pod that waits.
		change func(*st.PodWrapper)
		want   fwk.QueueingHint
	}{
		"of others, if it is system-critical": {
			app: "db", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(web, 0, "a").Obj(), want: fwk.Queue,
			change: func(pod *st.PodWrapper) { pod.Priority(nodeCritical) },
		},
		"not if it has its node": {
			app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(web, 0, "a").Obj(), want: fwk.QueueSkip,
			change: func(pod *st.PodWrapper) { pod.Node("b") },
		},
		"of a Headroom that entitles it":         {app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(web, 0, "a").Obj(), want: fwk.Queue},
		"not of one that does not":               {app: "db", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(web, 0, "a").Obj(), want: fwk.QueueSkip},
		"of a Headroom that is not known yet":    {app: "db", assigned: unit(web, 0, "a").Obj(), want: fwk.Queue},
		"of a DaemonSet that is not known yet":   {app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: byDaemonSet(unit(web, 0, "a").Obj()), want: fwk.Queue},
		"whose Headroom refuses it all the same": {app: "db", headrooms: []*v1alpha1.Headroom{web}, assigned: byDaemonSet(unit(web, 0, "a").Obj()), want: fwk.QueueSkip},
		"of a DaemonSet that is known": {
			app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: byDaemonSet(unit(web, 0, "a").Obj()), controls: web, want: fwk.Queue,
		},
		"not of one that another Headroom controls, whatever its label says": {
			app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: byDaemonSet(unit(web, 0, "a").Obj()), controls: forApp("db"),
			want: fwk.QueueSkip,
		},
		"of a Headroom that was made anew, which is not known yet": {
			app: "db", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(anew, 0, "a").Obj(), want: fwk.Queue,
		},
		"of its DaemonSet": {
			app: "db", headrooms: []*v1alpha1.Headroom{web}, assigned: byDaemonSet(unit(anew, 0, "a").Obj()), controls: anew, want: fwk.Queue,
		},
		"not of a higher priority": {app: "web", headrooms: []*v1alpha1.Headroom{web}, assigned: unit(web, 0, "a").Priority(1000).Obj(), want: fwk.QueueSkip},
		"not any other pod":        {app: "web", assigned: on("a", "x", "1"), want: fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{headrooms: tc.headrooms})
			if tc.controls != nil {
				set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-headroom", UID: "set"}}
				set.OwnerReferences = []metav1.OwnerReference{
					*metav1.NewControllerRef(tc.controls, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom)),
				}
				require.NoError(t, f.factory.Apps().V1().DaemonSets().Informer().GetStore().Add(set))
			}
			waits := wants("1").Label("app", tc.app)
			if tc.change != nil {
				tc.change(waits)
			}
			hint, err := f.isSchedulableAfterPodAdd(klog.Background(), waits.Obj(), nil, tc.assigned)
			require.NoError(t, err)
			require.Equal(t, tc.want, hint)
		})
	}
}

// TestAPodIsTriedAgainForAnEventThatIsNotUnderstood: that it waits in vain would be worse.
func TestAPodIsTriedAgainForAnEventThatIsNotUnderstood(t *testing.T) {
	f, pod := newFixture(t, cluster{}), wants("1").Obj()
	for name, hintOf := range map[string]fwk.QueueingHintFn{
		"another pod came": f.isSchedulableAfterPodAdd, "its labels changed": f.isSchedulableAfterLabelChange,
	} {
		hint, err := hintOf(klog.Background(), pod, nil, builders.Node("a", "z-1", res("1")).Obj())
		require.Error(t, err, name)
		require.Equal(t, fwk.Queue, hint, name)
	}
}
