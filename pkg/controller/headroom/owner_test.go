package headroom

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// namedAlike is a Headroom that was, or will be, under the name of web, and is another one.
func namedAlike() *v1alpha1.Headroom {
	h := webOf(1)
	h.UID = "uid-of-an-earlier-web"
	return h
}

// neighbor is another Headroom of the namespace.
func neighbor() *v1alpha1.Headroom {
	h := webOf(1)
	h.Name, h.UID = "db", "uid-db"
	return h
}

func TestPodsThatOnlyLookLikeUnitsAreNotCountedReplacedOrDeleted(t *testing.T) {
	labeled := func(pod *corev1.Pod) { pod.Labels[v1alpha1.LabelHeadroom] = "web" }
	uncontrolled := func(pod *corev1.Pod) { pod.OwnerReferences[0].Controller = ptr.To(false) }
	for name, pod := range map[string]*corev1.Pod{
		"one of an earlier Headroom of the name":            placeholderOf(namedAlike(), 0, nil),
		"one that is labeled so and another one's":          placeholderOf(neighbor(), 0, labeled),
		"one that the Headroom owns but does not control":   placeholderOf(webOf(1), 0, uncontrolled),
		"one that nobody controls":                          placeholderOf(webOf(1), 0, func(pod *corev1.Pod) { pod.OwnerReferences = nil }),
		"one of an earlier Headroom that failed":            placeholderOf(namedAlike(), 0, fail),
		"one of an earlier Headroom that was made and lost": placeholderOf(namedAlike(), 0, func(pod *corev1.Pod) { pod.Spec.NodeName = "gone" }),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(1), pod)
			s.reconcile()
			made := s.writes()
			require.Len(t, made, 1)
			require.Contains(t, made[0], "create Pod web-headroom-")
			require.Zero(t, s.headroom().Status.ReadyReplicas)
			require.Equal(t, int32(1), s.headroom().Status.PendingReplicas)

			s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](0) })
			s.reconcile()
			require.Len(t, s.writes(), 1, "the one that was made goes again")
			require.Contains(t, s.pods(), pod.Name)
		})
	}
}

func TestADaemonSetOfAnEarlierHeadroomOfTheNameIsLeftAlone(t *testing.T) {
	for name, h := range map[string]*v1alpha1.Headroom{"where one is wanted": perNode(), "where none is": webOf(0)} {
		t.Run(name, func(t *testing.T) {
			earlier := perNode()
			earlier.UID = namedAlike().UID
			earlier.Spec.Image = "example.com/older"
			s := newScene(t, h, daemonSetOf(earlier, func(*appsv1.DaemonSet) {}))
			s.reconcile()
			require.Empty(t, s.writes())
			want := v1alpha1.ReasonValid
			if h.Spec.Placement == v1alpha1.PlacementPerNode {
				want = v1alpha1.ReasonNameTaken
			}
			require.Equal(t, want, s.reason(v1alpha1.ConditionReady))
		})
	}
}

func TestADaemonSetThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	for name, h := range map[string]*v1alpha1.Headroom{"where one is wanted": perNode(), "where none is": webOf(0)} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, h, daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
				set.Finalizers, set.DeletionTimestamp = []string{"example.com/hold"}, ptr.To(metav1.NewTime(epoch))
				set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash] = "older"
			}))
			s.reconcile()
			require.Empty(t, s.writes())
		})
	}
}

// TestADaemonSetOfTheNameThatTheCacheNeverShowsIsTriedAgain: one without the label is not in the cache, so that nothing tells when it goes.
func TestADaemonSetOfTheNameThatTheCacheNeverShowsIsTriedAgain(t *testing.T) {
	s := newScene(t, perNode())
	s.answers["create DaemonSet"] = apierrors.NewAlreadyExists(appsv1.Resource("daemonsets"), "web-headroom")
	require.Equal(t, lastRetry, s.reconcile())
	require.Equal(t, v1alpha1.ReasonNameTaken, s.reason(v1alpha1.ConditionReady))
	clear(s.answers)
	s.clock.Step(lastRetry)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

func TestADaemonSetIsPutRight(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*appsv1.DaemonSet)
		want   []string
	}{
		"not one that is as wanted":     {change: func(*appsv1.DaemonSet) {}},
		"not for what others put on it": {change: func(set *appsv1.DaemonSet) { set.Labels["example.com/team"] = "a" }},
		"one of an older spec":          {change: func(set *appsv1.DaemonSet) { set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash] = "older" }, want: []string{"update DaemonSet web-headroom"}},
		"one that lost the label":       {change: func(set *appsv1.DaemonSet) { delete(set.Labels, v1alpha1.LabelHeadroom) }, want: []string{"update DaemonSet web-headroom"}},
		"one that has another's label":  {change: func(set *appsv1.DaemonSet) { set.Labels[v1alpha1.LabelHeadroom] = "db" }, want: []string{"update DaemonSet web-headroom"}},
		"not one that an earlier version made": {change: func(set *appsv1.DaemonSet) {
			set.Spec = placeholder.BuildEarlierDaemonSet(perNode(), placeholder.Defaults{}).Spec
		}},
		"one with other requests": {
			change: func(set *appsv1.DaemonSet) {
				spec(set).Containers[0].Resources.Requests["cpu"] = resource.MustParse("1m")
			}, want: []string{"update DaemonSet web-headroom"},
		},
		"one with another image":    {change: func(set *appsv1.DaemonSet) { spec(set).Containers[0].Image = "x" }, want: []string{"update DaemonSet web-headroom"}},
		"one with another strategy": {change: func(set *appsv1.DaemonSet) { set.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType }, want: []string{"update DaemonSet web-headroom"}},
		"one with another container": {change: func(set *appsv1.DaemonSet) {
			spec(set).Containers = append(spec(set).Containers, corev1.Container{Name: "x"})
		}, want: []string{"update DaemonSet web-headroom"}},
		"one with a node selector": {change: func(set *appsv1.DaemonSet) { spec(set).NodeSelector = map[string]string{"a": "b"} }, want: []string{"update DaemonSet web-headroom"}},
		"one with a toleration": {change: func(set *appsv1.DaemonSet) {
			spec(set).Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}, want: []string{"update DaemonSet web-headroom"}},
		"not one that is not counted yet": {change: func(set *appsv1.DaemonSet) { set.Generation, set.Status.DesiredNumberScheduled = 2, 3 }},
		"one that lacks pods is asked why": {
			change: func(set *appsv1.DaemonSet) { set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = 1, 3 }, want: []string{"try Pod web-headroom-1048576"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, perNode(), daemonSetOf(perNode(), tc.change))
			s.reconcile()
			require.Equal(t, tc.want, s.writes())
			if !slices.Contains(tc.want, "update DaemonSet web-headroom") {
				return
			}
			set := &appsv1.DaemonSet{}
			require.NoError(t, s.api.Get(t.Context(), client.ObjectKey{Namespace: perNode().Namespace, Name: "web-headroom"}, set))
			require.Equal(t, placeholder.BuildDaemonSet(perNode(), placeholder.Defaults{}).Spec, set.Spec, "what somebody added goes")
			s.clock.Step(time.Minute)
			s.reconcile()
			require.Empty(t, s.writes(), "once is enough")
		})
	}
}

// TestADaemonSetWhoseUnitFailedLacksIt: its controller makes another one, unless that is refused, of which it tells in events only.
func TestADaemonSetWhoseUnitFailedLacksIt(t *testing.T) {
	set := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) { set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = 1, 1 })
	unit := placeholderOf(perNode(), 0, func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	})
	s := newScene(t, perNode(), set, unit)
	s.reconcile()
	require.Empty(t, s.writes(), "it has all that it should have")

	s.all(fail)
	s.answers["try Pod"] = quotaExceeded()
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	require.Equal(t, v1alpha1.ReasonQuotaExceeded, s.reason(v1alpha1.ConditionReady))
}

func spec(set *appsv1.DaemonSet) *corev1.PodSpec { return &set.Spec.Template.Spec }

func TestTheHeadroomOfADaemonSetIsFoundByUID(t *testing.T) {
	s := newScene(t, perNode(), daemonSetOf(perNode(), func(*appsv1.DaemonSet) {}))
	of := s.daemonSets(t.Context())
	found, ok := of("shop", "web-headroom", "uid-set")
	require.True(t, ok)
	require.Equal(t, web, found)
	_, ok = of("shop", "web-headroom", "uid-of-an-earlier-set")
	require.False(t, ok, "pods of an earlier DaemonSet of the name are not its units")
	_, ok = of("shop", "none", "uid-set")
	require.False(t, ok)
}
