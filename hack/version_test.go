// Package hack tests scripts of this folder.
package hack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clone is a repository with nothing in it but version.sh and a go.mod.
type clone struct {
	*testing.T
	dir string
}

func newClone(t *testing.T) clone {
	t.Helper()
	c := clone{t, t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(c.dir, "hack"), 0o700))
	script, err := os.ReadFile("version.sh")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "hack", "version.sh"), script, 0o700))
	mod := "module x\n\nrequire (\n\tk8s.io/kubernetes v1.37.0\n)\n"
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "go.mod"), []byte(mod), 0o600))
	return c
}

func (c clone) run(name string, args ...string) string {
	c.Helper()
	command := exec.Command(name, args...)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CEILING_DIRECTORIES="+filepath.Dir(c.dir), "VERSION=",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_COMMITTER_DATE=2026-01-31T13:00:00+01:00")
	out, err := command.CombinedOutput()
	require.NoError(c, err, string(out))
	return strings.TrimSpace(string(out))
}

func (c clone) commit() {
	c.Helper()
	c.run("git", "add", "-A")
	c.run("git", "commit", "-q", "--allow-empty", "-m", "change")
}

func (c clone) version() string { return c.run("hack/version.sh", "version") }

func TestTheVersionIsThatOfTheCommit(t *testing.T) {
	c := newClone(t)
	require.Equal(t, "v0.0.0-19700101000000-unknown", c.version(), "without a repository")
	c.run("git", "init", "-q")
	c.commit()
	commit := c.run("git", "rev-parse", "HEAD")
	require.Equal(t, "v0.0.0-20260131120000-"+commit[:12], c.version(), "without a tag")
	require.Equal(t, "2026-01-31T12:00:00Z", c.run("hack/version.sh", "date"), "the commit's date")
	c.run("git", "tag", "v0.3.0")
	c.run("git", "tag", "nightly")
	require.Equal(t, "v0.3.0", c.version(), "on a tag")
	c.commit()
	require.Equal(t, "v0.3.1-0.20260131120000-"+c.run("git", "rev-parse", "HEAD")[:12], c.version(), "after a release")
	c.run("git", "tag", "v0.4.0-rc.1")
	require.Equal(t, "v0.4.0-rc.1", c.version())
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "new.go"), nil, 0o600))
	require.Equal(t, "v0.4.0-rc.1+dirty", c.version(), "with something that is not committed")
}

func TestTheSchedulerIsOfAKubernetesVersion(t *testing.T) {
	c := newClone(t)
	flags := c.run("env", "VERSION=v0.3.0+dirty", "hack/version.sh", "ldflags", "headroom-scheduler")
	require.Contains(t, flags, " -X k8s.io/component-base/version.gitVersion=v1.37.0+headroom.v0.3.0.dirty ")
	require.Contains(t, flags, " -X k8s.io/component-base/version.gitMinor=37")
	require.Contains(t, flags, "/pkg/buildinfo.ownVersion=v0.3.0+dirty ")
	flags = c.run("env", "VERSION=v0.3.0", "hack/version.sh", "ldflags", "headroom-controller")
	require.Contains(t, flags, " -X k8s.io/component-base/version.gitVersion=v0.3.0 ")
}
