package ledger

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/table"
	"github.com/headroom-dev/headroom/test/golden"
)

var now = time.Date(2026, time.March, 2, 15, 30, 0, 0, time.UTC)

func consumer(namespace, name, owner string) account.Consumer {
	return account.Consumer{
		NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}, UID: types.UID("uid-" + name), Owner: owner,
	}
}

func stored(t testing.TB, namespace, name string, a *account.Account) v1alpha1.HeadroomAccount {
	t.Helper()
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	object := v1alpha1.HeadroomAccount{Record: record}
	object.Namespace, object.Name = namespace, name
	return object
}

// input has two accounts: takes by two revisions of a Deployment, by a Job, by a preemptor of which only the UID is known, and by one of which
// nothing is.
func input(t testing.TB) Input {
	t.Helper()
	web, batch := account.New(now.Add(-48*time.Hour)), account.New(now.Add(-48*time.Hour))
	take := func(a *account.Account, ago time.Duration, i int, who account.Consumer, how account.How, refilled time.Duration) {
		a.Take(account.Take{
			Time: now.Add(-ago), Placeholder: fmt.Sprintf("headroom-%d", i), UID: types.UID(fmt.Sprint(i)), Node: fmt.Sprintf("node-%d", i),
			How: how, Consumer: who, Refilled: refilled,
		})
	}
	take(web, 3*time.Minute, 1, consumer("shop", "web-7d9f8c-abcde", "ReplicaSet/web-7d9f8c"), account.BySwap, 0)
	take(web, 2*time.Hour, 2, consumer("shop", "web-6c5d4b-fghij", "ReplicaSet/web-6c5d4b"), account.BySwap, 4200*time.Millisecond)
	take(web, 2*time.Hour, 3, consumer("shop", "web-6c5d4b-fghij", "ReplicaSet/web-6c5d4b"), account.BySwap, 95*time.Second)
	take(batch, 26*time.Hour, 4, consumer("ci", "nightly-29384756-x", "Job/nightly-29384756"), account.ByPreemption, 2*time.Minute)
	take(batch, 27*time.Hour, 5, account.Consumer{UID: "f00d"}, account.ByPreemption, time.Minute)
	take(batch, 28*time.Hour, 6, account.Consumer{}, account.ByPreemption, time.Minute)
	event := corev1.Event{Reason: swapevent.Reason, InvolvedObject: corev1.ObjectReference{UID: "uid-web-7d9f8c-abcde"}}
	event.Message = swapevent.Note(swapevent.Swap{
		Placeholders: []types.NamespacedName{{Namespace: "shop", Name: "headroom-1"}}, Node: "node-1",
		Why: "rule 2 Spread: zone a has 4 units of shop/web left, zone b has 2",
	})
	return Input{
		Accounts: []v1alpha1.HeadroomAccount{stored(t, "shop", "web", web), stored(t, "ci", "batch", batch)},
		Events:   []corev1.Event{event, {Reason: "Scheduled"}}, Now: now,
	}
}

func TestTheTextIsTheOneOnRecord(t *testing.T) {
	report := New(input(t))
	for _, width := range []int{0, 40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			text := report.Text(table.Style{Width: width})
			golden.Check(t, fmt.Sprintf("ledger-%d.txt", width), text)
			for _, by := range Groups() {
				summary := report.Summary(by)
				grouped := summary.Text(table.Style{Width: width})
				golden.Check(t, fmt.Sprintf("by-%s-%d.txt", by, width), grouped)
				text += grouped
			}
			for line := range strings.SplitSeq(text, "\n") {
				require.True(t, width == 0 || ansi.StringWidth(line) <= width, "%q", line)
			}
		})
	}
}

func TestTheNewestIsFirstAndOldOnesAreLeftOut(t *testing.T) {
	in := input(t)
	require.Len(t, New(in).Takes, 6)
	in.Since = now.Add(-2 * time.Hour)
	takes := New(in).Takes
	require.Len(t, takes, 3)
	require.Equal(t, "headroom-1", takes[0].Placeholder)
	require.True(t, strings.HasPrefix(takes[0].Rule, "rule 2 Spread: "))
	require.Empty(t, takes[1].Rule, "its event is gone")
	require.Nil(t, takes[0].RefillSeconds)
}

func TestRevisionsAndRunsAreOneWorkload(t *testing.T) {
	report := New(input(t))
	summary := report.Summary(ByWorkload)
	got := map[string]int{}
	for _, group := range summary.Groups {
		got[group.Name] = group.Units
	}
	require.Equal(t, map[string]int{"shop/ReplicaSet/web-*": 3, "ci/Job/nightly-*": 1, "(not known)": 2}, got)
	require.Equal(t, 2, summary.Groups[0].Pods)
	require.InDelta(t, 95, *summary.Groups[0].RefillSeconds, 1e-9)
	for owner, want := range map[string]string{
		"ReplicaSet/web-blue": "ReplicaSet/web-blue", "StatefulSet/db-4567890": "StatefulSet/db-4567890", "Job/build-12": "Job/build-12",
		"Job/nightly-29384756": "Job/nightly-*", "Job/nightly-1617282840": "Job/nightly-*", // minutes, and seconds as CronJobs had once
		"Job/import-2938475": "Job/import-2938475", "Job/import-16172828400": "Job/import-16172828400",
		"ReplicaSet/a-b-7d9f8c5b6": "ReplicaSet/a-b-*",
	} {
		require.Equal(t, want, workload(owner))
	}
}

func TestNineOfTenRefillsTookNoLonger(t *testing.T) {
	for n, want := range map[int]float64{1: 1, 2: 2, 9: 9, 10: 9, 11: 10, 20: 18, 21: 19} {
		a := account.New(now.Add(-time.Hour))
		for i := range n {
			a.Take(account.Take{Time: now.Add(-time.Minute), Placeholder: fmt.Sprint(i), Refilled: time.Duration(i+1) * time.Second, How: account.BySwap})
		}
		report := New(Input{Accounts: []v1alpha1.HeadroomAccount{stored(t, "shop", "web", a)}, Now: now})
		require.InDelta(t, want, *report.Summary(ByHeadroom).Groups[0].RefillSeconds, 1e-9, "of %d", n)
	}
}

func TestTakesThatAreNotListedAreTold(t *testing.T) {
	a := account.New(now.Add(-time.Hour))
	for i := range account.Takes + 7 {
		a.Take(account.Take{Time: now.Add(time.Duration(i-200) * time.Second), Placeholder: fmt.Sprint(i), How: account.BySwap})
	}
	in := Input{Accounts: []v1alpha1.HeadroomAccount{stored(t, "shop", "web", a)}, Now: now}
	require.Equal(t, []string{"shop/web: of 107 units taken since 2026-03-02T14:30:00Z the last 100 are listed"}, New(in).NotListed)
	in.Since = now.Add(-150 * time.Second)
	require.Empty(t, New(in).NotListed, "all of the time asked for are there")
}

func TestAnAccountThatCannotBeReadIsTold(t *testing.T) {
	in := input(t)
	in.Accounts[0].Record.Hours = []byte("no gzip")
	report := New(in)
	require.Len(t, report.NotSeen, 1)
	require.Len(t, report.Takes, 3)
}

func TestCSVHasALineForEachUnit(t *testing.T) {
	report := New(input(t))
	var out strings.Builder
	require.NoError(t, report.CSV(&out))
	records, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 7)
	require.Equal(t, "2026-03-02T15:27:00Z", records[1][0])
	require.Equal(t, "95.000", records[3][11])
	summary := report.Summary(ByNamespace)
	out.Reset()
	require.NoError(t, summary.CSV(&out))
	require.True(t, strings.HasPrefix(out.String(), "namespace,units,pods,refilled,refill_seconds_p90,first,last\nshop,3,2,2,95.000,"), out.String())
}

func TestTheNamespacesOfConsumersAreKnown(t *testing.T) {
	require.Equal(t, []string{"ci", "shop"}, ConsumerNamespaces(input(t).Accounts))
}

func TestTenThousandEventsAreReadOnce(t *testing.T) {
	in := input(t)
	for i := range 10_000 {
		in.Events = append(in.Events, corev1.Event{
			Reason: swapevent.Reason, InvolvedObject: corev1.ObjectReference{UID: types.UID(fmt.Sprint(i))},
			Message: "Took shop/web-headroom-3 on node n: rule 1 Nearest: here",
		})
	}
	report := New(in)
	require.Len(t, report.Takes, 6, "events tell rules; takes come from the account alone")
}

func TestOnlyEventsOfASwapOfTheVeryPodTellItsRule(t *testing.T) {
	in := input(t)
	swap := in.Events[0]
	for name, change := range map[string]func(*corev1.Event){
		"of another reason":      func(e *corev1.Event) { e.Reason = swapevent.ReasonShared },
		"of another pod":         func(e *corev1.Event) { e.InvolvedObject.UID = "uid-web-7d9f8c-other" },
		"that says another word": func(e *corev1.Event) { e.Message = "something" },
		"of no pod":              func(e *corev1.Event) { e.InvolvedObject.UID = "" }, // a take of which the pod is not known is not of it
	} {
		t.Run(name, func(t *testing.T) {
			in.Events = []corev1.Event{*swap.DeepCopy()}
			change(&in.Events[0])
			for _, take := range New(in).Takes {
				require.Empty(t, take.Rule, take.Placeholder)
			}
		})
	}
}

func TestTakesOfOneMomentAreInTheOrderOfNames(t *testing.T) {
	var accounts []v1alpha1.HeadroomAccount
	for _, headroom := range []string{"shop/web", "shop/api", "ci/web"} {
		a := account.New(now.Add(-time.Hour))
		for _, placeholder := range []string{"b", "a"} {
			a.Take(account.Take{Time: now.Add(-time.Minute), Placeholder: placeholder, How: account.BySwap})
		}
		namespace, name, _ := strings.Cut(headroom, "/")
		accounts = append(accounts, stored(t, namespace, name, a))
	}
	report := New(Input{Accounts: accounts, Now: now})
	var order []string
	for _, take := range report.Takes {
		order = append(order, take.Namespace+"/"+take.Headroom+"/"+take.Placeholder)
	}
	require.Equal(t, []string{"ci/web/a", "ci/web/b", "shop/api/a", "shop/api/b", "shop/web/a", "shop/web/b"}, order)
	var groups []string
	for _, group := range report.Summary(ByHeadroom).Groups {
		groups = append(groups, group.Name)
	}
	require.Equal(t, []string{"ci/web", "shop/api", "shop/web"}, groups, "each of them took two")
}

func TestASummarySaysAllThatTheLedgerKnowsOfAGroup(t *testing.T) {
	report := New(input(t))
	report.NotListed, report.NotSeen = []string{"not listed"}, []string{"not seen"}
	summary := report.Summary(ByHeadroom)
	require.Equal(t, report.NotListed, summary.NotListed)
	require.Equal(t, report.NotSeen, summary.NotSeen)
	p90 := 95.0
	require.Equal(t, Group{
		Name: "shop/web", Units: 3, Pods: 2, Refilled: 2, RefillSeconds: &p90,
		First: now.Add(-2 * time.Hour), Last: now.Add(-3 * time.Minute),
	}, group(t, &summary, "shop/web"))
	byNamespace := report.Summary(ByNamespace)
	require.Equal(t, 2, group(t, &byNamespace, "(not known)").Units)
	report.Takes[0].Owner = ""
	byWorkload := report.Summary(ByWorkload)
	require.Equal(t, 1, group(t, &byWorkload, "shop/Pod/web-7d9f8c-abcde").Units, "a pod that nothing controls")
}

func group(t *testing.T, summary *Summary, name string) Group {
	t.Helper()
	for _, one := range summary.Groups {
		if one.Name == name {
			one.First, one.Last = one.First.UTC(), one.Last.UTC()
			return one
		}
	}
	t.Fatalf("there is no group %s", name)
	return Group{}
}

func TestTheTimeOfTheOldestTakeIsAllThatWasAskedFor(t *testing.T) {
	a := account.New(now.Add(-time.Hour))
	for i := range account.Takes {
		a.Take(account.Take{Time: now.Add(time.Duration(i-200) * time.Second), Placeholder: fmt.Sprint(i), How: account.BySwap})
	}
	in := Input{Accounts: []v1alpha1.HeadroomAccount{stored(t, "shop", "web", a)}, Now: now}
	require.Empty(t, New(in).NotListed, "as many as are remembered")
	a.Take(account.Take{Time: now, Placeholder: "one more", How: account.BySwap})
	in.Accounts = []v1alpha1.HeadroomAccount{stored(t, "shop", "web", a)}
	in.Since = a.Takes()[0].Time
	require.Len(t, New(in).NotListed, 1, "another one may have been of this moment")
	in.Since = in.Since.Add(time.Second)
	require.Empty(t, New(in).NotListed)
}

func TestATakeIsToldInEveryColumn(t *testing.T) {
	report := New(input(t))
	var out strings.Builder
	require.NoError(t, report.CSV(&out))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, "time,namespace,headroom,placeholder,node,consumer_namespace,consumer,consumer_uid,owner,how,rule,refill_seconds", lines[0])
	require.Equal(t, "2026-03-02T15:27:00Z,shop,web,headroom-1,node-1,shop,web-7d9f8c-abcde,uid-web-7d9f8c-abcde,ReplicaSet/web-7d9f8c,Swap,"+
		`"rule 2 Spread: zone a has 4 units of shop/web left, zone b has 2",`, lines[1])
	summary := report.Summary(ByHeadroom)
	out.Reset()
	require.NoError(t, summary.CSV(&out))
	require.Contains(t, out.String(), "shop/web,3,2,2,95.000,2026-03-02T13:30:00Z,2026-03-02T15:27:00Z\n")
	require.Contains(t, report.Text(table.Style{Width: 200, Color: true}), "\x1b[33mnot yet\x1b")
}

func TestAnEmptyLedgerHasNoText(t *testing.T) {
	report := New(Input{Now: now})
	summary := report.Summary(ByHeadroom)
	require.Empty(t, report.Text(table.Style{}))
	require.Empty(t, summary.Text(table.Style{}))
	require.NotNil(t, report.Takes, "JSON has an empty list")
	require.NotNil(t, summary.Groups)
}

func TestTimesAreNeverNegativeAndShortOnesHaveTenths(t *testing.T) {
	for s, want := range map[float64]string{0.04: "0.0s", 9.94: "9.9s", 10: "10s", 95: "95s"} {
		require.Equal(t, want, seconds(s))
	}
	in := input(t)
	in.Now = now.Add(-time.Hour)
	report := New(in)
	summary := report.Summary(ByHeadroom)
	require.True(t, strings.HasPrefix(strings.Split(report.Text(table.Style{Width: 200}), "\n")[1], "0s "), "a clock that is behind")
	require.Contains(t, summary.Text(table.Style{Width: 200}), " 0s ago")
}
