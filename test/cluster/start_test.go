package cluster_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster"
)

// toolsWith makes a folder with the real tools, where the given scripts take the place of some.
func toolsWith(t *testing.T, scripts map[string]string) string {
	t.Helper()
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kwok", "kwok-stages"} {
		script, replaced := scripts[name]
		if !replaced {
			require.NoError(t, os.Symlink(filepath.Join(tools.Dir, name), filepath.Join(dir, name)))
		} else if script != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700))
		}
	}
	return dir
}

// useTempDir makes the system's folder for temporary files one of the test's own. The name is short because etcd's
// socket lies in it.
func useTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t") //nolint:usetesting // Its path would be too long.
	require.NoError(t, err)
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func TestAMissingToolIsNamed(t *testing.T) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kwok"} {
		t.Run(name, func(t *testing.T) {
			dir := toolsWith(t, map[string]string{name: ""})
			_, err := cluster.Start(t.Context(), cluster.Options{Tools: dir})
			require.EqualError(t, err, name+" is missing in "+dir+": run `make tools` (HEADROOM_TOOLS chooses another folder)")
		})
	}
	t.Run("KWOK's stages", func(t *testing.T) {
		dir := toolsWith(t, map[string]string{"kwok-stages": ""})
		_, err := cluster.Start(t.Context(), cluster.Options{Tools: dir})
		require.ErrorContains(t, err, "kwok-stages/*.yaml is missing in "+dir+": run `make tools`")
	})
}

func TestAProgramThatDiesAtStartIsExplainedAndLeavesOnlyItsLog(t *testing.T) {
	for name, tc := range map[string]struct {
		scripts map[string]string
		want    string
	}{
		"etcd": {
			map[string]string{"etcd": `echo '{"level":"fatal","msg":"discovery failed","error":"no space left"}' >&2; exit 1`},
			"etcd ended with exit status 1: discovery failed: no space left (log: ",
		},
		"kube-apiserver": {
			map[string]string{"kube-apiserver": `echo "Error: unknown flag: --bogus" >&2; exit 1`},
			"kube-apiserver ended with exit status 1: Error: unknown flag: --bogus (log: ",
		},
		"kube-controller-manager": {
			map[string]string{
				"kube-controller-manager": `echo "E1121 21:00:00.000002      17 run.go:72] \"command failed\" err=\"no\"" >&2; exit 1`,
			},
			`kube-controller-manager ended with exit status 1: "command failed" err="no" (log: `,
		},
	} {
		t.Run(name, func(t *testing.T) {
			temp := useTempDir(t)
			_, err := cluster.Start(t.Context(), cluster.Options{Tools: toolsWith(t, tc.scripts)})
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
			logs, globErr := filepath.Glob(filepath.Join(temp, "headroom-logs-*", "logs", "*.log"))
			require.NoError(t, globErr)
			require.NotEmpty(t, logs)
			left, globErr := filepath.Glob(filepath.Join(temp, "headroom-cluster-*"))
			require.NoError(t, globErr)
			require.Empty(t, left)
		})
	}
}

func TestAStartThatTakesTooLongIsGivenUp(t *testing.T) {
	useTempDir(t)
	tools := toolsWith(t, map[string]string{"etcd": "sleep 600"})
	_, err := cluster.Start(t.Context(), cluster.Options{APIServerOnly: true, Tools: tools, Timeout: 200 * time.Millisecond})
	require.ErrorContains(t, err, "waiting for etcd: not ready after 200ms")
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Run("temporary files", func(t *testing.T) {
		t.Setenv("TMPDIR", file)
		_, err := cluster.Start(t.Context(), cluster.Options{APIServerOnly: true})
		require.ErrorContains(t, err, "making a folder for temporary files (TMPDIR chooses another place): ")
		require.ErrorContains(t, err, file)
	})
	t.Run("logs", func(t *testing.T) {
		useTempDir(t)
		_, err := cluster.Start(t.Context(), cluster.Options{APIServerOnly: true, LogDir: file})
		require.ErrorContains(t, err, "making the folder for logs: mkdir "+file)
	})
}

func TestATemporaryFolderWithALongPathIsNamed(t *testing.T) {
	temp := filepath.Join(useTempDir(t), strings.Repeat("long", 20))
	require.NoError(t, os.Mkdir(temp, 0o700))
	t.Setenv("TMPDIR", temp)
	_, err := cluster.Start(t.Context(), cluster.Options{APIServerOnly: true})
	require.ErrorContains(t, err, "is longer than 103 bytes: set TMPDIR to a folder with a shorter path")
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestAPortInUseIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	_, err = cluster.Start(t.Context(), cluster.Options{APIServerOnly: true, Port: listener.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, "of 127.0.0.1 is in use: choose another, or 0 for any free one")
}

func TestClustersDoNotDisturbEachOther(t *testing.T) {
	useTempDir(t)
	var group errgroup.Group
	clusters := make([]*cluster.Cluster, 2)
	for i := range clusters {
		group.Go(func() (err error) {
			clusters[i], err = cluster.Start(t.Context(), cluster.Options{APIServerOnly: true, Timeout: 3 * time.Minute})
			return err
		})
	}
	require.NoError(t, group.Wait())
	first, second := clusters[0], clusters[1]
	defer func() { require.NoError(t, errors.Join(first.Stop(), second.Stop())) }()

	created, err := clientsetOf(t, first).CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	clientset := clientsetOf(t, second)
	_, err = clientset.CoreV1().Namespaces().Get(t.Context(), created.Name, metav1.GetOptions{})
	require.ErrorContains(t, err, "not found")

	t.Run("stopping one leaves the other alone", func(t *testing.T) {
		require.NoError(t, first.Stop())
		require.NoDirExists(t, first.Dir())
		_, err = clientset.CoreV1().Namespaces().Get(t.Context(), corev1.NamespaceDefault, metav1.GetOptions{})
		require.NoError(t, err)
	})
	t.Run("a program that dies later is reported", func(t *testing.T) {
		_, err := second.RunProcess("mayfly", "/bin/sh", "-c", "echo tired; exit 7")
		require.NoError(t, err)
		died := <-second.Died()
		require.EqualError(t, died, "mayfly ended with exit status 7: tired (log: "+second.LogDir()+"/mayfly.log)")
		var log string
		_, err = fmt.Sscanf(second.KeepLogs(died).Error(), "mayfly ended with exit status 7: tired (log: %s", &log)
		require.NoError(t, err)
		require.NoError(t, second.Stop())
		require.FileExists(t, strings.TrimSuffix(log, ")"))
	})
}

func clientsetOf(t *testing.T, c *cluster.Cluster) *kubernetes.Clientset {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	return clientset
}
