package entitlement

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func selecting(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func TestRefusal(t *testing.T) {
	web := Consumer{Namespace: "shop", NamespaceLabels: map[string]string{"team": "a"}, Labels: map[string]string{"app": "web"}, Priority: 5}
	elsewhere := web
	elsewhere.Namespace = "other"
	polite := web
	polite.NonPreempting = true
	unknown := elsewhere
	unknown.NamespaceLabels = nil
	for name, tc := range map[string]struct {
		consumers *v1alpha1.Consumers
		consumer  Consumer
		want      string
		wantNamed bool
	}{
		"a Headroom without consumers is open to all": {consumer: elsewhere},
		"empty consumers are open to all too":         {consumers: &v1alpha1.Consumers{}, consumer: elsewhere},
		"a podSelector alone entitles matching pods of its own namespace": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web")}, consumer: web, wantNamed: true,
		},
		"a podSelector alone refuses pods of other namespaces": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web")}, consumer: elsewhere, wantNamed: true,
			want: "shop/hr is for pods of its own namespace",
		},
		"an empty podSelector alone is for its own namespace, too": {
			consumers: &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{}}, consumer: elsewhere, wantNamed: true,
			want: "shop/hr is for pods of its own namespace",
		},
		"a podSelector refuses other labels": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "db")}, consumer: web, wantNamed: true,
			want: "consumers.podSelector of shop/hr does not match",
		},
		"an empty namespaceSelector entitles all namespaces, known or not": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web"), NamespaceSelector: &metav1.LabelSelector{}},
			consumer:  unknown, wantNamed: true,
		},
		"a namespaceSelector entitles namespaces with its labels": {
			consumers: &v1alpha1.Consumers{NamespaceSelector: selecting("team", "a")}, consumer: elsewhere, wantNamed: true,
		},
		"a namespaceSelector refuses a namespace whose labels are not known": {
			consumers: &v1alpha1.Consumers{NamespaceSelector: selecting("team", "a")}, consumer: unknown, wantNamed: true,
			want: "consumers.namespaceSelector of shop/hr does not match namespace other",
		},
		"beside a podSelector, too": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web"), NamespaceSelector: selecting("team", "b")},
			consumer:  web, wantNamed: true, want: "consumers.namespaceSelector of shop/hr does not match namespace shop",
		},
		"beside a namespaceSelector, a podSelector is for all namespaces that it matches": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web"), NamespaceSelector: selecting("team", "a")},
			consumer:  elsewhere, wantNamed: true,
		},
		"and still refuses other labels": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "db"), NamespaceSelector: selecting("team", "a")},
			consumer:  elsewhere, wantNamed: true, want: "consumers.podSelector of shop/hr does not match",
		},
		"minPriority counts beside selectors": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "web"), MinPriority: ptr.To[int32](6)}, consumer: web,
			wantNamed: true, want: "priority 5 is below consumers.minPriority 6 of shop/hr",
		},
		"the first obstacle is told": {
			consumers: &v1alpha1.Consumers{PodSelector: selecting("app", "db"), MinPriority: ptr.To[int32](6)}, consumer: polite,
			wantNamed: true, want: "shop/hr is not for pods whose preemptionPolicy is Never",
		},
		"minPriority entitles the priority itself": {
			consumers: &v1alpha1.Consumers{MinPriority: ptr.To[int32](5)}, consumer: elsewhere,
		},
		"minPriority alone refuses a lower priority, and names nobody": {
			consumers: &v1alpha1.Consumers{MinPriority: ptr.To[int32](6)}, consumer: web,
			want: "priority 5 is below consumers.minPriority 6 of shop/hr",
		},
		"minPriority 0 refuses what is below it": {
			consumers: &v1alpha1.Consumers{MinPriority: ptr.To[int32](0)}, consumer: Consumer{Namespace: "shop", Priority: -1},
			want: "priority -1 is below consumers.minPriority 0 of shop/hr",
		},
		"an empty namespaceSelector alone names all": {
			consumers: &v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{}}, consumer: elsewhere, wantNamed: true,
		},
		"a pod that never preempts is refused by default": {
			consumer: polite, want: "shop/hr is not for pods whose preemptionPolicy is Never",
		},
		"and where consumers do not say": {
			consumers: &v1alpha1.Consumers{}, consumer: polite,
			want: "shop/hr is not for pods whose preemptionPolicy is Never",
		},
		"and by Deny": {
			consumers: &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingDeny}, consumer: polite,
			want: "shop/hr is not for pods whose preemptionPolicy is Never",
		},
		"Allow entitles a pod that never preempts": {
			consumers: &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}, consumer: polite,
		},
		"Allow does not undo the rest": {
			consumers: &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow, MinPriority: ptr.To[int32](6)}, consumer: polite,
			want: "priority 5 is below consumers.minPriority 6 of shop/hr",
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(types.NamespacedName{Namespace: "shop", Name: "hr"}, tc.consumers)
			require.NoError(t, err)
			require.Equal(t, tc.want, rule.WhyNot(&tc.consumer))
			require.Equal(t, tc.want == "", rule.Entitles(&tc.consumer))
			require.Equal(t, tc.wantNamed, rule.Named())
		})
	}
}

func TestASelectorThatDoesNotParseEntitlesNobody(t *testing.T) {
	bad := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}
	for name, consumers := range map[string]*v1alpha1.Consumers{
		"podSelector": {PodSelector: bad}, "namespaceSelector": {NamespaceSelector: bad},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(types.NamespacedName{Namespace: "shop", Name: "hr"}, consumers)
			require.ErrorContains(t, err, "parsing consumers."+name+" of Headroom shop/hr")
			require.ErrorContains(t, err, `"Like" is not a valid label selector operator`)
			require.False(t, rule.Entitles(&Consumer{Namespace: "shop"}))
		})
	}
}

func TestWhatAPodIsAskedAbout(t *testing.T) {
	namespace := func(name string) (*corev1.Namespace, error) {
		if name != "shop" {
			return nil, errors.New("it is not known")
		}
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": "a"}}}, nil
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{"app": "web"}}}
	want := Consumer{Namespace: "shop", NamespaceLabels: map[string]string{"team": "a"}, Labels: map[string]string{"app": "web"}}
	require.Equal(t, want, ConsumerOf(pod, namespace))
	pod.Spec.Priority, want.Priority = ptr.To[int32](7), 7
	for policy, never := range map[corev1.PreemptionPolicy]bool{corev1.PreemptNever: true, corev1.PreemptLowerPriority: false} {
		pod.Spec.PreemptionPolicy, want.NonPreempting = &policy, never
		require.Equal(t, want, ConsumerOf(pod, namespace), policy)
	}
	pod.Namespace, want.Namespace, want.NamespaceLabels = "else", "else", nil
	pod.Spec.PreemptionPolicy, want.NonPreempting = nil, false
	require.Equal(t, want, ConsumerOf(pod, namespace), "as if its namespace had no labels")
	stale := func(name string) (*corev1.Namespace, error) {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": "a"}}}, errors.New("it is not known")
	}
	require.Equal(t, want, ConsumerOf(pod, stale), "what comes with an error is not known")
}

func TestPodsThatNeverPreemptAreAllowedBySayingSoWhoeverElseIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		consumers *v1alpha1.Consumers
		want      bool
	}{
		"nothing is said":         {nil, false},
		"somebody is named":       {&v1alpha1.Consumers{PodSelector: selecting("app", "web")}, false},
		"they are denied":         {&v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingDeny}, false},
		"allowed to all":          {&v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}, true},
		"allowed to those named":  {&v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow, PodSelector: selecting("app", "web")}, true},
		"allowed from a priority": {&v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow, MinPriority: ptr.To[int32](9)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(types.NamespacedName{Namespace: "shop", Name: "hr"}, tc.consumers)
			require.NoError(t, err)
			require.Equal(t, tc.want, rule.AllowsNonPreempting())
		})
	}
}
