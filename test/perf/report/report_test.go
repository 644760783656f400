package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestTheReportIsTheGoldenOne(t *testing.T) {
	for name, args := range map[string][]string{
		"report.golden.md":   nil,
		"compare.golden.txt": {"-ranges", "testdata/ranges.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(append(args, "-raw", "testdata/raw-*.txt"), &out))
			golden := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), out.String())
		})
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	results, err := readAll("testdata/raw-*.txt")
	require.NoError(t, err)
	// Round 1: 2.4/2.0, round 2: 4.0/4.0. The ratio of the medians would be 3.2/3.0 as well as wrong.
	assert.InDeltaSlice(t, []float64{1.2, 1}, results.ratios("a-one-per-node", 500, "burst-s", headroom, freeRoom), 1e-9)
	// Stock preemption was measured in round 1 only.
	assert.InDeltaSlice(t, []float64{12.5}, results.ratios("a-one-per-node", 500, "burst-s", stock, headroom), 1e-9)
	assert.Empty(t, results.ratios("d-trickle-in-flood", 500, "burst-s", headroom, freeRoom))
}

func TestTheNewestFileOfAWorkloadCountsAlone(t *testing.T) {
	dir := t.TempDir()
	line := func(variant string, seconds int) string {
		return fmt.Sprintf("BenchmarkScheduling/a/%s/500Nodes-2 1 %d burst-s\n", variant, seconds)
	}
	for name, content := range map[string]string{
		"raw-1.txt": "commit: old\ncpu: slow\nround: 1\n" + line(freeRoom, 4) + line(stock, 40) + line(headroom, 8),
		"raw-2.txt": "commit: new\ncpu: fast\nround: 1\n" + line(freeRoom, 2) + line(headroom, 2),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	results, err := readAll(filepath.Join(dir, "raw-*.txt"))
	require.NoError(t, err)
	assert.Equal(t, []float64{2}, results.values("a", headroom, 500, "burst-s"))
	assert.Equal(t, []float64{1}, results.ratios("a", 500, "burst-s", headroom, freeRoom))
	assert.Empty(t, results.ratios("a", 500, "burst-s", stock, headroom), "both have a round 1, of different files")
	assert.Equal(t, "a at 500 nodes (only FreeRoom and Headroom):\n\n- commit: new\n- cpu: fast\n\n"+
		"a at 500 nodes (only StockPreemption):\n\n- commit: old\n- cpu: slow\n\n", renderSetups(results))
}

func TestNoiseIsStockToItself(t *testing.T) {
	results, err := readAll("testdata/raw-*.txt")
	require.NoError(t, err)
	throughput := goals()[5]
	require.Equal(t, "throughput of ordinary pods without headroom, times stock", throughput.name)
	// Round 3: 210/200 beside 190/200 of the plugin, round 4: 182/200 beside 200/200.
	assert.Equal(t, "noise 0.98, 0.91 to 1.05 in 2 rounds", throughput.beside(results, 5000))
	assert.Equal(t, "not yet measured", throughput.beside(results, 500))
	assert.Empty(t, goals()[0].beside(results, 5000), "a burst into headroom has no control")
}

func TestTheFloorIsFreeRoomWithADeletion(t *testing.T) {
	results, err := readAll("testdata/raw-*.txt")
	require.NoError(t, err)
	latency := goals()[2]
	require.Equal(t, "p99 of a single consumer at low load, times free room", latency.name)
	assert.Equal(t, "floor 1.75, one round", latency.beside(results, 5000))
	assert.Equal(t, "**missed**", latency.verdict(results))
}

func TestCPUThatWasRecordedInSecondsIsGivenAPod(t *testing.T) {
	results, err := readAll("testdata/raw-*.txt")
	require.NoError(t, err)
	// 3 s and 1.5 s over 450 pods.
	assert.InDeltaSlice(t, []float64{1000.0 * 3 / 450}, results.values("a-one-per-node", freeRoom, 500, "process-cpu-ms/pod"), 1e-9)
	assert.InDeltaSlice(t, []float64{1000.0 * 1.5 / 450}, results.values("a-one-per-node", freeRoom, 500, "scheduler-cpu-ms/pod"), 1e-9)

	beside := map[string]float64{"process-cpu-s": 3, "pods": 450, "ordinary-pods/s": 100}
	addPerPod(beside)
	assert.NotContains(t, beside, "process-cpu-ms/pod", "the number of all pods is not known")
}

func TestAValueOfSeveralRoundsHasARange(t *testing.T) {
	assert.Equal(t, "–", medianAndRange(nil))
	assert.Equal(t, "1.20", medianAndRange([]float64{1.2}))
	assert.Equal(t, "1.10 (1.00 to 1.20)", medianAndRange([]float64{1.2, 1}))
}

func TestMedian(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   float64
		ok     bool
	}{
		"of nothing there is none":               {nil, 0, false},
		"of an odd number it is the middle one":  {[]float64{9, 1, 2}, 2, true},
		"of an even number the mean of two":      {[]float64{4, 1, 2, 9}, 3, true},
		"of a single value it is the value":      {[]float64{7}, 7, true},
		"the values are left in their own order": {[]float64{3, 2, 1}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := append([]float64(nil), tc.values...)
			got, ok := median(tc.values)
			assert.Equal(t, tc.ok, ok)
			assert.InDelta(t, tc.want, got, 0)
			assert.Equal(t, before, tc.values)
		})
	}
}

func TestThePageKeepsWhatIsNotGenerated(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("# Mine\n"+generatedBegin+"\nold\n"+generatedEnd+"\nmine too\n"), 0o600))
	for range 2 {
		require.NoError(t, replaceGenerated(page, "new\n"))
		got, err := os.ReadFile(page)
		require.NoError(t, err)
		assert.Equal(t, "# Mine\n"+generatedBegin+"\nnew\n"+generatedEnd+"\nmine too\n", string(got))
	}
	require.NoError(t, os.WriteFile(page, []byte("# Mine\n"), 0o600))
	assert.ErrorContains(t, replaceGenerated(page, "new\n"), "lacks the lines")
}

func TestThePageShowsThePlotsThatWereDrawn(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	require.NoError(t, os.WriteFile(page, []byte(generatedBegin+generatedEnd), 0o600))
	require.NoError(t, run([]string{"-raw", "testdata/raw-*.txt", "-doc", page, "-plots", filepath.Join(dir, "plots")}, &bytes.Buffer{}))
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	links := regexp.MustCompile(`]\((.*\.svg)\)`).FindAllStringSubmatch(string(got), -1)
	require.Len(t, links, 5)
	for _, link := range links {
		assert.FileExists(t, filepath.Join(dir, link[1]))
	}
}

func TestPlotsAreTheSameEachTime(t *testing.T) {
	results, err := readAll("testdata/raw-*.txt")
	require.NoError(t, err)
	first, second := t.TempDir(), t.TempDir()
	require.NoError(t, plotAll(first, results))
	require.NoError(t, plotAll(second, results))
	files, err := os.ReadDir(first)
	require.NoError(t, err)
	require.Len(t, files, 5, "cost of four scenarios, CPU of the one that has it")
	for _, file := range files {
		a, err := os.ReadFile(filepath.Join(first, file.Name()))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(second, file.Name()))
		require.NoError(t, err)
		assert.Equal(t, string(a), string(b))
		assert.Contains(t, string(a), "500")
	}
}

func TestBadInputIsAnError(t *testing.T) {
	assert.ErrorContains(t, run([]string{"-raw", "testdata/nothing-*"}, &bytes.Buffer{}), "run make bench first")
	file := filepath.Join(t.TempDir(), "raw.txt")
	require.NoError(t, os.WriteFile(file, []byte("BenchmarkScheduling/a/FreeRoom/5Nodes-2 1 nonsense\n"), 0o600))
	assert.ErrorContains(t, run([]string{"-raw", file}, &bytes.Buffer{}), "parsing measurement")
}
