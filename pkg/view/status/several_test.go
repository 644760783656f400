package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

func TestEachHeadroomIsToldOfItsOwnAccount(t *testing.T) {
	first, second := accountWith(t, account.Consumer{}, time.Hour), accountWith(t, account.Consumer{}, 2*time.Hour, time.Hour)
	second.Namespace = "ci"
	taken := func(accounts ...v1alpha1.HeadroomAccount) map[string]int {
		found := map[string]int{}
		for _, h := range New(Input{
			Headrooms: []v1alpha1.Headroom{
				headroom("shop", "web", v1alpha1.HeadroomStatus{}), headroom("ci", "web", v1alpha1.HeadroomStatus{}),
				headroom("ci", "api", v1alpha1.HeadroomStatus{}),
			},
			Accounts: accounts, AccountsSeen: true, Now: now,
		}).Headrooms {
			require.NotNil(t, h.Lately, "without an account nothing was taken, which is known")
			found[h.Namespace+"/"+h.Name] = h.Lately.Taken
		}
		return found
	}
	require.Equal(t, map[string]int{"shop/web": 1, "ci/web": 2, "ci/api": 0}, taken(first, second))
	require.Equal(t, map[string]int{"shop/web": 1, "ci/web": 2, "ci/api": 0}, taken(second, first))
	require.Equal(t, map[string]int{"shop/web": 0, "ci/web": 0, "ci/api": 0}, taken())
}

func TestEachAccountThatCannotBeReadIsTold(t *testing.T) {
	in := input(t)
	other := *in.Accounts[0].DeepCopy()
	other.Namespace, other.Name = "ci", "runners"
	in.Accounts = append(in.Accounts, other)
	for i := range in.Accounts {
		in.Accounts[i].Record.Hours = []byte("no gzip")
	}
	report := New(in)
	require.Len(t, report.NotSeen, 2)
	require.Contains(t, report.NotSeen[0], "the account of shop/web cannot be read: ")
	require.Contains(t, report.NotSeen[1], "the account of ci/runners cannot be read: ")
	for _, h := range report.Headrooms {
		require.Equal(t, h.Name == "web" || h.Name == "runners", h.Lately == nil, h.Name)
	}
}

func TestAUnitIsAsLargeAsThePodsOfItsWorkload(t *testing.T) {
	h := headroom("shop", "web", v1alpha1.HeadroomStatus{}, valid, filled)
	require.Equal(t, "cpu=1,memory=2Gi", New(Input{Headrooms: []v1alpha1.Headroom{h}, Now: now}).Headrooms[0].unit())
	h.Spec.Requests, h.Spec.ShapeFrom = nil, &v1alpha1.WorkloadReference{}
	h.Status.Shape = &v1alpha1.ShapeStatus{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}}
	report := New(Input{Headrooms: []v1alpha1.Headroom{h}, Now: now})
	require.Equal(t, "cpu=3", report.Headrooms[0].unit())
	require.Contains(t, report.Text(Layout{Wide: true}, table.Style{Width: 40}), "  cpu=3  ")
}

func TestJSONHasListsWhereNothingIsHeldOrTaken(t *testing.T) {
	report := New(Input{Headrooms: []v1alpha1.Headroom{headroom("shop", "web", v1alpha1.HeadroomStatus{})}, AccountsSeen: true, Now: now})
	text, err := json.Marshal(report)
	require.NoError(t, err)
	require.Contains(t, string(text), `"held":[]`)
	require.Contains(t, string(text), `"takes":[]`)
}

func TestADomainWithoutReadyUnitsIsToldToo(t *testing.T) {
	h := headroom("shop", "web", v1alpha1.HeadroomStatus{Spread: v1alpha1.SpreadStatus{
		TopologyKey: corev1.LabelTopologyZone, Domains: []v1alpha1.DomainStatus{{Name: "a"}, {Name: "b", ReadyReplicas: 2}},
	}}, valid, filled)
	one := headroomOf(&h)
	require.Equal(t, "a:0 b:2", one.HeldText())
	require.Equal(t, corev1.LabelTopologyZone, one.TopologyKey)
}

// TestEachNumberIsThatOfTheStatus: no two of them are alike.
func TestEachNumberIsThatOfTheStatus(t *testing.T) {
	h := headroom("shop", "web", v1alpha1.HeadroomStatus{
		DesiredReplicas: 20, ReadyReplicas: 7, UnavailableReplicas: 4, PendingReplicas: 5, ParkedReplicas: 2, OutdatedReplicas: 3,
	}, valid, filled)
	one := headroomOf(&h)
	require.Equal(t, []int32{20, 7, 4, 9, 2, 3}, []int32{one.Wanted, one.Ready, one.Unavailable, one.Missing, one.Parked, one.Outdated})
	require.Equal(t, "9 missing, 2 parked, 4 unavailable, 3 outdated. ", one.counts())
	require.Equal(t, "1 missing. ", (&Headroom{Missing: 1}).counts())
	require.Empty(t, (&Headroom{Wanted: 3, Ready: 3}).counts())
	report := New(Input{Headrooms: []v1alpha1.Headroom{h}, Now: now})
	lines := strings.Split(report.Text(Layout{}, table.Style{}), "\n")
	require.Equal(t, []string{"web", "20", "7", "9", "4", "3"}, strings.Fields(lines[1])[:6])
}

// TestWhyStandsBesideIfTheWholeTableFits, to the very column, and else below each Headroom that has something to say.
func TestWhyStandsBesideIfTheWholeTableFits(t *testing.T) {
	unfilled := condition(v1alpha1.ConditionFilled, metav1.ConditionFalse, v1alpha1.ReasonToppingUp, "Units are made.")
	report := New(Input{Now: now, Headrooms: []v1alpha1.Headroom{
		headroom("shop", "web", v1alpha1.HeadroomStatus{DesiredReplicas: 1, ReadyReplicas: 1}, valid, unfilled),
		headroom("shop", "zoo", v1alpha1.HeadroomStatus{DesiredReplicas: 1, ReadyReplicas: 1}, valid, filled),
	}})
	pipe := report.Text(Layout{}, table.Style{})
	width := len(strings.Split(pipe, "\n")[1])
	require.Equal(t, pipe, report.Text(Layout{}, table.Style{Width: width}))
	below := report.Text(Layout{}, table.Style{Width: width - 1})
	require.NotContains(t, below, "WHY")
	require.Equal(t, 1, strings.Count(below, "\n  "))
	require.Contains(t, below, "\n  ToppingUp: Units are made.\n", "nothing is counted that is not missing")
	require.Equal(t, pipe, report.Text(Layout{}, table.Style{Width: 300}))
}

func TestOnlyAFullHeadroomIsGreen(t *testing.T) {
	for _, reason := range []string{reasonNotSeen, v1alpha1.ReasonWaitingForRoom, v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonUnavailable, ""} {
		require.Equal(t, table.Warn, (&Headroom{Reason: reason}).color(), reason)
	}
}

func TestWhatStandsBelowHasTheColorOfItsHeadroom(t *testing.T) {
	report := New(input(t))
	text := report.Text(Layout{}, table.Style{Width: 80, Color: true})
	require.Regexp(t, "\n  \x1b\\[33m3 missing. QuotaExceeded: ", text)
}
