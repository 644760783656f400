package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/table"
	"github.com/headroom-dev/headroom/test/golden"
)

var now = time.Date(2026, time.March, 2, 15, 30, 0, 0, time.UTC)

func headroom(namespace, name string, status v1alpha1.HeadroomStatus, conditions ...metav1.Condition) v1alpha1.Headroom {
	h := v1alpha1.Headroom{}
	h.Namespace, h.Name, h.Generation = namespace, name, 2
	h.Spec.Replicas = ptr.To[int32](7)
	h.Spec.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("2Gi"),
	}
	h.Status = status
	h.Status.Conditions = conditions
	if len(conditions) > 0 {
		h.Status.ObservedGeneration = 2
	}
	return h
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

var (
	valid  = condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonValid, "The spec is valid.")
	filled = condition(v1alpha1.ConditionFilled, metav1.ConditionTrue, v1alpha1.ReasonFilled, "Every unit can be taken.")
)

// input has a Headroom that is full, one that lacks units, one that is refused and one that the controller has not seen.
func input(t testing.TB) Input {
	t.Helper()
	zones := v1alpha1.SpreadStatus{TopologyKey: corev1.LabelTopologyZone, Domains: []v1alpha1.DomainStatus{
		{Name: "eu-1a", ReadyReplicas: 4}, {Name: "eu-1b", ReadyReplicas: 2},
	}}
	return Input{
		Headrooms: []v1alpha1.Headroom{
			headroom("shop", "web", v1alpha1.HeadroomStatus{
				DesiredReplicas: 12, ReadyReplicas: 6, UnavailableReplicas: 1, PendingReplicas: 5, OutdatedReplicas: 1, Spread: zones,
			}, valid, condition(v1alpha1.ConditionFilled, metav1.ConditionFalse, v1alpha1.ReasonWaitingForRoom,
				"5 units wait: 0/12 nodes are available: 12 Insufficient cpu.")),
			headroom("ci", "runners", v1alpha1.HeadroomStatus{DesiredReplicas: 6, ReadyReplicas: 6, Spread: zones}, valid, filled),
			headroom("shop", "functions", v1alpha1.HeadroomStatus{DesiredReplicas: 3},
				condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded,
					"The ResourceQuota compute of the namespace leaves no room for 3 units.\x1b[2J"),
				condition(v1alpha1.ConditionFilled, metav1.ConditionFalse, v1alpha1.ReasonNotReady, "Ready says why.")),
			headroom("shop", "new", v1alpha1.HeadroomStatus{}),
		},
		Accounts: []v1alpha1.HeadroomAccount{accountOf(t)}, AccountsSeen: true, Now: now,
	}
}

// accountOf is that of shop/web: 1 unit taken two days ago, 2 taken and 3 lacked in the last 24 hours.
func accountOf(t testing.TB) v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(now.Add(-72 * time.Hour))
	for i, ago := range []time.Duration{48 * time.Hour, 24*time.Hour + 20*time.Minute, 3 * time.Minute} {
		a.Take(account.Take{
			Time: now.Add(-ago), Placeholder: fmt.Sprintf("web-headroom-%d", i), UID: types.UID(fmt.Sprint(i)), Node: "node-1", How: account.BySwap,
			Consumer: account.Consumer{
				NamespacedName: types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("web-7d9f8c-%d", i)}, Owner: "ReplicaSet/web-7d9f8c",
			},
		})
	}
	a.Miss(account.MissNoneReady, 3, now.Add(-time.Hour))
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = "shop", "web"
	return stored
}

func TestUnitsThatAreParkedAreTold(t *testing.T) {
	report := New(Input{Now: now, Headrooms: []v1alpha1.Headroom{headroom("shop", "web", v1alpha1.HeadroomStatus{
		DesiredReplicas: 9, ReadyReplicas: 4, PendingReplicas: 1, ParkedReplicas: 4,
	}, valid, condition(v1alpha1.ConditionFilled, metav1.ConditionFalse, v1alpha1.ReasonAtCeiling, "no room"))}})
	require.EqualValues(t, 5, report.Headrooms[0].Missing)
	require.EqualValues(t, 4, report.Headrooms[0].Parked)
	require.Contains(t, report.Text(Layout{}, table.Style{Width: 80}), "5 missing, 4 parked. AtCeiling: no room")
}

func TestTheTextIsTheOneOnRecord(t *testing.T) {
	report := New(input(t))
	for _, width := range []int{0, 40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			text := report.Text(Layout{Namespaces: true}, table.Style{Width: width})
			golden.Check(t, fmt.Sprintf("status-%d.txt", width), text)
			require.NotContains(t, text, "\x1b")
			for line := range strings.SplitSeq(text, "\n") {
				require.True(t, width == 0 || ansi.StringWidth(line) <= width, "%q", line)
			}
			colored := report.Text(Layout{Namespaces: true}, table.Style{Width: width, Color: true})
			require.Equal(t, text, ansi.Strip(colored), "colors move nothing, and nothing depends on them")
		})
	}
	t.Run("wide", func(t *testing.T) {
		golden.Check(t, "status-wide.txt", report.Text(Layout{Namespaces: true, Wide: true}, table.Style{Width: 40}))
	})
}

func TestTheNumbersOfAHeadroomAddUp(t *testing.T) {
	report := New(input(t))
	require.Len(t, report.Headrooms, 4)
	names := []string{}
	for _, h := range report.Headrooms {
		names = append(names, h.Namespace+"/"+h.Name)
		require.Equal(t, h.Wanted, h.Ready+h.Unavailable+h.Missing)
	}
	require.Equal(t, []string{"ci/runners", "shop/functions", "shop/new", "shop/web"}, names)
	require.EqualValues(t, 7, report.Headrooms[2].Missing, "what the controller has not seen is wanted all the same")
}

func TestLatelyIsTwentyFourHoursToTheHour(t *testing.T) {
	report := New(input(t))
	web := report.Headrooms[3]
	require.Equal(t, 2, web.Lately.Taken, "20 minutes more than 24 hours ago is in the hour that counts, 48 hours ago is not")
	require.Equal(t, 3, web.Lately.Lacked)
	require.Len(t, web.Lately.Takes, 3)
	require.Equal(t, "shop/web-7d9f8c-2", web.Lately.Takes[0].Consumer, "the newest first")
	require.Zero(t, report.Headrooms[0].Lately.Taken, "no account yet means that nothing was taken")
}

func TestWithoutAccountsNothingIsSaidOfTakes(t *testing.T) {
	in := input(t)
	in.Accounts, in.AccountsSeen = nil, false
	report := New(in)
	require.Nil(t, report.Headrooms[3].Lately)
	require.Contains(t, report.Text(Layout{}, table.Style{}), "?")
	in = input(t)
	in.Accounts[0].Record.Hours = []byte("no gzip")
	report = New(in)
	require.Nil(t, report.Headrooms[3].Lately)
	require.Len(t, report.NotSeen, 1)
	require.Contains(t, report.NotSeen[0], "the account of shop/web cannot be read: ")
}

func TestAChangeThatTheControllerHasNotSeenIsTold(t *testing.T) {
	in := input(t)
	in.Headrooms = in.Headrooms[1:2]
	in.Headrooms[0].Generation = 3
	require.Contains(t, New(in).Headrooms[0].Why, "has not seen the last change of the spec yet")
}

func TestNoHeadroomsMakeNoText(t *testing.T) {
	report := New(Input{Now: now})
	require.Empty(t, report.Text(Layout{}, table.Style{Width: 80}))
	require.NotNil(t, report.Headrooms, "JSON has an empty list")
}

// accountWith is the account of shop/web of which pods took a unit so long ago each time, the oldest first.
func accountWith(t *testing.T, consumer account.Consumer, ago ...time.Duration) v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(now.Add(-72 * time.Hour))
	for i, d := range ago {
		a.Take(account.Take{Time: now.Add(-d), Placeholder: fmt.Sprint(i), UID: types.UID(fmt.Sprint(i)), Node: fmt.Sprint("node-", i), Consumer: consumer})
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = "shop", "web"
	return stored
}

func TestTheHourInWhichTheDayBeganCountsAsAWhole(t *testing.T) {
	in := input(t)
	in.Accounts = []v1alpha1.HeadroomAccount{accountWith(t, account.Consumer{}, 24*time.Hour+31*time.Minute, 24*time.Hour+30*time.Minute, time.Hour)}
	require.Equal(t, 2, New(in).Headrooms[3].Lately.Taken, "from 15:00 on")
}

func TestTheLastFiveTakesAreTold(t *testing.T) {
	in := input(t)
	ago := []time.Duration{7 * time.Minute, 6 * time.Minute, 5 * time.Minute, 4 * time.Minute, 3 * time.Minute, 2 * time.Minute}
	in.Accounts = []v1alpha1.HeadroomAccount{accountWith(t, account.Consumer{UID: "u"}, ago...)}
	var nodes []string
	for _, take := range New(in).Headrooms[3].Lately.Takes {
		nodes = append(nodes, take.Node)
		require.Equal(t, "the pod with UID u", take.Consumer)
	}
	require.Equal(t, []string{"node-5", "node-4", "node-3", "node-2", "node-1"}, nodes)
	require.Equal(t, "a pod that is not known", consumerOf(&account.Consumer{}))
}

func TestAnAccountIsThatOfTheHeadroomOfItsNamespace(t *testing.T) {
	in := input(t)
	in.Accounts[0].Namespace = "ci"
	require.Zero(t, New(in).Headrooms[3].Lately.Taken)
}

func TestWhatKeepsAHeadroomFromBeingFull(t *testing.T) {
	unfilled := condition(v1alpha1.ConditionFilled, metav1.ConditionUnknown, v1alpha1.ReasonToppingUp, "Units are made.")
	refused := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec, "The spec is wrong.")
	for name, tc := range map[string]struct {
		conditions   []metav1.Condition
		observed     int64
		reason, want string
	}{
		"nothing":                           {observed: 2, conditions: []metav1.Condition{valid, filled}, reason: v1alpha1.ReasonFilled},
		"it is refused":                     {observed: 2, conditions: []metav1.Condition{refused, unfilled}, reason: v1alpha1.ReasonInvalidSpec, want: "The spec is wrong."},
		"units are made":                    {observed: 2, conditions: []metav1.Condition{valid, unfilled}, reason: v1alpha1.ReasonToppingUp, want: "Units are made."},
		"nobody looked whether it is full":  {observed: 2, conditions: []metav1.Condition{valid}, reason: "NotSeen", want: "headroom-controller has not looked at it yet: is it running?"},
		"nobody looked whether it is valid": {observed: 2, conditions: []metav1.Condition{filled}, reason: "NotSeen", want: "headroom-controller has not looked at it yet: is it running?"},
		"nobody saw the last change": {
			observed: 1, conditions: []metav1.Condition{valid, filled}, reason: "NotSeen",
			want: "headroom-controller has not seen the last change of the spec yet: is it running?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := headroom("shop", "web", v1alpha1.HeadroomStatus{DesiredReplicas: 3}, tc.conditions...)
			h.Status.ObservedGeneration = tc.observed
			one := headroomOf(&h)
			require.Equal(t, tc.reason, one.Reason)
			require.Equal(t, tc.want, one.Why)
			require.EqualValues(t, 3, one.Wanted, "what the controller said when it looked last")
		})
	}
}

func TestMoreThanIsWantedMissesNothing(t *testing.T) {
	h := headroom("shop", "web", v1alpha1.HeadroomStatus{DesiredReplicas: 3, ReadyReplicas: 4, UnavailableReplicas: 1}, valid, filled)
	require.Zero(t, headroomOf(&h).Missing)
}

func TestTheColorOfReadySaysWhetherUnitsCanBeTaken(t *testing.T) {
	for want, ready := range map[table.Color][]int32{table.Good: {3, 4}, table.Strong: {1, 2}, table.Bad: {0}} {
		for _, n := range ready {
			require.Equal(t, want, readyColor(&Headroom{Wanted: 3, Ready: n}), n)
		}
	}
	require.Equal(t, table.Good, readyColor(&Headroom{}), "nothing is wanted")
	require.Equal(t, table.Plain, number(0, table.Warn)[0].Color, "zero does not stand out")
	require.Equal(t, table.Warn, number(1, table.Warn)[0].Color)
	require.Equal(t, table.Bad, number(0, table.Bad)[0].Color)
	require.Equal(t, table.Good, (&Headroom{Reason: v1alpha1.ReasonFilled}).color())
	require.Equal(t, table.Warn, (&Headroom{Reason: v1alpha1.ReasonToppingUp}).color())
}

func TestUnitsOfNoDomainAndTakesOfTheFutureAreTold(t *testing.T) {
	require.Equal(t, "(none):2 a:1", (&Headroom{Held: []Domain{{Ready: 2}, {Name: "a", Ready: 1}}}).HeldText())
	report := Report{now: now}
	require.Equal(t, "shop/web 0s ago", report.by(&Account{Takes: []Take{{Consumer: "shop/web", Time: now.Add(time.Minute)}}}))
	require.Empty(t, report.by(&Account{}))
}
