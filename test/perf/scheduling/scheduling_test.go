package scheduling

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"

	"github.com/headroom-dev/headroom/test/schedulerharness"
)

//go:embed scenarios templates config
var fixtures embed.FS

func TestMain(m *testing.M) {
	if err := perf.InitTests(); err != nil {
		fmt.Fprintf(os.Stderr, "parsing flags: %v\n", err)
		os.Exit(1)
	}
	// scheduler_perf looks for etcd on the PATH.
	etcd, err := schedulerharness.FindEtcd()
	if err == nil {
		err = os.Setenv("PATH", filepath.Dir(etcd)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "looking for etcd: %v\n", err)
		os.Exit(1)
	}
	if *warmUp {
		if err := runWarmUp(); err != nil {
			fmt.Fprintf(os.Stderr, "warming up: %v\n", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// BenchmarkScheduling has sub-benchmarks SCENARIO/VARIANT/SIZE, for example a-one-per-node/Headroom/500Nodes. Run it with
// -test.benchtime=1x: each workload is one measurement.
func BenchmarkScheduling(b *testing.B) {
	crd, err := os.ReadFile(crdFile)
	require.NoError(b, err)
	unpack(b)
	scenarios, err := filepath.Glob("scenarios/*.yaml")
	require.NoError(b, err)
	slices.Sort(scenarios)
	for _, scenario := range scenarios {
		name := strings.TrimSuffix(filepath.Base(scenario), ".yaml")
		b.Run(name, func(b *testing.B) {
			run(b, scenario, name, crd, reportAll)
		})
	}
}

// unpack puts the fixtures into a new directory and works there: scheduler_perf reads its templates from files, and one of them
// gets the UID of a Headroom filled in while a workload runs.
func unpack(tb testing.TB) {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, os.CopyFS(dir, fixtures))
	tb.Chdir(dir)
}
