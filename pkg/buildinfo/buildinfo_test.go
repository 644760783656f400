package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/component-base/version"
)

func TestTheLinkersFlagsWinOverWhatGoKnows(t *testing.T) {
	built := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.2.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.time", Value: "today"}, {Key: "vcs.revision", Value: "b0b"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	for name, tt := range map[string]struct {
		linked, linkedCommit    string
		built                   *debug.BuildInfo
		wantVersion, wantCommit string
	}{
		"the linker was told both":            {"v0.3.0", "abc", built, "v0.3.0", "abc"},
		"the linker was told nothing":         {"", "$Format:%H$", built, "v0.2.0", "b0b"},
		"the linker knew no commit":           {"v0.3.0", "", built, "v0.3.0", "b0b"},
		"Go knows nothing of the commit":      {"", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "(devel)", "unknown"},
		"a build without a repository at all": {"v0.3.0", "unknown", &debug.BuildInfo{}, "v0.3.0", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			info := merge(tt.linked, tt.linkedCommit, tt.built)
			require.Equal(t, tt.wantVersion, info.Version)
			require.Equal(t, tt.wantCommit, info.Commit)
			require.Equal(t, version.Get().BuildDate, info.BuildDate)
			require.Equal(t, runtime.Version(), info.GoVersion)
			require.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, info.Platform)
		})
	}
}

func TestABinaryTellsWhatTheLinkerWasToldOfIt(t *testing.T) {
	require.Equal(t, runtime.Version(), readGo().GoVersion, "what Go wrote into this very binary")
	before := ownVersion
	t.Cleanup(func() { ownVersion = before })
	ownVersion = "v9.8.7"
	require.Equal(t, merge("v9.8.7", version.Get().GitCommit, readGo()), Get())
	require.Equal(t, "v9.8.7", Get().Version, "and not that of Kubernetes")
}
