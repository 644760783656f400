package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The raw output has: a scenario in which nothing differs, one whose Headroom variant is slower, one of too few rounds, and micro benchmarks.
func TestTheComparisonIsTheGoldenOne(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run([]string{"-raw", "testdata/raw.txt"}, &out))
	golden := filepath.Join("testdata", "compare.golden.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

// measured makes a pair of the figure from the values of both sides, round by round.
func measured(row, unit string, before, after []float64) *pair {
	f, _ := figureOf(unit)
	p := &pair{row: row, figure: f, base: map[string]float64{}, head: map[string]float64{}}
	for i, v := range before {
		p.base[fmt.Sprint("r", i)] = v
	}
	for i, v := range after {
		p.head[fmt.Sprint("r", i)] = v
	}
	return p
}

func TestTheVerdict(t *testing.T) {
	six := []float64{2.0, 2.1, 1.9, 2.05, 1.95, 2.2}
	slower := []float64{2.25, 2.9, 2.3, 2.25, 2.9, 2.3}
	for name, tc := range map[string]struct {
		pairs []*pair
		want  string
	}{
		"the same values are noise": {
			[]*pair{measured("Headroom", "burst-s", six, six)}, "noise only (1 figures, 6 rounds)",
		},
		"all of one side above all of the other is no noise: twice 2 of (12 choose 6) orders": {
			[]*pair{measured("Headroom", "burst-s", six, slower)}, "Headroom is slower by 13.6 % (burst, p=0.004)",
		},
		"less is better": {
			[]*pair{measured("Headroom", "burst-s", slower, six)}, "Headroom is faster by 12.0 % (burst, p=0.004)",
		},
		"but of throughput": {
			[]*pair{measured("Headroom", "ordinary-pods/s", slower, six)}, "Headroom is slower by 12.0 % (ordinary pods a second, p=0.004)",
		},
		"the p-value is multiplied by the number of comparisons": {
			[]*pair{measured("Headroom", "burst-s", six, slower), measured("Headroom", "allocs/pod", six, six)},
			"Headroom is slower by 13.6 % (burst, p=0.009)",
		},
		"but not by that of the controls": {
			[]*pair{measured("Headroom", "burst-s", six, slower), measured("FreeRoom", "burst-s", six, six)},
			"Headroom is slower by 13.6 % (burst, p=0.004)",
		},
		"rounds that differ more than the sides do not hide what all of them say": {
			[]*pair{measured("Headroom", "burst-s", []float64{1, 2, 4, 3, 5, 6}, []float64{1.1, 2.21, 4.41, 3.29, 5.5, 6.62})},
			"Headroom is slower by 10.0 % (burst, p<0.001)",
		},
		"differences are listed one after the other": {
			[]*pair{measured("Headroom", "burst-s", six, slower), measured("Headroom", "process-cpu-ms/pod", six, slower)},
			"Headroom is slower by 13.6 % (burst, p=0.009); Headroom spends 13.6 % more CPU (process CPU a pod, p=0.009)",
		},
		"less than a percent is not told, however sure it is": {
			[]*pair{measured("Headroom", "allocs/pod", []float64{1000, 1000, 1000, 1000, 1000, 1000}, []float64{1009, 1009, 1009, 1009, 1009, 1009})},
			"noise only (1 figures, 6 rounds)",
		},
		"three rounds can tell nothing": {
			[]*pair{measured("Headroom", "burst-s", six[:3], slower[:3])},
			"nothing beyond noise, but 3 rounds of 1 figures are too few to be sure, which takes 5",
		},
		"a figure of one side is not compared": {
			[]*pair{measured("Headroom", "burst-s", six, nil)}, "nothing to compare",
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, sentence(judge(&group{name: "a 500Nodes", pairs: tc.pairs}, 0.05, 0.01)))
		})
	}
}

func TestAControlThatDiffersIsPointedOut(t *testing.T) {
	before, after := []float64{1, 1.1, 1.2, 1.3, 1.4, 1.5}, []float64{2, 2.1, 2.2, 2.3, 2.4, 2.5}
	text := render(judge(&group{pairs: []*pair{measured("FreeRoom", "burst-s", before, after)}}, 0.05, 0.01))
	assert.Contains(t, text, "note: FreeRoom runs nothing of the plugin and yet differs")
	text = render(judge(&group{pairs: []*pair{measured("Headroom", "burst-s", before, after)}}, 0.05, 0.01))
	assert.NotContains(t, text, "note:")
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	// The machine was half as fast in the second round, for both sides: neither 2/4 nor 4.4/2 is a ratio.
	f := compare(measured("Headroom", "burst-s", []float64{2, 4}, []float64{2.2, 4.2}))
	assert.InDelta(t, 1.05, f.low, 1e-9)
	assert.InDelta(t, 1.10, f.high, 1e-9)
}

func TestHowManyRoundsItTakes(t *testing.T) {
	for comparisons, want := range map[int]int{1: 4, 2: 5, 6: 5, 7: 6, 12: 6, 23: 6, 24: 7, 40: 7} {
		assert.Equal(t, want, roundsToTell(0.05, comparisons), "%d comparisons", comparisons)
	}
}

func TestHolmsCorrection(t *testing.T) {
	findings := []finding{{p: 0.04}, {p: 0.01}, {p: 0.03}}
	correct(findings)
	// 0.01·3, 0.03·2, then 0.04·1, which must not fall below the one before it.
	assert.InDeltaSlice(t, []float64{0.06, 0.03, 0.06}, []float64{findings[0].p, findings[1].p, findings[2].p}, 1e-9)
}

func TestCorrectedValuesKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		findings := make([]finding, len(raw))
		for i, p := range raw {
			findings[i].p = p
		}
		correct(findings)
		for i := range raw {
			assert.GreaterOrEqual(t, findings[i].p, raw[i])
			assert.LessOrEqual(t, findings[i].p, 1.0)
			for j := range raw {
				if raw[i] < raw[j] {
					assert.LessOrEqual(t, findings[i].p, findings[j].p)
				}
			}
		}
	})
}

// Of 1000 groups of twelve figures in which nothing differs about one in twenty may say that something does; without the correction it would be
// nearly half of them. So on a machine that is quiet, and on one whose load comes and goes.
func TestNoiseIsRarelyTakenForADifference(t *testing.T) {
	for name, drift := range map[string]float64{"quiet": 0, "load that comes and goes": 0.3} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			const groups = 1000
			wrong := 0
			for range groups {
				if !strings.HasPrefix(sentence(judge(drawn(random, 1, drift), 0.05, 0.01)), "no") {
					wrong++
				}
			}
			assert.Less(t, wrong, groups*6/100)
		})
	}
}

// With noise of two percent in each measurement, six rounds tell a difference of eight, also where one round takes twice as long as another.
func TestFourTimesTheNoiseIsTold(t *testing.T) {
	for name, drift := range map[string]float64{"quiet": 0, "load that comes and goes": 0.3} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			told := 0
			for range 100 {
				if strings.Contains(sentence(judge(drawn(random, 1.08, drift), 0.05, 0.01)), "row0 is slower by") {
					told++
				}
			}
			assert.Greater(t, told, 60)
		})
	}
}

// drawn makes a group of twelve figures in six rounds, with noise of two percent within a round and the drift between rounds. The first figure is
// that many times the base's at the head.
func drawn(random *rand.Rand, times, drift float64) *group {
	g := &group{name: "drawn"}
	for i := range 12 {
		var before, after []float64
		for range 6 {
			round := math.Exp(drift * random.NormFloat64())
			before = append(before, round*math.Exp(0.02*random.NormFloat64()))
			after = append(after, round*math.Exp(0.02*random.NormFloat64()))
		}
		if i == 0 {
			for j := range after {
				after[j] *= times
			}
		}
		g.pairs = append(g.pairs, measured(fmt.Sprint("row", i), "burst-s", before, after))
	}
	return g
}

func TestBadInputIsAnError(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"no measurement":           {"goos: linux\n", "has no measurement of a side"},
		"a measurement of no side": {"BenchmarkScheduling/a/Headroom/500Nodes-2 1 2 burst-s\n", `whose side is ""`},
		"a line that is none":      {"side: base\nBenchmarkScheduling/a/Headroom/500Nodes-2 1 nonsense\n", "parsing measurement"},
		"one name in two packages": {"side: base\npkg: x/a\nBenchmarkPick-2 1 2 ns/op\npkg: x/b\nBenchmarkPick-2 1 2 ns/op\n", "rename one"},
		"a file that is not there": {"", "reading raw benchmark output"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "raw.txt")
			if tc.content != "" {
				require.NoError(t, os.WriteFile(file, []byte(tc.content), 0o600))
			}
			assert.ErrorContains(t, run([]string{"-raw", file}, &bytes.Buffer{}), tc.want)
		})
	}
}

// A package that was renamed between the revisions has the same benchmarks.
func TestAMicroBenchmarkIsFoundInARenamedPackage(t *testing.T) {
	groups, err := read(strings.NewReader("side: base\nround: 1\npkg: x/old\nBenchmarkPick/one-2 1 2 ns/op\n"+
		"side: head\npkg: x/new\nBenchmarkPick/one-2 1 3 ns/op\n"), "raw")
	require.NoError(t, err)
	require.Len(t, groups, 1)
	assert.Equal(t, microGroup, groups[0].name)
	require.Len(t, groups[0].pairs, 1)
	assert.Equal(t, "Pick/one", groups[0].pairs[0].row)
	assert.Equal(t, "sec/op", groups[0].pairs[0].figure.unit)
	assert.Len(t, groups[0].pairs[0].base, 1)
	assert.Len(t, groups[0].pairs[0].head, 1)
}
