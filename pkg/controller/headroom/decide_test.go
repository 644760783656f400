package headroom

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestUnitsThatTheOperatorDoesNotAllowAreNotMade(t *testing.T) {
	h := webOf(2)
	h.Spec.SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)}
	seen := &observation{classes: one(&schedulingv1.PriorityClass{Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever)})}
	seen.units = []unit{{Unit: topup.Unit{State: topup.Bound, Template: "older"}}}

	p := decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10}, anyImage(t))
	require.Equal(t, v1alpha1.ReasonSecurityContextNotAllowed, p.refused.reason)
	require.Empty(t, cmp.Diff(topup.Actions{Outdated: p.actions.Outdated}, p.actions), "what is there stays")
}

func TestARefusedSpecIsNoReasonToMakeOrReplaceUnits(t *testing.T) {
	h := webOf(2)
	older := func(ordinal int, state topup.State) unit {
		return unit{Unit: topup.Unit{Ordinal: ordinal, State: state, Template: "older"}}
	}
	seen := &observation{classes: one(nil), units: []unit{older(0, topup.Pending), older(1, topup.Lost), older(2, topup.Lost)}}

	p := decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10}, anyImage(t))
	require.Equal(t, v1alpha1.ReasonUnknownPriorityClass, p.refused.reason)
	require.Empty(t, p.actions.Create)
	require.Empty(t, p.actions.Replace)
	require.Len(t, p.actions.Delete, 1, "what is too many goes")

	seen.classes = one(&schedulingv1.PriorityClass{Value: -5})
	p = decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10, AllowPreempting: true}, anyImage(t))
	require.Nil(t, p.refused)
	require.Len(t, p.actions.Replace, 2)
}

// The API server refuses both together. Nodes decide how many units such a Headroom has, whatever is stored.
func TestRulesOfAHeadroomOnEachNodeAreLeftAlone(t *testing.T) {
	h := perNode()
	h.Spec.Sizing = &v1alpha1.Sizing{Rules: []v1alpha1.SizingRule{
		{Name: "always", Schedule: &v1alpha1.Schedule{Start: "00:00", End: "24:00", TimeZone: "Etc/UTC", Replicas: 7}},
	}}
	s := newScene(t, h)
	s.reconcile()
	require.Nil(t, s.headroom().Status.Sizing)
	require.Nil(t, meta.FindStatusCondition(s.headroom().Status.Conditions, v1alpha1.ConditionSized))
	require.Empty(t, s.pods())
	require.Contains(t, s.writes(), "create DaemonSet web-headroom")
}

// one is the PriorityClass headroom alone, nil if there is none of that name.
func one(class *schedulingv1.PriorityClass) classes {
	return classes{names: []string{"headroom"}, values: map[string]*schedulingv1.PriorityClass{"headroom": class}}
}

// The DaemonSet's controller could not make them anew either.
func TestUnitsOfADaemonSetStayWhileTheSpecIsRefused(t *testing.T) {
	h := perNode()
	template := placeholder.TemplateHash(h, placeholder.Defaults{})
	seen := &observation{classes: one(nil), perNode: []unit{{
		Unit: topup.Unit{State: topup.Bound, Template: template, Nonconforming: true},
	}}}
	p := decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10}, anyImage(t))
	require.Equal(t, v1alpha1.ReasonUnknownPriorityClass, p.refused.reason)
	require.Empty(t, p.nonconforming)

	seen.classes = one(&schedulingv1.PriorityClass{Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever)})
	p = decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10}, anyImage(t))
	require.Nil(t, p.refused)
	require.Len(t, p.nonconforming, 1)
}

func TestWhatIsPostponedIsStillOfAnOlderSpecUnlessItIsLost(t *testing.T) {
	actions := topup.Actions{
		Create: make([]topup.Creation, 2), Delete: make([]topup.Deletion, 1), Outdated: 4,
		Replace: []topup.Replacement{{Reason: topup.ReasonLost}, {Reason: topup.ReasonOutdated}, {Reason: topup.ReasonNonconforming}},
	}
	require.Equal(t, topup.Actions{Delete: make([]topup.Deletion, 1), Outdated: 6}, postponed(actions))
}
