package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestARefusedSpecIsNoReasonToMakeOrReplaceUnits(t *testing.T) {
	h := webOf(2)
	older := func(ordinal int, state topup.State) unit {
		return unit{Unit: topup.Unit{Ordinal: ordinal, State: state, Template: "older"}}
	}
	seen := &observation{units: []unit{older(0, topup.Pending), older(1, topup.Lost), older(2, topup.Lost)}}

	p := decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10}, anyImage(t))
	require.Equal(t, v1alpha1.ReasonUnknownPriorityClass, p.refused.reason)
	require.Empty(t, p.actions.Create)
	require.Empty(t, p.actions.Replace)
	require.Len(t, p.actions.Delete, 1, "what is too many goes")

	seen.class = &schedulingv1.PriorityClass{Value: -5}
	p = decide(h, seen, placeholder.Defaults{}, priority.Limits{Max: -1, Min: -10, AllowPreempting: true}, anyImage(t))
	require.Nil(t, p.refused)
	require.Len(t, p.actions.Replace, 2)
}
