package advice

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/price"
	"github.com/headroom-dev/headroom/pkg/view/table"
	"github.com/headroom-dev/headroom/test/golden"
)

var now = time.Date(2026, time.March, 20, 15, 30, 0, 0, time.UTC)

func headroom(name string, units int32) v1alpha1.Headroom {
	h := v1alpha1.Headroom{}
	h.Namespace, h.Name = "shop", name
	h.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("8Gi")}
	h.Status.DesiredReplicas = units
	return h
}

// kept is an account of some days in which two units are taken each day at noon.
func kept(t testing.TB, name string, days int) v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(now.Add(-time.Duration(days) * 24 * time.Hour))
	for slot := time.Duration(days) * 24 * time.Hour; slot >= 0; slot -= account.Slot {
		at := now.Add(-slot)
		a.Observe(at, 8)
		if at.Hour() == 12 && at.Minute() == 0 {
			for i := range 2 {
				a.Take(account.Take{Time: at, Placeholder: fmt.Sprint(i), How: account.BySwap})
			}
			a.Observe(at, 6)
		}
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = "shop", name
	return stored
}

func input(t testing.TB) *Input {
	t.Helper()
	allocatable := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	return &Input{
		Headrooms: []v1alpha1.Headroom{headroom("ample", 8), headroom("short", 1), headroom("young", 8), headroom("new", 3)},
		Accounts:  []v1alpha1.HeadroomAccount{kept(t, "ample", 13), kept(t, "short", 13), kept(t, "young", 2)},
		// A unit takes a quarter of the first by its memory, and half of the second; the third is too small for one.
		Nodes: []price.Node{
			{Allocatable: allocatable("8", "32Gi"), PerHour: 0.40}, {Allocatable: allocatable("2", "32Gi"), PerHour: 0.20},
			{Allocatable: allocatable("8", "4Gi"), PerHour: 9},
		},
		Served: 0.999, Now: now,
	}
}

func TestTheTextIsTheOneOnRecord(t *testing.T) {
	report := New(input(t))
	for _, width := range []int{0, 40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			text := report.Text(table.Style{Width: width})
			golden.Check(t, fmt.Sprintf("advice-%d.txt", width), text)
			for line := range strings.SplitSeq(text, "\n") {
				require.True(t, width == 0 || ansi.StringWidth(line) <= width, "%q", line)
			}
		})
	}
}

func TestTheAdviceIsWhatTheHistorySays(t *testing.T) {
	report := New(input(t))
	found := map[string]Advice{}
	for _, one := range report.Headrooms {
		found[one.Name] = one
	}
	require.Len(t, found, 3)
	require.Equal(t, "ample", report.Headrooms[0].Name, "what could save most is first")
	require.Less(t, found["ample"].Needed, 8)
	require.GreaterOrEqual(t, found["ample"].Needed, 2)
	require.Contains(t, found["ample"].Sentence, "would do, which cost about")
	require.Greater(t, found["short"].Needed, 1)
	require.Contains(t, found["short"].Sentence, "more than the 1 that it asks for")
	require.Contains(t, found["young"].Sentence, "wait until it is seven days", "what was not seen yet may still come")
	require.Len(t, report.NotSeen, 1)
	require.Contains(t, report.NotSeen[0], "shop/new has no account yet")
}

func TestWithoutAPriceThereIsNoCost(t *testing.T) {
	in := input(t)
	in.Nodes = nil
	for _, one := range New(in).Headrooms {
		require.Nil(t, one.Cost)
	}
}

func TestAWholeWeekIsEnoughToAdviseFewerUnits(t *testing.T) {
	a := &Advice{Wanted: 5, Needed: 2, Known: int64(7 * 24 * time.Hour / time.Second)}
	require.Equal(t, "It needed 2 units: 3 fewer than the 5 that it asks for would do.", a.sentence())
	a.Known--
	require.Contains(t, a.sentence(), "wait until it is seven days")
}

func TestUnitsThatAreMadeLikePodsOfAWorkloadCostWhatTheyRequest(t *testing.T) {
	in := input(t)
	want := New(in)
	for i := range in.Headrooms {
		h := &in.Headrooms[i]
		h.Spec.ShapeFrom, h.Status.Shape = &v1alpha1.WorkloadReference{}, &v1alpha1.ShapeStatus{Requests: h.Spec.Requests}
		h.Spec.Requests = nil
	}
	require.Equal(t, want, New(in))
	require.NotNil(t, want.Headrooms[0].Cost)
}

func TestAnAccountThatCannotBeReadIsTold(t *testing.T) {
	in := input(t)
	in.Accounts[0].Record.Hours = []byte("no gzip")
	report := New(in)
	require.Len(t, report.Headrooms, 2)
	require.Len(t, report.NotSeen, 2)
	require.Contains(t, report.NotSeen[0], "the account of shop/ample cannot be read: ")
}

func TestAnAccountIsThatOfTheHeadroomOfItsNamespace(t *testing.T) {
	in := input(t)
	in.Headrooms[0].Namespace = "search"
	report := New(in)
	require.Contains(t, report.NotSeen, "search/ample has no account yet: nothing is known of its history")
	for _, one := range report.Headrooms {
		require.Equal(t, "shop", one.Namespace)
	}
}

func TestWhatCouldSaveAsMuchIsInTheOrderOfNames(t *testing.T) {
	in := input(t)
	in.Nodes, in.Headrooms, in.Accounts = nil, nil, nil
	for _, name := range []string{"shop/b", "search/c", "shop/a"} {
		h, a := headroom("", 8), kept(t, "", 1)
		h.Namespace, h.Name, _ = strings.Cut(name, "/")
		a.Namespace, a.Name = h.Namespace, h.Name
		in.Headrooms, in.Accounts = append(in.Headrooms, h), append(in.Accounts, a)
	}
	var order []string
	for _, one := range New(in).Headrooms {
		order = append(order, one.Namespace+"/"+one.Name)
	}
	require.Equal(t, []string{"search/c", "shop/a", "shop/b"}, order)
}

func TestMoreIsNeededToServeMore(t *testing.T) {
	in := input(t)
	most := New(in).Headrooms[0]
	in.Served = 0.5
	half := New(in).Headrooms[0]
	require.Equal(t, most.Name, half.Name)
	require.Less(t, half.Needed, most.Needed)
	require.Greater(t, *half.Spare, *most.Spare)
}

func TestTheColorSaysWhetherUnitsAreEnough(t *testing.T) {
	report := Report{Headrooms: []Advice{{Wanted: 20, Needed: 21}, {Wanted: 22, Needed: 22}, {Wanted: 24, Needed: 23}}}
	text := report.Text(table.Style{Width: 200, Color: true})
	for _, want := range []string{"\x1b[31m21\x1b", "\x1b[32m22\x1b", "\x1b[33m23\x1b"} {
		require.Contains(t, text, want)
	}
	require.Contains(t, report.Text(table.Style{}), "  ?  ", "nobody saw how many were ready")
	require.Empty(t, (&Report{}).Text(table.Style{}))
}

func TestUnitsThatWereAllNeededAreTold(t *testing.T) {
	require.Equal(t, "It needed the 3 units that it asks for.", (&Advice{Wanted: 3, Needed: 3}).sentence())
	require.Equal(t, "It needed 5 units, 2 more than the 3 that it asks for.", (&Advice{Wanted: 3, Needed: 5}).sentence())
	require.EqualValues(t, 13*24*3600, New(input(t)).Headrooms[0].Known)
}

func TestThatNoUnitWasReadyIsNotThatNobodyLooked(t *testing.T) {
	none, some := 0, 12
	report := Report{Headrooms: []Advice{
		{Namespace: "shop", Name: "a", LowestReady: &none}, {Namespace: "shop", Name: "b", LowestReady: &some}, {Namespace: "shop", Name: "c"},
	}}
	var lowest []string
	for _, line := range strings.Split(strings.TrimSpace(report.Text(table.Style{Width: 200})), "\n") {
		if cells := strings.Fields(line); strings.HasPrefix(line, "shop/") {
			lowest = append(lowest, cells[5])
		}
	}
	require.Equal(t, []string{"0", "12", "?"}, lowest)
}

// TestWhatCouldSaveMostIsFirst, however little it costs as a whole.
func TestWhatCouldSaveMostIsFirst(t *testing.T) {
	in := input(t)
	// Of the large one nothing is spare: a unit of it is much larger, and it asks for too few.
	in.Headrooms = in.Headrooms[:2]
	in.Headrooms[1].Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
	in.Nodes = append(in.Nodes, price.Node{Allocatable: in.Headrooms[1].Spec.Requests, PerHour: 1000})
	report := New(in)
	require.Equal(t, "ample", report.Headrooms[0].Name)
	require.Greater(t, *report.Headrooms[1].Cost, *report.Headrooms[0].Cost)
	require.Zero(t, *report.Headrooms[1].Spare, "what is lacking is not spare")
	require.Positive(t, *report.Headrooms[0].Spare)
	require.Contains(t, report.Text(table.Style{Width: 200}), " 0.00\n", "nothing spare is known to be so")
}

func TestCostsAreThoseOfAllUnitsAndOfTheSpareOnes(t *testing.T) {
	one := New(input(t)).Headrooms[0]
	require.InDelta(t, 730*0.1, *one.UnitPrice*price.HoursPerMonth, 1e-9, "a quarter of 0.40 an hour, and half of 0.20")
	require.InDelta(t, 8*730*0.1, *one.Cost, 1e-6)
	require.InDelta(t, float64(8-one.Needed)*730*0.1, *one.Spare, 1e-6)
	text := (&Report{Headrooms: []Advice{one}}).Text(table.Style{Width: 200})
	require.Contains(t, text, fmt.Sprintf("%.2f", *one.Cost))
	require.Contains(t, text, fmt.Sprintf("%.2f", *one.Spare))
}

// TestUnitsThatAreParkedSayNothingAboutTheRefillTime: nobody makes them, so that they are not slow to come.
func TestUnitsThatAreParkedSayNothingAboutTheRefillTime(t *testing.T) {
	a := account.New(now.Add(-10 * 24 * time.Hour))
	for at, i := a.Opened(), 0; at.Before(now); at, i = at.Add(account.Slot), i+1 { // one in each slot, which are as many as a refill lasts
		a.Observe(at, 8)
		a.Take(account.Take{Time: at, Placeholder: fmt.Sprint(i), How: account.BySwap})
	}
	in := input(t)
	in.Headrooms = in.Headrooms[:1]
	needed := func() int {
		in.Accounts = []v1alpha1.HeadroomAccount{kept(t, "ample", 1)}
		record, err := a.Encode(v1alpha1.AccountPosition{})
		require.NoError(t, err)
		in.Accounts[0].Record = record
		return New(in).Headrooms[0].Needed
	}
	whole := needed()
	for range 3 {
		a.Went(now.Add(-26 * time.Hour))
	}
	require.Greater(t, needed(), whole, "units that have been awaited for a day are as slow as that")
	in.Headrooms[0].Status.ParkedReplicas = 3
	require.Equal(t, whole, needed())
}

func TestEachHeadroomOfWhichNothingIsKnownIsTold(t *testing.T) {
	in := input(t)
	in.Headrooms = append(in.Headrooms, headroom("newer", 1))
	for i := range in.Accounts {
		in.Accounts[i].Record.Hours = []byte("no gzip")
	}
	report := New(in)
	require.Empty(t, report.Headrooms)
	require.NotNil(t, report.Headrooms, "JSON has an empty list")
	require.Len(t, report.NotSeen, 5, "three cannot be read, and two are not there")
	for i, name := range []string{"ample", "short", "young", "new", "newer"} {
		require.Contains(t, report.NotSeen[i], "shop/"+name+" ")
	}
}

func TestACostThatIsNotKnownIsNotZero(t *testing.T) {
	nothing := 0.0
	report := Report{Headrooms: []Advice{{Namespace: "shop", Name: "a", Spare: &nothing}}}
	lines := strings.Split(report.Text(table.Style{Width: 200}), "\n")
	cells := strings.Fields(lines[1])
	require.Equal(t, []string{"-", "0.00"}, cells[len(cells)-2:])
}
