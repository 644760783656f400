package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

// pageOf is the page as a text.
func pageOf(t *testing.T, in *Input) string {
	t.Helper()
	page, err := Page(in)
	require.NoError(t, err)
	return string(page)
}

// sectionOf is what the page says of one Headroom below its heading.
func sectionOf(t *testing.T, page, headroom string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "<h3>"+headroom+" ")
	require.True(t, ok, "there is no section of %s", headroom)
	section, _, _ := strings.Cut(after, "<h")
	return section
}

func encoded(t *testing.T, namespace, name string, a *account.Account) v1alpha1.HeadroomAccount {
	t.Helper()
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = namespace, name
	return stored
}

func TestTheCardsAreTheSumsOfAllHeadrooms(t *testing.T) {
	in := &Input{Now: now, Days: 7, Status: status.Report{Headrooms: []status.Headroom{
		{Namespace: "shop", Name: "a", Wanted: 3, Ready: 5, Reason: v1alpha1.ReasonFilled, Lately: &status.Account{Taken: 2, Lacked: 4}},
		{Namespace: "shop", Name: "b", Wanted: 9, Ready: 1, Reason: v1alpha1.ReasonToppingUp, Lately: &status.Account{Taken: 8, Lacked: 16}},
		{Namespace: "ci", Name: "a", Wanted: 4, Ready: 4, Reason: v1alpha1.ReasonRollingOut},
		{Namespace: "ci", Name: "c", Wanted: 0, Ready: 0, Reason: v1alpha1.ReasonFilled, Lately: &status.Account{}},
	}}}
	page := pageOf(t, in)
	var cards []string
	for _, found := range regexp.MustCompile(`<div class="big">([^<]*)</div><div class="what">([^<]*)<`).FindAllStringSubmatch(page, -1) {
		cards = append(cards, found[1]+" "+found[2])
	}
	require.Equal(t, []string{
		"10 of 16 units can be taken", "2 of 4 Headrooms are not full", "10 units taken in the last 24 hours",
		"20 units lacked in the last 24 hours",
	}, cards)
	require.Contains(t, page, ">RollingOut: ", "a Headroom with as many units as it wants may not be full all the same")
}

func TestThePageSaysOfHowManyDaysItIs(t *testing.T) {
	for days, want := range map[int]string{
		0: "the 1 days before", 7: "the 7 days before", account.Days + 5: fmt.Sprintf("the %d days before", account.Days),
	} {
		in := example(t)
		in.Days = days
		require.Contains(t, pageOf(t, in), want)
	}
}

func TestEachHeadroomIsToldOfItsOwnAccount(t *testing.T) {
	in := example(t)
	quiet := account.New(now.Add(-48 * time.Hour))
	quiet.Observe(now.Add(-time.Hour), 3)
	web := status.Headroom{Namespace: "ci", Name: "web", Lately: &status.Account{}}
	torn := status.Headroom{Namespace: "ci", Name: "torn", Lately: &status.Account{}}
	in.Status.Headrooms = append(in.Status.Headrooms, web, torn)
	unreadable := encoded(t, "ci", "torn", quiet)
	unreadable.Record.Hours = []byte("no gzip")
	in.Accounts = append(in.Accounts, encoded(t, "ci", "web", quiet), unreadable)
	page := pageOf(t, in)
	busy := sectionOf(t, page, "shop/web")
	require.Contains(t, busy, "<dt>waiting saved, an estimate</dt>")
	require.Contains(t, busy, "<dt>nine of ten refills within</dt>")
	require.Contains(t, busy, "<dd>shop/web-7d9f8c-abcde on node-1</dd>")
	same := sectionOf(t, page, "ci/web")
	require.Contains(t, same, "<dt>ready at least</dt><dd>3</dd>")
	for _, unknown := range []string{"waiting saved", "nine of ten", "no unit served", "costs a month", "abcde"} {
		require.NotContains(t, same, unknown)
	}
	for _, without := range []string{"ci/torn", "ci/runners"} {
		section := sectionOf(t, page, without)
		require.Contains(t, section, "Its account could not be looked at, or is not there yet.")
		require.NotContains(t, section, "<svg")
	}
}

func TestCostsAreSummedOverTheHeadroomsOfWhichTheyAreKnown(t *testing.T) {
	in := example(t)
	cost, spare, other, nothing := 120.0, 30.0, 7.5, 0.0
	in.Advice = []advice.Advice{
		{Namespace: "shop", Name: "web", Cost: &cost, Spare: &spare}, {Namespace: "ci", Name: "runners", Cost: &other, Spare: &nothing},
		{Namespace: "ci", Name: "gone", Cost: &cost, Spare: &spare},
	}
	in.Accounts = append(in.Accounts, encoded(t, "ci", "runners", account.New(now)))
	page := pageOf(t, in)
	require.Contains(t, page, "What is asked for costs about 127.50 a month, of which 30.00 for units that were not needed.")
	runners := sectionOf(t, page, "ci/runners")
	require.Contains(t, runners, "<dt>costs a month</dt><dd>7.50</dd>")
	require.Contains(t, runners, "<dt>of which not needed</dt><dd>0.00</dd>", "nothing that was not needed is known to be so")
}

func TestPodsThatWereMissedAreToldByReason(t *testing.T) {
	require.Equal(t, "2 none_ready, 1 too_small", missed(map[account.Miss]int{account.MissTooSmall: 1, account.MissNoneReady: 2}))
	require.Equal(t, "1 too_small", missed(map[account.Miss]int{account.MissTooSmall: 1, account.MissNoneReady: 0}))
	require.Empty(t, missed(nil))
}

func TestTimesOnThePageAreNeverNegative(t *testing.T) {
	require.Equal(t, "0s ago", ago(now, now.Add(time.Minute)))
	require.Equal(t, "0s ago", ago(now, now))
	require.Equal(t, "90s ago", ago(now, now.Add(-90*time.Second)))
}

func TestAWorkloadSaysWhenItTookLast(t *testing.T) {
	in := example(t)
	in.Ledger = ledger.Report{Takes: []ledger.Take{
		{Time: now.Add(-time.Hour), ConsumerNamespace: "shop", Consumer: "a", Owner: "Job/x"},
		{Time: now.Add(-9 * time.Hour), ConsumerNamespace: "shop", Consumer: "b", Owner: "Job/x"},
	}}
	require.Contains(t, pageOf(t, in), `<th scope="row">shop/Job/x</th><td>2</td><td>2</td><td>0</td><td>-</td><td>60m ago</td>`)
}

func TestTheZonesAreOfTheResourceThatWasCounted(t *testing.T) {
	in := example(t)
	in.Nodes.Resource = corev1.ResourceMemory
	require.Contains(t, pageOf(t, in), "Of memory:")
	in.Nodes = nil
	require.NotContains(t, pageOf(t, in), "Room in each zone")
}

func TestTheTopOfAnAxisIsTheNextOfFewNumbers(t *testing.T) {
	for most, want := range map[int]int{
		1: 2, 2: 2, 3: 4, 4: 4, 5: 6, 6: 6, 7: 8, 8: 8, 9: 10, 10: 10, 11: 20, 20: 20, 21: 40, 99: 100, 100: 100, 101: 200, 601: 800, 801: 1000,
	} {
		require.Equal(t, want, niceTop(most), most)
	}
}

func TestAnAxisHasRoomForWhatWasTakenAndLackedTogether(t *testing.T) {
	for name, one := range map[string]hour{
		"taken and lacked": {taken: 3, lacked: 3, lowest: -1}, "ready": {taken: 1, lowest: 6}, "lacked alone": {lacked: 6, lowest: 0},
	} {
		drawn := plot(&history{hours: []hour{{lowest: 1}, one, {lowest: 1}}}, now, 344, 134)
		text := drawn.SVG("")
		require.Contains(t, text, ">6</text>", name)
		require.NotContains(t, text, `y="-`, "nothing is drawn above it")
	}
}

func TestTheFirstDayHasADateAndThenEveryOtherOfTwoWeeks(t *testing.T) {
	dates := func(hours int) []string {
		out := drawing.Drawing{}
		days(&out, now, hours, func(i int) float64 { return float64(i) }, 100)
		var found []string
		for _, one := range regexp.MustCompile(`>([A-Z][a-z]{2} [0-9]+)<`).FindAllStringSubmatch(out.SVG(""), -1) {
			found = append(found, one[1])
		}
		return found
	}
	require.Equal(t, []string{"Mar 8", "Mar 9"}, dates(40))
	require.Equal(t, []string{"Mar 9"}, dates(39), "from midnight on")
	require.Equal(t, []string{"Feb 24", "Feb 26", "Feb 28", "Mar 2", "Mar 4", "Mar 6", "Mar 8"}, dates(14*24))
	require.Equal(t, []string{"Mar 3", "Mar 4", "Mar 5", "Mar 6", "Mar 7", "Mar 8", "Mar 9"}, dates(7*24))
}

func TestAnHourSaysWhatWasTakenLackedAndReadyInIt(t *testing.T) {
	a := account.New(now.Add(-48 * time.Hour))
	before := now.Add(-2 * time.Hour)
	a.Observe(before, 7)
	a.Take(account.Take{Time: before, Consumer: account.Consumer{UID: types.UID("u")}})
	a.Miss(account.MissNoneReady, 3, before)
	stored := encoded(t, "shop", "web", a)
	h, ok := historyOf(&stored, 4, now)
	require.True(t, ok)
	require.Equal(t, []hour{{lowest: -1}, {taken: 1, lacked: 3, lowest: 7}, {lowest: -1}, {lowest: -1}}, h.hours)
	require.Equal(t, 1, h.usage.Taken)
	h, ok = historyOf(&stored, 1, now)
	require.True(t, ok)
	require.Zero(t, h.usage.Taken, "the usage is that of the hours that are drawn")
}

func TestUnitsThatCannotBeTakenAreLackingWhereverTheyAre(t *testing.T) {
	order := worst([]status.Headroom{
		{Name: "none missing", Wanted: 4, Ready: 4}, {Name: "one missing", Wanted: 4, Ready: 3, Missing: 1},
		{Name: "two unavailable", Wanted: 4, Ready: 2, Unavailable: 2},
	})
	require.Equal(t, []string{"two unavailable", "one missing", "none missing"}, []string{order[0].Name, order[1].Name, order[2].Name})
}

func TestThePageBeginsWithWhatNeedsSomebody(t *testing.T) {
	in := &Input{Now: now, Days: 7, Status: status.Report{Headrooms: []status.Headroom{
		{Namespace: "a", Name: "full", Wanted: 3, Ready: 3}, {Namespace: "b", Name: "short", Wanted: 3, Ready: 1},
	}}}
	page := pageOf(t, in)
	require.Less(t, strings.Index(page, ">b/short"), strings.Index(page, ">a/full"))
}

// TestAHeadroomHasItsOwnAdvice: others are in its namespace, and one of its name in another.
func TestAHeadroomHasItsOwnAdvice(t *testing.T) {
	in := example(t)
	in.Advice = []advice.Advice{
		{Namespace: "shop", Name: "api", Sentence: "of another name"}, {Namespace: "ci", Name: "web", Sentence: "of another namespace"},
		{Namespace: "shop", Name: "web", Sentence: "its own"},
	}
	page := pageOf(t, in)
	require.Contains(t, sectionOf(t, page, "shop/web"), "<p>its own</p>")
	require.NotContains(t, page, "of another")
}

func TestOneRefillOfOneTakeIsTold(t *testing.T) {
	in := example(t)
	a := account.New(now.Add(-48 * time.Hour))
	took := now.Add(-5 * time.Hour)
	a.Take(account.Take{Time: took, Consumer: account.Consumer{UID: "u"}})
	a.Went(took)
	a.Bound(took.Add(70*time.Second), took.Add(time.Second))
	in.Accounts[0] = encoded(t, "shop", "web", a)
	h, ok := historyOf(&in.Accounts[0], in.hours(), now)
	require.True(t, ok)
	require.Equal(t, 1, h.usage.Refills)
	section := sectionOf(t, pageOf(t, in), "shop/web")
	require.Contains(t, section, "<dt>nine of ten refills within</dt><dd>"+short(h.usage.RefillP90)+"<")
	for range 4 {
		a.Take(account.Take{Time: took, Consumer: account.Consumer{UID: "u"}})
	}
	in.Accounts[0] = encoded(t, "shop", "web", a)
	h, ok = historyOf(&in.Accounts[0], in.hours(), now)
	require.True(t, ok)
	require.NotEqual(t, h.usage.RefillP90, h.usage.Saved)
	section = sectionOf(t, pageOf(t, in), "shop/web")
	require.Contains(t, section, "<dt>waiting saved, an estimate</dt><dd>"+short(h.usage.Saved)+"<")
}

func TestOneUnitInANarrowHourIsDrawnToo(t *testing.T) {
	h := &history{hours: make([]hour, 24)}
	h.hours[3], h.hours[5] = hour{taken: 1}, hour{lacked: 1}
	drawn := plot(h, now, plotLeft+24, 134)
	text := drawn.SVG("")
	require.Equal(t, 2, strings.Count(text, `width="1" height="50"`), "a bar is a pixel wide at least: %s", text)
	require.Equal(t, 1, strings.Count(text, `class="f-run3"`))
	require.Equal(t, 1, strings.Count(text, `class="f-run2"`))
}
