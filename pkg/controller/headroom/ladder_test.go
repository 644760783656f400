package headroom

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// step is the PriorityClass of a step of the ladder, as it is installed.
func step(number int32) *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("headroom-ladder-", number)}, Value: number - v1alpha1.LadderSteps - 1,
		PreemptionPolicy: ptr.To(corev1.PreemptNever),
	}
}

// overZones has a hard constraint spread the units over zones.
func overZones(spec *v1alpha1.HeadroomSpec) {
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"headroom": "web"}},
	}}
}

// onLadder is a scene with the Headroom web of that many units on the ladder, spread over the zones a, b and c.
func onLadder(t *testing.T, units int32) *scene {
	t.Helper()
	h := webOf(units)
	h.Spec.Ladder = v1alpha1.LadderEnabled
	overZones(&h.Spec)
	objects := []client.Object{h}
	for number := int32(1); number <= v1alpha1.LadderSteps; number++ {
		objects = append(objects, step(number))
	}
	for _, zone := range []string{"b", "c"} {
		node := readyNode("n-" + zone)
		node.Labels[corev1.LabelTopologyZone] = zone
		objects = append(objects, node)
	}
	return newScene(t, objects...)
}

// bindAsMeant plays a scheduler that binds each unit to the zone that it prefers, with the priority of its class.
func (s *scene) bindAsMeant() {
	s.t.Helper()
	s.all(func(pod *corev1.Pod) {
		if pod.Spec.NodeName != "" {
			return
		}
		class := &schedulingv1.PriorityClass{}
		require.NoError(s.t, s.api.Get(s.t.Context(), client.ObjectKey{Name: pod.Spec.PriorityClassName}, class))
		pod.Spec.Priority = ptr.To(class.Value)
		pod.Spec.NodeName = map[string]string{"a": "n1", "b": "n-b", "c": "n-c"}[pod.Annotations[v1alpha1.AnnotationDomain]]
	})
}

// steps returns the classes of the units that are meant for each zone, in order.
func (s *scene) steps() map[string][]string {
	s.t.Helper()
	steps := map[string][]string{}
	for _, pod := range s.pods() {
		zone := pod.Annotations[v1alpha1.AnnotationDomain]
		steps[zone] = append(steps[zone], pod.Spec.PriorityClassName)
	}
	for zone := range steps {
		slices.Sort(steps[zone])
	}
	return steps
}

func TestUnitsOfEachZoneStandOnStepsOfTheirOwn(t *testing.T) {
	s := onLadder(t, 8)
	nowhere := readyNode("n-nowhere")
	nowhere.Labels = nil
	require.NoError(t, s.api.Create(t.Context(), nowhere), "a node without the label is in no zone")
	s.settle()
	three := []string{"headroom-ladder-10", "headroom-ladder-8", "headroom-ladder-9"}
	require.Equal(t, map[string][]string{"a": three, "b": three, "c": {"headroom-ladder-10", "headroom-ladder-9"}}, s.steps())
	s.bindAsMeant()
	s.settle()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))

	for _, pod := range s.pods() { // as stock preemption takes them
		if pod.Spec.PriorityClassName == "headroom-ladder-8" || pod.Spec.PriorityClassName == "headroom-ladder-9" {
			s.takes(pod.Name)
		}
	}
	s.settle()
	require.Equal(t, map[string][]string{"a": three, "b": three, "c": {"headroom-ladder-10", "headroom-ladder-9"}}, s.steps(), "the refill")

	s.bindAsMeant()
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](4) })
	s.settle()
	require.Equal(t, map[string][]string{
		"a": {"headroom-ladder-10"}, "b": {"headroom-ladder-10"}, "c": {"headroom-ladder-10"},
	}, withoutSecond(s.steps()), "the lower steps go first")
}

// withoutSecond leaves out the one zone's second unit: which zone keeps it does not matter.
func withoutSecond(steps map[string][]string) map[string][]string {
	seconds := 0
	for zone := range steps {
		if len(steps[zone]) == 2 && steps[zone][1] == "headroom-ladder-9" {
			steps[zone] = steps[zone][:1]
			seconds++
		}
	}
	if seconds != 1 {
		return nil
	}
	return steps
}

// TestUnitsAreMeantForZonesOnlyWhereAConstraintDemands: a preference spreads units that nobody asked to spread, and costs nodes.
func TestUnitsAreMeantForZonesOnlyWhereAConstraintDemands(t *testing.T) {
	s := onLadder(t, 3)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.TopologySpreadConstraints = nil })
	s.settle()
	require.Equal(t, map[string][]string{"": {"headroom-ladder-10", "headroom-ladder-8", "headroom-ladder-9"}}, s.steps())
	for _, pod := range s.pods() {
		require.Nil(t, pod.Spec.Affinity)
	}
}

func TestUnitsAreMeantOnlyForZonesInWhichTheyMayBe(t *testing.T) {
	s := onLadder(t, 2)
	s.change(func(spec *v1alpha1.HeadroomSpec) {
		spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"a", "c"}},
			}}},
		}}}
	})
	s.settle()
	require.Equal(t, map[string][]string{"b": {"headroom-ladder-10", "headroom-ladder-9"}}, s.steps())
}

func TestAClassOfTheLadderThatIsMissingIsNamed(t *testing.T) {
	s := onLadder(t, 3)
	require.NoError(t, s.api.Delete(t.Context(), step(4)))
	s.settle()
	require.Empty(t, s.pods())
	require.Equal(t, v1alpha1.ReasonUnknownPriorityClass, s.reason(v1alpha1.ConditionReady))
	ready := conditionOf(s.headroom().Status, v1alpha1.ConditionReady)
	require.Contains(t, ready.Message, `No PriorityClass is named "headroom-ladder-4"`)
	require.Contains(t, ready.Message, "spec.ladder: Disabled")
	require.NoError(t, s.api.Create(t.Context(), step(4)))
	s.settle()
	require.Len(t, s.pods(), 3)
}

// TestAClassOfTheLadderThatSomebodyMadeAnew: its units are replaced, and the steps go by what the classes are worth now.
func TestAClassOfTheLadderThatSomebodyMadeAnew(t *testing.T) {
	s := onLadder(t, 30)
	s.settle()
	s.bindAsMeant()
	s.settle()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	before, stood := s.pods(), s.steps()
	require.NoError(t, s.api.Delete(t.Context(), step(10)))
	remade := step(10)
	remade.Value = -10
	require.NoError(t, s.api.Create(t.Context(), remade))
	s.settle()
	require.Len(t, s.waiting(), 3)
	s.bindAsMeant()
	s.settle()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	after := s.pods()
	for name, pod := range before {
		stays := after[name] != nil && after[name].UID == pod.UID
		require.Equal(t, pod.Spec.PriorityClassName != "headroom-ladder-10", stays, name)
	}
	require.Equal(t, stood, s.steps(), "a unit that takes the place of another stands on its step, which that one leaves")
	require.Equal(t, "headroom-ladder-9", classes{names: v1alpha1.LadderPriorityClasses(), values: s.classes()}.byValue()[9])
}

// classes are all PriorityClasses, by name.
func (s *scene) classes() map[string]*schedulingv1.PriorityClass {
	s.t.Helper()
	list := &schedulingv1.PriorityClassList{}
	require.NoError(s.t, s.api.List(s.t.Context(), list))
	all := map[string]*schedulingv1.PriorityClass{}
	for i := range list.Items {
		all[list.Items[i].Name] = &list.Items[i]
	}
	return all
}

func TestAUnitOnNoStepIsReplaced(t *testing.T) {
	s := onLadder(t, 3)
	s.admit = func(pod *corev1.Pod) { pod.Spec.PriorityClassName = "headroom" }
	s.settle()
	s.admit = nil
	s.bindAsMeant()
	s.passes(10 * time.Minute)
	for range 3 {
		s.bindAsMeant()
		s.passes(10 * time.Minute)
	}
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	for _, pod := range s.pods() {
		require.True(t, v1alpha1.IsLadderPriorityClass(pod.Spec.PriorityClassName), pod.Spec.PriorityClassName)
	}
}

func TestAQuotaThatCountsSomeStepsIsTold(t *testing.T) {
	s := onLadder(t, 3)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "some"}}
	quota.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
		ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpNotIn,
		Values: []string{"headroom", "headroom-ladder-1"},
	}}}
	quota.Status.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("500m")}
	require.NoError(t, s.api.Create(t.Context(), quota))
	s.settle()
	s.bindAsMeant()
	s.settle()
	require.Equal(t, v1alpha1.ReasonQuotaShort, s.reason(v1alpha1.ConditionReady))
}

// TestTheLadderIsRolledOutByQuarters switches it on and off again.
func TestTheLadderIsRolledOutByQuarters(t *testing.T) {
	s := onLadder(t, 8)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Ladder = "" })
	s.settle()
	s.all(bind)
	s.settle()
	for _, policy := range []v1alpha1.LadderPolicy{v1alpha1.LadderEnabled, v1alpha1.LadderDisabled} {
		s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Ladder = policy })
		for rounds := 0; ; rounds++ {
			s.settle()
			bound := 0
			for _, pod := range s.pods() {
				if pod.Spec.NodeName != "" {
					bound++
				}
			}
			require.GreaterOrEqual(t, bound, 6)
			if bound == 8 {
				break
			}
			s.all(func(pod *corev1.Pod) {
				if pod.Spec.NodeName == "" {
					pod.Spec.NodeName = "n1"
				}
			})
			require.Less(t, rounds, 10)
		}
		for _, pod := range s.pods() {
			require.Equal(t, policy == v1alpha1.LadderEnabled, v1alpha1.IsLadderPriorityClass(pod.Spec.PriorityClassName), pod.Name)
			require.Equal(t, placeholder.TemplateHash(s.headroom(), placeholder.Defaults{}), pod.Annotations[v1alpha1.AnnotationTemplateHash])
		}
	}
}

// TestUnitsOfOneRankAreMadeAtATime: others would take the zones that these are meant for.
func TestUnitsOfOneRankAreMadeAtATime(t *testing.T) {
	p := plan{places: map[int]place{}}
	for ordinal, rank := range []int{4, 4, 4, 5, 6, 6} {
		p.actions.Create = append(p.actions.Create, topup.Creation{Ordinal: ordinal + 10})
		p.places[ordinal+10] = place{Place: placeholder.Place{Domain: "a"}, rank: rank}
	}
	var sizes []int
	for start := 0; start < 6; start += sizes[len(sizes)-1] {
		sizes = append(sizes, p.atOnce(start))
	}
	require.Equal(t, []int{3, 1, 2}, sizes)

	p.places = nil
	require.Equal(t, 1, p.atOnce(0))
	require.Equal(t, 4, p.atOnce(3), "without zones they double")
}
