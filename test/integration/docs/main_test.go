// Package docs_test runs what the documentation shows: every object in YAML goes to an API server, every command is run or is on the list
// of those that need what no test has, and the first steps are taken as they are written.
package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/docs"
)

// soon is how long anything may take that takes a second on an idle machine.
const soon = 5 * time.Minute

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return dir
}

// blocks are all blocks of code of the documentation.
func blocks(t *testing.T) []docs.Block {
	t.Helper()
	pages, err := docs.Pages(root(t))
	require.NoError(t, err)
	var all []docs.Block
	for _, page := range pages {
		found, err := page.Blocks()
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.NotEmpty(t, all)
	return all
}

// shell runs commands as a reader would: in a clone of the repository, with the tools and the binaries on the PATH. What they write goes to
// a folder of its own.
type shell struct {
	dir string
	env []string
}

func newShell(t *testing.T, c *cluster.Cluster) *shell {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	entries, err := os.ReadDir(root(t))
	require.NoError(t, err)
	for _, entry := range entries { // as if it were the clone, but for what is written
		require.NoError(t, os.Symlink(filepath.Join(root(t), entry.Name()), filepath.Join(dir, entry.Name())))
	}
	kubeconfig := filepath.Join(home, "kubeconfig")
	require.NoError(t, c.Kubeconfig(kubeconfig))
	path := strings.Join([]string{c.Tools().Dir, filepath.Join(root(t), "bin"), os.Getenv("PATH")}, string(os.PathListSeparator))
	return &shell{dir: dir, env: append(os.Environ(), "PATH="+path, "KUBECONFIG="+kubeconfig, "HOME="+home,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)}
}

// run returns what a command prints, to both outputs.
func (s *shell) run(t *testing.T, command string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
