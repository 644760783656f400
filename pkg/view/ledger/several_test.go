package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

func TestEachAccountThatCannotBeReadIsTold(t *testing.T) {
	in := input(t)
	for i := range in.Accounts {
		in.Accounts[i].Record.Hours = []byte("no gzip")
	}
	report := New(in)
	require.Len(t, report.NotSeen, 2)
	require.Contains(t, report.NotSeen[0], "the account of shop/web cannot be read: ")
	require.Contains(t, report.NotSeen[1], "the account of ci/batch cannot be read: ")
	require.Empty(t, report.Takes)
}

// TestWhatIsNotListedIsInTheOrderOfNames, and says of each Headroom its own numbers.
func TestWhatIsNotListedIsInTheOrderOfNames(t *testing.T) {
	var accounts []v1alpha1.HeadroomAccount
	for more, name := range []string{"web", "api"} {
		a := account.New(now.Add(-time.Hour))
		for i := range account.Takes + more + 1 {
			a.Take(account.Take{Time: now.Add(time.Duration(i-200) * time.Second), Placeholder: fmt.Sprint(i), How: account.BySwap})
		}
		accounts = append(accounts, stored(t, "shop", name, a))
	}
	require.Equal(t, []string{
		"shop/api: of 102 units taken since 2026-03-02T14:30:00Z the last 100 are listed",
		"shop/web: of 101 units taken since 2026-03-02T14:30:00Z the last 100 are listed",
	}, New(Input{Accounts: accounts, Now: now}).NotListed)
}

func TestRulesAreThoseOfAllSwapEvents(t *testing.T) {
	in := input(t)
	other := *in.Events[0].DeepCopy()
	other.InvolvedObject.UID = "uid-web-6c5d4b-fghij"
	other.Message = "Took shop/headroom-2 on node node-2: rule 1 Nearest: here"
	of := func(events ...corev1.Event) []string {
		in.Events = events
		var rules []string
		for _, take := range New(in).Takes {
			if take.Rule != "" {
				rules = append(rules, ruleName(take.Rule))
			}
		}
		return rules
	}
	first := in.Events[0]
	noise := corev1.Event{Reason: "Scheduled", InvolvedObject: corev1.ObjectReference{UID: first.InvolvedObject.UID}}
	torn := *first.DeepCopy()
	torn.Message = "Took"
	noPod := corev1.Event{Reason: swapevent.Reason, Message: first.Message}
	want := []string{"rule 2 Spread", "rule 1 Nearest", "rule 1 Nearest"}
	require.Equal(t, want, of(noise, noPod, torn, first, noise, other), "whatever events stand before and between")
	require.Equal(t, want, of(other, noise, first, torn, noPod), "in any order")
}

func TestARefillOfLessThanASecondIsOne(t *testing.T) {
	a := account.New(now.Add(-time.Hour))
	for i, refilled := range []time.Duration{0, time.Millisecond, 400 * time.Millisecond} {
		a.Take(account.Take{Time: now.Add(-time.Minute), Placeholder: fmt.Sprint(i), Refilled: refilled, How: account.BySwap})
	}
	report := New(Input{Accounts: []v1alpha1.HeadroomAccount{stored(t, "shop", "web", a)}, Now: now})
	require.Nil(t, report.Takes[0].RefillSeconds, "it was not refilled")
	require.NotNil(t, report.Takes[1].RefillSeconds)
	text := report.Text(table.Style{Width: 200})
	require.Contains(t, text, "0.0s")
	require.Contains(t, text, "0.4s")
	require.Equal(t, 2, report.Summary(ByHeadroom).Groups[0].Refilled)
}

// TestPodsOfOneNameInTwoNamespacesAreTwo, and one that took several units is one.
func TestPodsOfOneNameInTwoNamespacesAreTwo(t *testing.T) {
	report := Report{now: now, Takes: []Take{
		{Namespace: "shop", Headroom: "web", ConsumerNamespace: "shop", Consumer: "a"},
		{Namespace: "shop", Headroom: "web", ConsumerNamespace: "ci", Consumer: "a"},
		{Namespace: "shop", Headroom: "web", ConsumerNamespace: "ci", Consumer: "a"},
		{Namespace: "shop", Headroom: "web", ConsumerUID: "u"}, {Namespace: "shop", Headroom: "web", ConsumerUID: "v"},
		{Namespace: "ci", Headroom: "web", ConsumerNamespace: "ci", Consumer: "a"},
	}}
	groups := report.Summary(ByHeadroom).Groups
	require.Len(t, groups, 2, "nor are Headrooms of one name one")
	require.Equal(t, []int{5, 4, 0}, []int{groups[0].Units, groups[0].Pods, groups[0].Refilled})
	require.Nil(t, groups[0].RefillSeconds)
	names := []string{}
	for _, group := range report.Summary(ByNamespace).Groups {
		names = append(names, fmt.Sprint(group.Name, ":", group.Units))
	}
	require.True(t, slices.Equal([]string{"ci:3", "(not known):2", "shop:1"}, names), names)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestCSVThatCannotBeWrittenIsAnError(t *testing.T) {
	report := New(input(t))
	require.EqualError(t, report.CSV(full{}), "no space left")
	summary := report.Summary(ByHeadroom)
	require.EqualError(t, summary.CSV(full{}), "no space left")
}
