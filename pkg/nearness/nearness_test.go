package nearness

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	host   = corev1.LabelHostname
	zone   = corev1.LabelTopologyZone
	region = corev1.LabelTopologyRegion
)

func keys() []string { return []string{host, zone, region} }

func node(name, inZone, inRegion string) map[string]string {
	return map[string]string{host: name, zone: inZone, region: inRegion}
}

func TestDistanceToANode(t *testing.T) {
	anchors := New(keys())
	anchors.AddNode(node("n1", "a", "eu"))
	anchors.AddNode(map[string]string{host: "bare"})
	for name, tc := range map[string]struct {
		node map[string]string
		want int
	}{
		"the same host":                         {node: node("n1", "a", "eu"), want: 0},
		"the same host without a zone":          {node: map[string]string{host: "bare"}, want: 0},
		"the same zone":                         {node: node("n2", "a", "eu"), want: 1},
		"the same region":                       {node: node("n3", "b", "eu"), want: 2},
		"elsewhere":                             {node: node("n4", "c", "us"), want: 3},
		"a node without labels shares nothing":  {node: nil, want: 3},
		"an empty value is a value like others": {node: map[string]string{zone: ""}, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, anchors.Distance(tc.node))
		})
	}
}

func TestWithoutAnchorsAllNodesAreEquallyNear(t *testing.T) {
	require.True(t, New(keys()).None())
	require.Zero(t, New(keys()).Distance(node("n1", "a", "eu")))
	require.Zero(t, (*Anchors)(nil).Distance(node("n1", "a", "eu")))
}

func in(weight int32, key string, values ...string) corev1.PreferredSchedulingTerm {
	return corev1.PreferredSchedulingTerm{Weight: weight, Preference: corev1.NodeSelectorTerm{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}},
	}}
}

func TestPreferredNodeAffinityNamesDomains(t *testing.T) {
	exists := in(100, zone)
	exists.Preference.MatchExpressions[0].Operator = corev1.NodeSelectorOpExists
	beside := in(10, zone, "a")
	beside.Preference.MatchExpressions = append(beside.Preference.MatchExpressions,
		corev1.NodeSelectorRequirement{Key: zone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"b"}})
	mixed := in(10, "disk", "ssd")
	mixed.Preference.MatchExpressions = append(mixed.Preference.MatchExpressions, in(10, zone, "a").Preference.MatchExpressions...)
	for name, tc := range map[string]struct {
		terms    []corev1.PreferredSchedulingTerm
		wantNone bool
		want     map[string]int
	}{
		"the domains of the term of the highest weight": {
			terms: []corev1.PreferredSchedulingTerm{in(10, zone, "a"), in(50, zone, "b", "c")}, want: map[string]int{"a": 3, "b": 1, "c": 1},
		},
		"whichever comes first": {
			terms: []corev1.PreferredSchedulingTerm{in(50, zone, "b", "c"), in(10, zone, "a")}, want: map[string]int{"a": 3, "b": 1, "c": 1},
		},
		"terms of equal weight count together": {
			terms: []corev1.PreferredSchedulingTerm{in(10, zone, "a"), in(10, zone, "b")}, want: map[string]int{"a": 1, "b": 1, "c": 3},
		},
		"terms that name no domain do not count": {
			terms: []corev1.PreferredSchedulingTerm{in(90, "disk", "ssd"), exists, in(10, zone, "a")}, want: map[string]int{"a": 1, "b": 3},
		},
		"nor does what is no domain in one that does": {terms: []corev1.PreferredSchedulingTerm{mixed}, want: map[string]int{"a": 1, "b": 3}},
		"nor do those that the same term excludes":    {terms: []corev1.PreferredSchedulingTerm{beside}, want: map[string]int{"a": 1, "b": 3}},
		"no domain at all":                            {terms: []corev1.PreferredSchedulingTerm{in(90, "disk", "ssd")}, wantNone: true},
	} {
		t.Run(name, func(t *testing.T) {
			anchors := New(keys())
			anchors.AddPreferred(tc.terms)
			require.Equal(t, tc.wantNone, anchors.None())
			for inZone, want := range tc.want {
				require.Equal(t, want, anchors.Distance(node("n", inZone, "eu")), "zone %s", inZone)
			}
		})
	}
}

func TestNear(t *testing.T) {
	pod := func(annotation string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationNear: annotation}}}
	}
	selector, err := Near(&corev1.Pod{})
	require.NoError(t, err)
	require.Nil(t, selector, "no annotation is no selector, not one of everything")

	selector, err = Near(pod("app in (web, db)"))
	require.NoError(t, err)
	require.True(t, selector.Matches(labels.Set{"app": "db"}))
	require.False(t, selector.Matches(labels.Set{"app": "cache"}))

	selector, err = Near(pod(""))
	require.NoError(t, err)
	require.True(t, selector.Matches(labels.Set{"app": "cache"}), "an empty annotation is an empty selector, which is one of everything")

	selector, err = Near(pod("app in web"))
	require.Nil(t, selector, "nobody is near to everything by mistake")
	require.ErrorContains(t, err, "annotation headroom.dev/near is no label selector")
}
