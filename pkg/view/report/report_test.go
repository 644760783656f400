package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

var now = time.Date(2026, time.March, 9, 15, 30, 0, 0, time.UTC)

// example has a Headroom with a week of history, one that is not full, and two zones.
func example(t testing.TB) *Input {
	t.Helper()
	a := account.New(now.Add(-8 * 24 * time.Hour))
	for h := range 8 * 24 {
		at := now.Add(-time.Duration(h) * time.Hour)
		if h > 40 && h < 46 {
			continue // Nobody looked.
		}
		busy := max(0, 6-abs(at.Hour()-13))
		a.Observe(at, 12-busy)
		for i := range busy {
			a.Take(account.Take{
				Time: at.Add(time.Duration(i) * time.Second), Placeholder: "web-headroom-1", Node: "node-1", How: account.BySwap,
				Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web-7d9f8c-abcde"}, Owner: "ReplicaSet/web-7d9f8c"},
			})
			a.Went(at)
			a.Bound(at.Add(70*time.Second), at.Add(time.Second))
		}
		if busy == 6 {
			a.Miss(account.MissNoneReady, 2, at)
		}
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = "shop", "web"

	web, short := v1alpha1.Headroom{}, v1alpha1.Headroom{}
	web.Namespace, web.Name = "shop", "web"
	web.Status = v1alpha1.HeadroomStatus{ObservedGeneration: 1, DesiredReplicas: 12, ReadyReplicas: 12}
	short.Namespace, short.Name = "ci", "runners"
	short.Status = v1alpha1.HeadroomStatus{DesiredReplicas: 6, ReadyReplicas: 4}
	accounts := []v1alpha1.HeadroomAccount{stored}
	quantity := resource.MustParse
	room := &nodes.Report{Resource: corev1.ResourceCPU, Zones: []nodes.Zone{
		{Name: "eu-1a", Count: 6, Total: nodes.Room{Allocatable: quantity("48"), Used: quantity("30"), Headroom: quantity("8"), Units: 8}},
		{Name: "eu-1b", Count: 1, Total: nodes.Room{Allocatable: quantity("8"), Used: quantity("6"), Headroom: quantity("1"), Units: 1}},
		{Name: "", Count: 1, Total: nodes.Room{}},
	}}
	return &Input{
		Where:  "Headrooms of all namespaces on https://cluster <script>alert(1)</script>",
		Status: status.New(status.Input{Headrooms: []v1alpha1.Headroom{web, short}, Accounts: accounts, AccountsSeen: true, Now: now}),
		Ledger: ledger.New(ledger.Input{Accounts: accounts, Now: now}), Accounts: accounts, Nodes: room, Days: 7, Now: now, Version: "v0.0.0",
		Advice: []advice.Advice{{Namespace: "shop", Name: "web", Sentence: "It needed 9 of its 12 units so far."}},
	}
}

func abs(n int) int { return max(n, -n) }

func TestThePageTellsWhatItShould(t *testing.T) {
	page, err := Page(example(t))
	require.NoError(t, err)
	if path := os.Getenv("HEADROOM_REPORT"); path != "" { // to be looked at
		require.NoError(t, os.WriteFile(path, page, 0o600))
	}
	text := string(page)
	for _, want := range []string{
		"16 of 18", "It needed 9 of its 12 units so far", "ci/runners", "shop/web", "NotSeen", "shop/ReplicaSet/web-*", "6 nodes, 62 % used, 17 % headroom (8 units)", "1 node, 75 % used, 12 % headroom (1 unit)",
		"eu-1a", "(no zone)",
		"<dt>pods that no unit served</dt><dd>7 none_ready</dd>",
	} {
		require.Contains(t, text, want)
	}
	require.Less(t, strings.Index(text, "ci/runners"), strings.Index(text, "shop/web"), "what needs somebody is first")
	require.NotContains(t, text, "a month", "no price is known")
	require.NotContains(t, text, "<script", "what comes from the cluster is text")
	for _, outside := range []string{"http-equiv", "src=", "href=", "@import", "url("} {
		require.NotContains(t, text, outside, "the page needs nothing from elsewhere")
	}
}

func TestThePageTellsCostsWherePricesAreKnown(t *testing.T) {
	in := example(t)
	cost, spare := 120.0, 30.0
	in.Advice[0].Cost, in.Advice[0].Spare = &cost, &spare
	page, err := Page(in)
	require.NoError(t, err)
	for _, want := range []string{
		"What is asked for costs about 120.00 a month, of which 30.00 for units that were not needed.",
		"<dt>costs a month</dt><dd>120.00</dd>", "<dt>of which not needed</dt><dd>30.00</dd>", "Costs are estimates",
	} {
		require.Contains(t, string(page), want)
	}
	require.Equal(t, 1, strings.Count(string(page), "<dt>costs a month"), "of the other nothing is known")
}

// SVG in a page has to be well-formed, or browsers draw nothing.
func TestThePlotsAreWellFormed(t *testing.T) {
	page, err := Page(example(t))
	require.NoError(t, err)
	found := 0
	for rest := string(page); ; found++ {
		_, after, ok := strings.Cut(rest, "<svg")
		if !ok {
			break
		}
		drawn, next, ok := strings.Cut(after, "</svg>")
		require.True(t, ok)
		decoder := xml.NewDecoder(strings.NewReader("<svg" + drawn + "</svg>"))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err)
			}
		}
		rest = next
	}
	require.Equal(t, 2, found, "a plot of the Headroom with an account, and one of the zones")
}

func TestAnEmptyClusterHasAPageToo(t *testing.T) {
	page, err := Page(&Input{Status: status.New(status.Input{Now: now}), Now: now, Days: 7})
	require.NoError(t, err)
	require.Contains(t, string(page), "There are none.")
}

func TestHoursThatNobodySawAreAGap(t *testing.T) {
	in := example(t)
	h, ok := historyOf(&in.Accounts[0], in.hours(), now)
	require.True(t, ok)
	require.Len(t, h.hours, 7*24)
	require.Equal(t, -1, h.hours[len(h.hours)-1-43].lowest)
	require.Equal(t, 8, h.hours[len(h.hours)-1].lowest)
	require.Equal(t, 4, h.hours[len(h.hours)-1].taken)
	_, ok = historyOf(&v1alpha1.HeadroomAccount{Record: v1alpha1.AccountRecord{Hours: []byte("no gzip")}}, 24, now)
	require.False(t, ok)
}

func TestTheTopOfAnAxisIsEvenAndNotBelowWhatIsDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 20_000).Draw(t, "most")
		top := niceTop(most)
		require.GreaterOrEqual(t, top, most)
		require.Zero(t, top%2)
		require.LessOrEqual(t, top, 2*most+2)
	})
}

func TestHoursBeforeAndAfterThePlotAreLeftOut(t *testing.T) {
	a := account.New(now.AddDate(0, 0, -7))
	for _, ago := range []time.Duration{3 * time.Hour, 2 * time.Hour, 0, -time.Hour} {
		a.Take(account.Take{Time: now.Add(-ago)})
	}
	a.Observe(now, 0)
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	drawn, ok := historyOf(&v1alpha1.HeadroomAccount{Record: record}, 3, now)
	require.True(t, ok)
	require.Equal(t, []hour{{taken: 1, lowest: -1}, {lowest: -1}, {taken: 1, lowest: 0}}, drawn.hours)
}

func TestThatNoUnitCouldBeTakenIsTold(t *testing.T) {
	const lowest = "<dt>ready at least</dt><dd>"
	in := example(t)
	page, err := Page(in)
	require.NoError(t, err)
	require.Contains(t, string(page), lowest+"6<")

	a, err := account.Decode(&in.Accounts[0].Record)
	require.NoError(t, err)
	a.Observe(now, 0)
	in.Accounts[0].Record, err = a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	page, err = Page(in)
	require.NoError(t, err)
	require.Contains(t, string(page), lowest+"0<")
}

// TestAPlotDrawsWhatWasTakenLackedAndReady: an hour is 100 wide, and a unit 25 high. In the second hour nobody looked.
func TestAPlotDrawsWhatWasTakenLackedAndReady(t *testing.T) {
	drawn := plot(&history{hours: []hour{{taken: 2, lacked: 1, lowest: 3}, {lowest: -1}, {lacked: 1, lowest: 0}}}, now, 344, 134)
	text := drawn.SVG("")
	for _, want := range []string{
		`<rect class="f-run3" x="44" y="60" width="99.5" height="50"/>`, `<rect class="f-run2" x="44" y="35" width="99.5" height="25"/>`,
		`<rect class="f-run2" x="244" y="85" width="99.5" height="25"/>`, `points="44,35 144,35"`, `points="244,110 344,110"`,
		`points="44,110 344,110"`, `points="44,60 344,60"`, `points="44,10 344,10"`, ">0</text>", ">2</text>", ">4</text>",
	} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 3, strings.Count(text, "<rect"))
	require.Equal(t, 5, strings.Count(text, "<polyline"), "three lines of the grid, and what was ready in two hours")
	drawn = plot(&history{hours: []hour{{lowest: 1}, {lowest: 1}}}, now, 344, 134)
	require.Equal(t, 4, strings.Count(drawn.SVG(""), "<polyline"), "hours on end are one line")
}

func TestEachDayHasALineAndAsManyDatesAsThereIsRoomFor(t *testing.T) {
	for hours, want := range map[int][2]int{24: {1, 1}, 7 * 24: {7, 7}, 14 * 24: {14, 7}, 12: {0, 0}} {
		h := &history{hours: make([]hour, hours)}
		for i := range h.hours {
			h.hours[i].lowest = -1
		}
		drawn := plot(h, now, pageWidth, plotHeight)
		text := drawn.SVG("")
		require.Equal(t, want[0]+3, strings.Count(text, "<polyline"), "%d hours", hours)
		require.Equal(t, want[1], strings.Count(text, ">Mar ")+strings.Count(text, ">Feb "), "%d hours", hours)
		// The present hour, 15:00 of 9 March, is the last.
		midnight := plotLeft + float64(hours-16)*(pageWidth-plotLeft)/float64(hours)
		require.Equal(t, want[0] > 0, strings.Contains(text, "points=\""+strings.TrimSuffix(fmt.Sprintf("%.2f", midnight), ".00")+",10 "), text)
	}
}

func TestAZoneIsDrawnInProportion(t *testing.T) {
	in := example(t)
	in.Nodes.Zones = append(in.Nodes.Zones, nodes.Zone{Name: "overfull", Count: 1, Total: nodes.Room{
		Allocatable: resource.MustParse("8"), Used: resource.MustParse("10"), Headroom: resource.MustParse("2"),
	}})
	drawn := zones(in.Nodes, 880) // of which 400 are the bar
	text := drawn.SVG("")
	for _, want := range []string{
		`viewBox="0 0 880 120"`, `<rect class="f-grid" x="150" y="7" width="400" height="16"/>`,
		`<rect class="f-run1" x="150" y="7" width="250" height="16"/>`, `<rect class="f-run3" x="400" y="7" width="66.67" height="16"/>`,
		`<rect class="f-run1" x="150" y="37" width="300" height="16"/>`, `<rect class="f-run1" x="150" y="97" width="400" height="16"/>`,
		`<rect class="f-run3" x="550" y="97" width="0" height="16"/>`, "1 node, 100 % used, 0 % headroom (0 units)",
		"its size could not be looked at",
	} {
		require.Contains(t, text, want)
	}
}

func TestWhatNeedsSomebodyIsFirst(t *testing.T) {
	of := func(name string, wanted, ready int32, lacked int) status.Headroom {
		return status.Headroom{Name: name, Wanted: wanted, Ready: ready, Lately: &status.Account{Lacked: lacked}}
	}
	unknown := of("unknown", 2, 2, 0)
	unknown.Lately = nil
	headrooms := []status.Headroom{
		of("full", 9, 9, 0), unknown, of("lacked", 9, 9, 3), of("short", 9, 8, 0), of("shorter", 9, 5, 0), of("more", 1, 3, 9),
	}
	var order []string
	for _, h := range worst(headrooms) {
		order = append(order, h.Name)
	}
	require.Equal(t, []string{"shorter", "short", "lacked", "full", "unknown", "more"}, order)
	require.Equal(t, "full", headrooms[0].Name, "the report keeps its order")
}

func TestTwentyWorkloadsAreListed(t *testing.T) {
	in := example(t)
	in.Ledger.Takes = nil
	for i := range maxWorkloads + 1 {
		for range i + 1 {
			take := ledger.Take{Time: now.Add(-time.Hour), ConsumerNamespace: "shop", Owner: fmt.Sprintf("Some/w%02d", i)}
			in.Ledger.Takes = append(in.Ledger.Takes, take)
		}
	}
	page, err := Page(in)
	require.NoError(t, err)
	require.Equal(t, maxWorkloads, strings.Count(string(page), "shop/Some/w"))
	require.NotContains(t, string(page), "shop/Some/w00", "who took least is left out")
	require.Contains(t, string(page), `<th scope="row">shop/Some/w01</th><td>2</td><td>1</td><td>0</td><td>-</td><td>60m ago</td>`)
}

func TestThePageHasTheSumsAndTheNotesOfAllItsParts(t *testing.T) {
	in := example(t)
	in.Status.NotSeen, in.Nodes.NotSeen = []string{"a note of the status"}, []string{"a note of the nodes"}
	in.Ledger.NotSeen, in.Ledger.NotListed = []string{"a note of the ledger"}, []string{"a take that is not listed"}
	page, err := Page(in)
	require.NoError(t, err)
	for _, want := range []string{
		"<p>a note of the status</p>", "<p>a note of the nodes</p>", "<p>a note of the ledger</p>", "<p>a take that is not listed</p>",
		"2026-03-09 15:30 UTC", `<div class="big">2 of 2</div>`, "<dt>nine of ten refills within</dt><dd>7",
	} {
		require.Contains(t, string(page), want)
	}
}

func TestAHeadroomHasTheAdviceAndTheAccountOfItsNamespace(t *testing.T) {
	in := example(t)
	in.Advice[0].Namespace = "search"
	in.Accounts[0].Namespace = "search"
	page, err := Page(in)
	require.NoError(t, err)
	require.NotContains(t, string(page), "It needed 9")
	require.NotContains(t, string(page), "<dt>ready at least")
}

func TestAtMostAsManyDaysAreDrawnAsAreKept(t *testing.T) {
	for days, want := range map[int]int{-1: 24, 0: 24, 1: 24, account.Days: account.Days * 24, account.Days + 1: account.Days * 24} {
		require.Equal(t, want, (&Input{Days: days}).hours())
	}
}
