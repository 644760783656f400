package scheduling

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// schedulerFrames matches the functions of the scheduler and of the plugin: a sample whose stack has one of them is theirs.
const schedulerFrames = `k8s\.io/kubernetes/pkg/scheduler|headroom-dev/headroom/pkg/scheduler`

// accounted takes the first number of pprof's line `Showing nodes accounting for 1.23s, 45% of 2.70s total`.
var accounted = regexp.MustCompile(`accounting for (-?[0-9.]+)`)

// reportShares adds the scheduler's own part of the CPU and of the allocations, from the profiles that scheduler_perf wrote of what
// was measured. Without the flags that ask for profiles it adds nothing.
func reportShares(b *testing.B, pods int) {
	b.Helper()
	for _, share := range []struct {
		unit, flag, pattern string
		args                []string
	}{
		{"scheduler-cpu-ms/pod", "perf-cpuprofile", "*-cpu.prof", []string{"-unit=ms"}},
		{"scheduler-alloc-KiB/pod", "perf-memprofile", "*-delta-mem.prof", []string{"-unit=kb", "-sample_index=alloc_space"}},
	} {
		// Without the flag the directory may still hold the profiles of an earlier run.
		if flag.Lookup(share.flag).Value.String() != "true" || pods == 0 {
			continue
		}
		file := newestProfile(b.Name(), share.pattern)
		if file == "" {
			continue
		}
		total, err := shareOf(file, share.args...)
		if err != nil {
			b.Errorf("reading the scheduler's share: %v", err)
			continue
		}
		b.ReportMetric(total/float64(pods), share.unit)
	}
}

// newestProfile returns the last written profile of a workload, whose file name begins with VARIANT_SIZE_SCENARIO and ends with the
// time of the run; empty if there is none.
func newestProfile(benchmark, suffix string) string {
	dir := flag.Lookup("data-items-dir").Value.String()
	parts := strings.Split(benchmark, "/")
	if dir == "" || len(parts) < 4 {
		return ""
	}
	pattern := fmt.Sprintf("%s_%s_%s_%s", parts[2], parts[3], parts[1], suffix)
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		return ""
	}
	return files[len(files)-1]
}

func shareOf(profile string, args ...string) (float64, error) {
	args = append([]string{"tool", "pprof", "-top", "-nodefraction=0", "-nodecount=1000000", "-focus=" + schedulerFrames}, args...)
	out, err := exec.Command("go", append(args, profile)...).CombinedOutput() //nolint:noctx // ends by itself
	if err != nil {
		return 0, fmt.Errorf("go tool pprof %s: %w: %s", profile, err, out)
	}
	match := accounted.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("go tool pprof %s: no total in its output", profile)
	}
	return strconv.ParseFloat(string(match[1]), 64)
}
