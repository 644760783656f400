//go:build release

package release

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headroom-dev/headroom/test/cluster"
)

// folderEnv names the environment variable with the folder of the artifacts.
const folderEnv = "HEADROOM_RELEASE"

// artifact is the path of a file of the release, of which there must be one that matches.
func artifact(t *testing.T, pattern string) string {
	t.Helper()
	folder := os.Getenv(folderEnv)
	require.NotEmpty(t, folder, "run make test-release, which sets %s", folderEnv)
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	require.NoError(t, err)
	require.Len(t, files, 1, pattern)
	return files[0]
}

// command runs a program and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		require.NoError(t, err, "%s %v: %s", name, args, exit.Stderr)
	}
	require.NoError(t, err)
	return string(out)
}

// ofChart are the objects of the release's chart.
func ofChart(t *testing.T, c *cluster.Cluster, args ...string) []*unstructured.Unstructured {
	t.Helper()
	helm, err := c.Tools().Binary("helm")
	require.NoError(t, err)
	args = append([]string{
		"template", "headroom", artifact(t, "headroom-[0-9]*.tgz"), "--namespace", "headroom-system", "--kube-version", "1.37.0",
	}, args...)
	objects, err := cluster.Parse([]byte(command(t, "", helm, args...)))
	require.NoError(t, err)
	return append(objects, namespace())
}

func namespace() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind("Namespace")
	object.SetName("headroom-system")
	return object
}

// ofManifests are the objects of headroom.yaml.
func ofManifests(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.ParseFiles(artifact(t, "headroom.yaml"))
	require.NoError(t, err)
	return objects
}

// descriptor, index and manifest are what is read of an OCI layout.
type (
	descriptor struct {
		Digest   string
		Platform struct{ OS, Architecture string }
	}
	index    struct{ Manifests []descriptor }
	manifest struct{ Layers []descriptor }
)

// binaryOf unpacks the program of an image for this machine.
func binaryOf(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", artifact(t, image+"-v*-oci.tar.gz"))
	read := func(file string, into any) {
		data, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, into))
	}
	blob := func(d descriptor) string { return filepath.Join("blobs", strings.ReplaceAll(d.Digest, ":", "/")) }
	var outer, platforms index
	read("index.json", &outer)
	require.Len(t, outer.Manifests, 1)
	read(blob(outer.Manifests[0]), &platforms)
	for _, platform := range platforms.Manifests {
		if platform.Platform.OS != runtime.GOOS || platform.Platform.Architecture != runtime.GOARCH {
			continue
		}
		var m manifest
		read(blob(platform), &m)
		for _, layer := range m.Layers {
			if program, err := unpack(filepath.Join(dir, blob(layer)), filepath.Join(dir, image)); err == nil {
				return program
			}
		}
	}
	require.FailNow(t, "the image has no program for this machine", image)
	return ""
}

// unpack writes the program in a layer to a file.
func unpack(layer, to string) (string, error) {
	file, err := os.Open(layer)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	entries := tar.NewReader(unzipped)
	for {
		entry, err := entries.Next()
		if err != nil {
			return "", fmt.Errorf("looking for a program: %w", err)
		}
		if entry.Typeflag != tar.TypeReg || !strings.HasPrefix(path.Clean("/"+entry.Name), "/ko-app/") {
			continue
		}
		program, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(program, entries)
		return to, errors.Join(err, program.Close())
	}
}
