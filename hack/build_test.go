package hack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFailedBuildEndsWithItsCauseAndRemedy(t *testing.T) {
	for name, tc := range map[string]struct{ says, want string }{
		"a full disk":                     {"link: /tmp/x: no space left on device", "the disk is full: free some space"},
		"an unreachable proxy":            {`example.com/x@v1.0.0: Get "https://proxy": dial tcp: lookup proxy: no such host`, "have GOPROXY name a proxy that has it"},
		"no proxy at all":                 {"example.com/x@v1.0.0: module lookup disabled by GOPROXY=off", "have GOPROXY name a proxy that has it"},
		"a damaged module":                {"verifying example.com/x@v1.0.0: checksum mismatch", "'go clean -modcache' discards a damaged download"},
		"a folder that cannot be written": {"mkdir bin/tools: permission denied", "make it writable"},
		"too little memory":               {"compile: signal: killed", "GOFLAGS=-p=1"},
		"anything else":                   {"main.go:1:1: expected 'package'", "see the lines above"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command("./build.sh", "karpenter", "sh", "-c", `echo "$1" >&2; exit 2`, "sh", tc.says).CombinedOutput()
			require.Error(t, err)
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Len(t, lines, 2)
			require.Equal(t, tc.says, lines[0], "the builder's own words are not lost")
			require.True(t, strings.HasPrefix(lines[1], "building karpenter failed: "), lines[1])
			require.Contains(t, lines[1], tc.want)
		})
	}
}

func TestASuccessfulBuildSaysWhatItsBuilderSays(t *testing.T) {
	out, err := exec.Command("./build.sh", "karpenter", "sh", "-c", "echo downloading >&2").CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "downloading\n", string(out))
}

func TestABuildAppendsToTheFileItsOutputGoesTo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	out, err := exec.Command("sh", "-c", `exec >"$1" 2>&1; echo before; ./build.sh karpenter echo downloading; echo after`, "sh", file).CombinedOutput()
	require.NoError(t, err, string(out))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "before\ndownloading\nafter\n", string(written))
}
