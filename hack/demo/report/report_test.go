package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/report"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

const (
	pods  = 72
	units = 108
	nodes = 9
)

var epoch = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// recorded makes a run whose pods run after wait(i) seconds, never if that is zero, and whose taken units are back after 24.
func recorded(title, scheduler string, headroom bool, wait func(i int) float64) report.Run {
	r := history.Record{Until: at(30)}
	node := func(i int, from float64) {
		r.Nodes = append(r.Nodes, history.Node{
			Name: fmt.Sprint("node-", len(r.Nodes)), Zone: "zone-" + string(rune('a'+i%3)), Created: at(from), Ready: at(from + 0.2),
		})
	}
	for i := range nodes {
		node(i, -40)
	}
	for i := range pods {
		pod := history.Pod{Name: fmt.Sprint("web-", i), Created: at(float64(i) * 0.004)}
		if w := wait(i); w > 0 {
			pod.Running = pod.Created.Add(time.Duration(w * float64(time.Second)))
			pod.Bound = pod.Running
		}
		r.Burst = append(r.Burst, pod)
	}
	for i := range 6 {
		node(i, 22)
	}
	if headroom {
		for i := range units {
			unit := history.Pod{Name: fmt.Sprint("web-headroom-", i), Node: fmt.Sprint("node-", i%nodes), Created: at(-20), Bound: at(-10)}
			if i < pods {
				unit.Gone = r.Burst[i].Bound
				r.Placeholders = append(r.Placeholders, history.Pod{Name: unit.Name, Node: "node-10", Created: unit.Gone, Bound: at(24)})
			}
			r.Placeholders = append(r.Placeholders, unit)
		}
	}
	return report.Run{Run: summary.Run{Title: title, Scheduler: scheduler, Headroom: headroom, Summary: summary.Of(r)}, Record: r}
}

func demo(first func(i int) float64) report.Demo {
	return report.Demo{
		Runs: []report.Run{
			recorded("no headroom", "kube-scheduler", false, first),
			recorded("headroom", "kube-scheduler", true, func(i int) float64 { return 1.1 + float64(i)*0.03 }),
			recorded("headroom", "headroom-scheduler", true, func(i int) float64 { return 0.08 + math.Mod(float64(i)*0.037, 0.4) }),
		},
		Burst: pods, Headroom: units, Nodes: nodes, Zones: 3, Autoscaler: "Karpenter v1.2.3", Delay: 20 * time.Second,
		Machine: "2 CPUs, linux/amd64", Version: "v0.1.0 <dirty>", Started: epoch, Elapsed: 3 * time.Minute,
	}
}

func karpenter(i int) float64 { return 24 + float64(i%5)*0.4 }
func never(int) float64       { return 0 }

func TestThePageTellsTheNumbersAndNeedsNothingFromElsewhere(t *testing.T) {
	d := demo(karpenter)
	page, err := report.Page(d)
	require.NoError(t, err)
	text := string(page)
	for _, run := range d.Runs {
		for _, want := range []string{run.Title, run.Median.String(), run.P99.String(), run.Worst.String()} {
			require.Contains(t, text, want)
		}
	}
	require.Contains(t, text, "Karpenter v1.2.3 adds nodes, which take 20 s to come")
	require.Contains(t, text, "v0.1.0 &lt;dirty&gt;")
	require.NotRegexp(t, `(?i)(src|href)=|url\(|@import|<script`, text)
	requireDrawingsAreWellFormed(t, text, 6)
}

// requireDrawingsAreWellFormed checks that each drawing is XML and that no length in it is NaN or infinite.
func requireDrawingsAreWellFormed(t *testing.T, page string, want int) {
	t.Helper()
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	require.Len(t, drawings, want)
	for _, drawing := range drawings {
		require.NotRegexp(t, `NaN|Inf`, drawing)
		decoder := xml.NewDecoder(strings.NewReader(drawing))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
	}
}

func TestPodsThatNeverRanAreSaidToHaveNotRun(t *testing.T) {
	d := demo(never)
	d.Autoscaler = ""
	page, err := report.Page(d)
	require.NoError(t, err)
	require.Contains(t, string(page), "none ran within 30.0 s")
	require.Contains(t, string(page), "The nodes are fixed")
	requireDrawingsAreWellFormed(t, string(page), 6)
}

func TestARunWithoutPodsIsDrawnAllTheSame(t *testing.T) {
	d := demo(never)
	d.Burst = 0
	for i := range d.Runs {
		d.Runs[i].Record, d.Runs[i].Summary = history.Record{Until: epoch}, summary.Of(history.Record{Until: epoch})
	}
	page, err := report.Page(d)
	require.NoError(t, err)
	requireDrawingsAreWellFormed(t, string(page), 6)
}

func TestThePictureHasTwoDotsForEachOfItsPixels(t *testing.T) {
	drawn := report.Picture(demo(karpenter))
	var out bytes.Buffer
	require.NoError(t, drawn.PNG(&out, drawing.Light()))
	picture, err := png.Decode(&out)
	require.NoError(t, err)
	require.InDelta(t, 2*drawn.Width, picture.Bounds().Dx(), 0)
	require.InDelta(t, 2*drawn.Height, picture.Bounds().Dy(), 2)
}

func TestFilesAreWrittenIntoAFolderThatIsMadeIfItIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	require.NoError(t, report.Probe(dir))
	files, err := report.Write(dir, demo(karpenter))
	require.NoError(t, err)
	require.FileExists(t, files.HTML)
	require.FileExists(t, files.PNG)
	require.FileExists(t, files.SVG)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "the probe is gone")
}

func TestAFolderThatCannotBeMadeIsSaidByTheProbe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, report.Probe(filepath.Join(file, "below")), "making the folder for the report (--out chooses another): ")
}
