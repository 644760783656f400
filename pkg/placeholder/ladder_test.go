package placeholder_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func onLadder(s *v1alpha1.HeadroomSpec) { s.Ladder = v1alpha1.LadderEnabled }

func TestWhichHeadroomsHaveALadder(t *testing.T) {
	byDefault := placeholder.Defaults{Ladder: true}
	for name, tc := range map[string]struct {
		defaults placeholder.Defaults
		change   func(*v1alpha1.HeadroomSpec)
		want     bool
	}{
		"by default none":               {change: func(*v1alpha1.HeadroomSpec) {}},
		"one that says so":              {change: onLadder, want: true},
		"by the operator's default all": {defaults: byDefault, change: func(*v1alpha1.HeadroomSpec) {}, want: true},
		"not one that says no":          {defaults: byDefault, change: func(s *v1alpha1.HeadroomSpec) { s.Ladder = v1alpha1.LadderDisabled }},
		"not one with a PriorityClass of its own": {
			defaults: byDefault, change: func(s *v1alpha1.HeadroomSpec) { s.PriorityClassName = "spare" },
		},
		"also one that spells the default class": {
			defaults: byDefault, change: func(s *v1alpha1.HeadroomSpec) { s.PriorityClassName = "headroom" }, want: true,
		},
		"not one of reserved units": {
			defaults: byDefault, change: func(s *v1alpha1.HeadroomSpec) { s.Reserved = true },
		},
		"not even if it says so": {change: func(s *v1alpha1.HeadroomSpec) { s.Reserved, s.Ladder = true, v1alpha1.LadderEnabled }},
		"also one with a PriorityClass of its own that says so": {
			change: func(s *v1alpha1.HeadroomSpec) { s.PriorityClassName, s.Ladder = "spare", v1alpha1.LadderEnabled }, want: true,
		},
		"not one with a unit on each node": {
			defaults: byDefault, change: func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode },
		},
		"not even if that says so": {
			change: func(s *v1alpha1.HeadroomSpec) {
				s.Placement, s.Ladder = v1alpha1.PlacementPerNode, v1alpha1.LadderEnabled
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := web(tc.change)
			require.Equal(t, tc.want, placeholder.OnLadder(h, tc.defaults))
			names := placeholder.PriorityClassNames(h, tc.defaults)
			require.Equal(t, tc.want, len(names) == v1alpha1.LadderSteps)
			require.Contains(t, names, placeholder.Build(h, tc.defaults, 0).Spec.PriorityClassName)
			inWords := "headroom-ladder-*"
			if !tc.want {
				inWords = names[0]
			}
			require.Equal(t, inWords, placeholder.PriorityClassIn(h, tc.defaults))
		})
	}
	daemonSet := placeholder.BuildDaemonSet(web(func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode }), byDefault)
	require.Equal(t, "headroom", daemonSet.Spec.Template.Spec.PriorityClassName)
}

// TestAPlaceOnTheLadderMakesNoOtherTemplate: or a unit would be outdated as soon as it was made.
func TestAPlaceOnTheLadderMakesNoOtherTemplate(t *testing.T) {
	h := web(onLadder, func(s *v1alpha1.HeadroomSpec) {
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}},
		}}
	})
	before := h.DeepCopy()
	low, high := placeholder.Build(h, defaults, 3), placeholder.BuildAt(h, defaults, 3, placeholder.Place{PriorityClassName: "headroom-ladder-7", Domain: "b"})

	hash := placeholder.TemplateHash(h, defaults)
	require.NotEqual(t, hash, placeholder.TemplateHash(web(), defaults), "switched on, it is another one")
	require.Equal(t, hash, low.Annotations[v1alpha1.AnnotationTemplateHash])
	require.Equal(t, hash, high.Annotations[v1alpha1.AnnotationTemplateHash])
	require.Equal(t, "headroom-ladder-1", low.Spec.PriorityClassName)
	require.Equal(t, "headroom-ladder-7", high.Spec.PriorityClassName)
	require.Empty(t, cmp.Diff(before, h))

	require.NotContains(t, low.Annotations, v1alpha1.AnnotationDomain)
	require.Equal(t, "b", high.Annotations[v1alpha1.AnnotationDomain])
	node := high.Spec.Affinity.NodeAffinity
	require.Nil(t, node.RequiredDuringSchedulingIgnoredDuringExecution, "where its zone is full, a unit may go elsewhere")
	require.Equal(t, []corev1.PreferredSchedulingTerm{{Weight: 1}, {Weight: 100, Preference: corev1.NodeSelectorTerm{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}}},
	}}}, node.PreferredDuringSchedulingIgnoredDuringExecution)
}

func TestAPlaceMeansNothingWithoutALadder(t *testing.T) {
	require.Empty(t, cmp.Diff(placeholder.Build(web(), defaults, 3),
		placeholder.BuildAt(web(), defaults, 3, placeholder.Place{PriorityClassName: "headroom-ladder-7", Domain: "b"})))
}

func TestSpreadHard(t *testing.T) {
	hard := corev1.TopologySpreadConstraint{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"headroom": "web"}},
	}
	with := func(change func(*corev1.TopologySpreadConstraint)) []corev1.TopologySpreadConstraint {
		c := *hard.DeepCopy()
		change(&c)
		return []corev1.TopologySpreadConstraint{c}
	}
	for name, tc := range map[string]struct {
		constraints []corev1.TopologySpreadConstraint
		labels      map[string]string
		want        bool
	}{
		"no constraint":           {},
		"a hard one over zones":   {constraints: with(func(*corev1.TopologySpreadConstraint) {}), want: true},
		"a soft one":              {constraints: with(func(c *corev1.TopologySpreadConstraint) { c.WhenUnsatisfiable = corev1.ScheduleAnyway })},
		"a hard one over hosts":   {constraints: with(func(c *corev1.TopologySpreadConstraint) { c.TopologyKey = corev1.LabelHostname })},
		"a hard one over racks":   {constraints: with(func(c *corev1.TopologySpreadConstraint) { c.TopologyKey = "rack" }), want: true},
		"one that counts no pods": {constraints: with(func(c *corev1.TopologySpreadConstraint) { c.LabelSelector = nil })},
		"one about other pods": {
			constraints: with(func(c *corev1.TopologySpreadConstraint) { c.LabelSelector.MatchLabels["headroom"] = "other" }),
		},
		"one whose selector does not parse": {
			constraints: with(func(c *corev1.TopologySpreadConstraint) {
				c.LabelSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "headroom", Operator: "Like"}}
			}),
		},
		"one by labels of the user": {
			constraints: with(func(c *corev1.TopologySpreadConstraint) {
				c.LabelSelector.MatchLabels = map[string]string{"team": "search"}
			}),
			labels: map[string]string{"team": "search"}, want: true,
		},
		"a soft one before a hard one over the same": {constraints: append(with(func(c *corev1.TopologySpreadConstraint) {
			c.WhenUnsatisfiable = corev1.ScheduleAnyway
		}), hard), want: true},
		"one over hosts before one over zones": {constraints: append(with(func(c *corev1.TopologySpreadConstraint) {
			c.TopologyKey = corev1.LabelHostname
		}), hard), want: true},
		"a soft one over racks before a hard one over zones": {constraints: append(with(func(c *corev1.TopologySpreadConstraint) {
			c.TopologyKey, c.WhenUnsatisfiable = "rack", corev1.ScheduleAnyway
		}), hard)},
	} {
		t.Run(name, func(t *testing.T) {
			h := web(func(s *v1alpha1.HeadroomSpec) { s.TopologySpreadConstraints, s.PodLabels = tc.constraints, tc.labels })
			require.Equal(t, tc.want, placeholder.SpreadHard(h))
		})
	}
}

func TestAUnitOfTheLadderIsOnAStep(t *testing.T) {
	pod := placeholder.Build(web(onLadder), defaults, 0)
	require.Empty(t, placeholder.NoStep(pod))
	for _, other := range []string{"headroom", "headroom-ladder-11", "headroom-ladder-", ""} {
		pod.Spec.PriorityClassName = other
		require.Equal(t, fmt.Sprintf("its PriorityClass is %q, which is no step of the ladder", other), placeholder.NoStep(pod))
	}
}

func TestAPlaceIsInADomainOfTheKeyOverWhichTheUnitsSpread(t *testing.T) {
	h := web(onLadder, func(s *v1alpha1.HeadroomSpec) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelHostname}, {TopologyKey: "rack"}}
	})
	pod := placeholder.BuildAt(h, defaults, 3, placeholder.Place{Domain: "b"})
	require.Equal(t, []corev1.NodeSelectorRequirement{{Key: "rack", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}}},
		pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].Preference.MatchExpressions)
}

// TestAPlaceInADomainNeedsNoAffinityOfTheHeadroom, nor one to nodes beside one to pods.
func TestAPlaceInADomainNeedsNoAffinityOfTheHeadroom(t *testing.T) {
	for name, affinity := range map[string]*corev1.Affinity{"none": nil, "one to pods": {PodAntiAffinity: &corev1.PodAntiAffinity{}}} {
		t.Run(name, func(t *testing.T) {
			h := web(onLadder, func(s *v1alpha1.HeadroomSpec) { s.Affinity = affinity.DeepCopy() })
			pod := placeholder.BuildAt(h, defaults, 3, placeholder.Place{Domain: "b"})
			require.Len(t, pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution, 1)
			require.Equal(t, "headroom-ladder-1", pod.Spec.PriorityClassName, "the lowest step")
			require.Equal(t, affinity != nil, pod.Spec.Affinity.PodAntiAffinity != nil)
			require.Empty(t, cmp.Diff(affinity, h.Spec.Affinity))
		})
	}
}
