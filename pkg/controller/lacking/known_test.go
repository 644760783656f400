package lacking

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/entitlement"
)

func TestAPodThatWaitsIsToldByWhatItIs(t *testing.T) {
	w, _ := newTold(t)
	pod := toldPod()
	pod.OwnerReferences = []metav1.OwnerReference{
		{Kind: "Team", Name: "shop"}, {Kind: "ReplicaSet", Name: "api-1", UID: "rs", Controller: ptr.To(true)},
	}
	handler{w, t.Context()}.OnAdd(pod, false)
	consumer, waits := w.Waiting("api")
	require.True(t, waits)
	require.Equal(t, account.Consumer{
		NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api"}, UID: "api", Owner: "ReplicaSet/api-1",
	}, consumer)
}

func TestAHeadroomIsKnownAsItsSpecSays(t *testing.T) {
	web := spare(&v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}})
	web.Spec.NodeSelector, web.Spec.RuntimeClassName = map[string]string{"pool": "a"}, "kata"
	web.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: pools(corev1.NodeSelectorOpIn, "a")},
	}}
	reserved := spare(nil)
	reserved.Name, reserved.Spec.Reserved, reserved.Spec.PriorityClassName = "reserved", true, ""
	classless := spare(nil)
	classless.Name, classless.Spec.PriorityClassName = "classless", "gone"
	broken := spare(&v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "no label!"}}})
	broken.Name = "broken"
	w, _ := newTold(t)
	w.asOf = epoch.Add(-freshness)
	w.Cache = newObjects(t, web, reserved, classless, broken,
		&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: reserved.Spec.UnitPriorityClassName()}, Value: 7})
	known, asOf, err := w.headrooms(t.Context())
	require.NoError(t, err)
	require.Equal(t, epoch, asOf)
	rules := map[string]*entitlement.Rule{}
	for i := range known {
		rules[known[i].Name], known[i].Rule = known[i].Rule, nil
		require.Equal(t, "1", known[i].Unit.Cpu().String())
		known[i].Unit = nil
	}
	require.ElementsMatch(t, []Headroom{
		{
			NamespacedName: client.ObjectKeyFromObject(web), Priority: -10, RuntimeClass: "kata",
			Place: Place{NodeSelector: map[string]string{"pool": "a"}, Terms: pools(corev1.NodeSelectorOpIn, "a")},
		},
		{NamespacedName: client.ObjectKeyFromObject(reserved), Priority: 7, Reserved: true},
		{NamespacedName: client.ObjectKeyFromObject(broken), Priority: -10},
	}, known, "one whose PriorityClass is not there can have no units")
	pod := &entitlement.Consumer{Namespace: "shop", Labels: map[string]string{"app": "web"}}
	require.True(t, rules["web"].Entitles(pod))
	require.True(t, rules["reserved"].Entitles(pod))
	require.False(t, rules["broken"].Entitles(pod), "nobody knows whom it means")
	pod.Namespace = "elsewhere"
	require.False(t, rules["web"].Entitles(pod), "consumers are those of its namespace")
}

func TestHeadroomsAreReadAgainAfterASecond(t *testing.T) {
	now, known := testingclock.NewFakeClock(epoch), newObjects(t)
	w := &Watcher{Cache: known, Clock: now}
	for _, tc := range []struct {
		after time.Duration
		lists int
		asOf  time.Duration
	}{{0, 1, 0}, {freshness - 1, 1, 0}, {1, 2, freshness}, {freshness - 1, 2, freshness}, {time.Hour, 3, time.Hour + 2*freshness - 1}} {
		now.Step(tc.after)
		_, asOf, err := w.headrooms(t.Context())
		require.NoError(t, err)
		require.Equal(t, tc.lists, known.lists)
		require.Equal(t, epoch.Add(tc.asOf), asOf)
	}
}

// TestHeadroomsThatCannotBeReadAreReadAtTheNextNews: that of a moment ago is not taken for what there is.
func TestHeadroomsThatCannotBeReadAreReadAtTheNextNews(t *testing.T) {
	for name, fails := range map[string]client.ObjectList{
		"listing Headrooms": &v1alpha1.HeadroomList{}, "listing PriorityClasses": &schedulingv1.PriorityClassList{},
	} {
		t.Run(name, func(t *testing.T) {
			w, accounts := newTold(t)
			known := newObjects(t, spare(nil))
			known.fails = fails
			w.Cache, w.known, w.asOf = known, nil, time.Time{}
			_, _, err := w.headrooms(t.Context())
			require.ErrorIs(t, err, errBroken)
			require.ErrorContains(t, err, name)
			h, pod := handler{w, t.Context()}, toldPod()
			h.OnAdd(pod, false)
			require.Empty(t, accounts.missed)
			known.fails = nil
			h.OnUpdate(pod, pod)
			require.Equal(t, 1, accounts.lacked)
		})
	}
}

// TestAPodThatLacksUnitsOfWhatIsKnownIsCountedAtOnce: nothing that came since would change that.
func TestAPodThatLacksUnitsOfWhatIsKnownIsCountedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, accounts, known := newWatched(t)
		pass(freshness)
		h.OnAdd(toldPod(), false)
		require.Equal(t, 1, accounts.lacked)
		pass(freshness / 2)
		next := toldPod()
		next.Name, next.UID = "next", "next"
		h.OnAdd(next, false)
		require.Equal(t, 2, accounts.lacked, "the Headrooms are as they were half a second ago")
		pass(time.Hour)
		require.Equal(t, 2, known.lists)
		h.OnUpdate(next, next)
		require.Equal(t, 2, known.lists, "nothing is to be found out of a pod that is counted")
	})
}

func TestAPodThatNobodyToldIsNotLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, accounts, known := newWatched(t)
		pod := toldPod()
		pod.Status.Conditions = nil
		h.OnAdd(pod, false)
		pass(time.Hour)
		require.Equal(t, 1, known.lists)
		require.Empty(t, accounts.missed)
	})
}

func TestAControllerThatStopsLooksAtNoPodAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, accounts, known := newWatched(t)
		ctx, end := context.WithCancel(t.Context())
		handler{h.Watcher, ctx}.OnAdd(toldPod(), false)
		end()
		pass(time.Minute)
		require.Equal(t, 1, known.lists)
		require.Zero(t, accounts.lacked)
	})
}

// TestOfAffinityOnlyWhatNodesRequireMatters: the rest says nothing of where a pod may be.
func TestOfAffinityOnlyWhatNodesRequireMatters(t *testing.T) {
	preferred := &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
		Weight: 1, Preference: pools(corev1.NodeSelectorOpIn, "b")[0],
	}}}
	for name, affinity := range map[string]*corev1.Affinity{
		"none": nil, "that of pods": {PodAntiAffinity: &corev1.PodAntiAffinity{}}, "what is preferred": {NodeAffinity: preferred},
	} {
		t.Run(name, func(t *testing.T) {
			pod := toldPod()
			pod.Spec.NodeSelector, pod.Spec.Affinity = map[string]string{"pool": "a"}, affinity
			want := Place{NodeSelector: map[string]string{"pool": "a"}}
			require.Equal(t, want, podOf(pod, account.Consumer{}, nil).Place)
			kept, err := trim(pod)
			require.NoError(t, err)
			require.Nil(t, kept.(*corev1.Pod).Spec.Affinity)
			require.Equal(t, want, podOf(kept.(*corev1.Pod), account.Consumer{}, nil).Place)
		})
	}
}

func TestWhatIsNoPodIsKeptAsItIs(t *testing.T) {
	kept, err := trim("a tombstone")
	require.NoError(t, err)
	require.Equal(t, "a tombstone", kept)
}

// TestAHeadroomOnTheLadderIsKnownAsLongAsOneOfItsStepsIsThere, by the lowest one of those.
func TestAHeadroomOnTheLadderIsKnownAsLongAsOneOfItsStepsIsThere(t *testing.T) {
	steps := v1alpha1.LadderPriorityClasses()
	for name, tc := range map[string]struct {
		there map[string]int32
		want  []int32
	}{
		"all are":          {there: map[string]int32{steps[0]: -30, steps[1]: -20, steps[2]: -15}, want: []int32{-30}},
		"the first is not": {there: map[string]int32{steps[1]: -20, steps[2]: -15}, want: []int32{-20}},
		"none is":          {},
	} {
		t.Run(name, func(t *testing.T) {
			climbs := spare(nil)
			climbs.Spec.Ladder = v1alpha1.LadderEnabled
			objects := []client.Object{climbs}
			for class, value := range tc.there {
				objects = append(objects, &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Value: value})
			}
			w := &Watcher{Cache: newObjects(t, objects...), Clock: testingclock.NewFakeClock(epoch)}
			known, _, err := w.headrooms(t.Context())
			require.NoError(t, err)
			var got []int32
			for i := range known {
				got = append(got, known[i].Priority)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAPriorityMayBeBelowZeroOrNotSaid(t *testing.T) {
	for _, priority := range []*int32{ptr.To[int32](-20), ptr.To[int32](0), ptr.To[int32](7), nil} {
		pod := toldPod()
		pod.Spec.Priority = priority
		require.Equal(t, ptr.Deref(priority, 0), podOf(pod, account.Consumer{}, nil).Identity.Priority)
	}
}
