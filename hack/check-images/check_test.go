package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// layout writes an OCI layout with one image for each platform; change may spoil it before it is written.
func layout(t *testing.T, platforms []string, change func(*config, *tar.Header)) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o700))
	var entries []map[string]any
	for _, architecture := range platforms {
		settings := config{OS: "linux", Architecture: architecture}
		settings.Config.User = "65532:65532"
		settings.Config.Entrypoint = []string{"/app/program"}
		settings.Config.Labels = map[string]string{}
		for _, label := range wantLabels {
			settings.Config.Labels[label] = "x"
		}
		header := &tar.Header{Name: "app/program", Typeflag: tar.TypeReg, Mode: 0o555, Size: 3}
		change(&settings, header)
		parts := map[string]any{
			"config": writeBlob(t, dir, mustJSON(t, settings)), "layers": []any{writeBlob(t, dir, layer(t, header))},
		}
		entry := writeBlob(t, dir, mustJSON(t, parts))
		entry["platform"] = map[string]string{"os": "linux", "architecture": architecture}
		entries = append(entries, entry)
	}
	top := writeBlob(t, dir, mustJSON(t, map[string]any{"manifests": entries}))
	top["mediaType"] = "application/vnd.oci.image.index.v1+json"
	data := mustJSON(t, map[string]any{"manifests": []any{top}})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.json"), data, 0o600))
	return dir
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	require.NoError(t, err)
	return data
}

func writeBlob(t *testing.T, dir string, data []byte) map[string]any {
	t.Helper()
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "blobs", "sha256", hash), data, 0o600))
	return map[string]any{"digest": "sha256:" + hash, "size": len(data)}
}

func layer(t *testing.T, header *tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	require.NoError(t, archive.WriteHeader(header))
	_, err := archive.Write([]byte("ELF"))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func TestWhatIsWrongWithAnImageIsNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*config, *tar.Header)
		want   string
	}{
		"the user is root":             {func(c *config, _ *tar.Header) { c.Config.User = "0" }, `the user is "0"`},
		"the user is a name":           {func(c *config, _ *tar.Header) { c.Config.User = "nonroot" }, `the user is "nonroot"`},
		"the user is missing":          {func(c *config, _ *tar.Header) { c.Config.User = "" }, `the user is ""`},
		"the group is root":            {func(c *config, _ *tar.Header) { c.Config.User = "1:0" }, `the user is "1:0"`},
		"a label is missing":           {func(c *config, _ *tar.Header) { delete(c.Config.Labels, wantLabels[2]) }, "image.version is missing"},
		"the platform is another":      {func(c *config, _ *tar.Header) { c.Architecture = "s390x" }, "the configuration is for linux/s390x"},
		"the entrypoint is not there":  {func(_ *config, h *tar.Header) { h.Name = "program" }, "/app/program is not in the image"},
		"the entrypoint has arguments": {func(c *config, _ *tar.Header) { c.Config.Entrypoint = []string{"a", "b"} }, "want one program"},
		"the program cannot be run":    {func(_ *config, h *tar.Header) { h.Mode = 0o500 }, "not everybody may run it"},
		"a file has the setuid bit":    {func(_ *config, h *tar.Header) { h.Mode |= 0o4000 }, "setuid"},
		"the program is not a program": {func(*config, *tar.Header) {}, "reading the program"},
	} {
		t.Run(name, func(t *testing.T) {
			images, err := readLayout(layout(t, []string{"amd64"}, tt.change))
			require.NoError(t, err)
			require.Len(t, images, 1)
			require.ErrorContains(t, checkImage(images[0]), tt.want)
		})
	}
}

func TestBothPlatformsMustBeThere(t *testing.T) {
	unspoilt := func(*config, *tar.Header) {}
	images, err := readLayout(layout(t, []string{"arm64", "amd64"}, unspoilt))
	require.NoError(t, err)
	require.NoError(t, checkPlatforms(images))
	require.EqualError(t, checkPlatforms(images[:1]), "the platforms are linux/arm64, want linux/amd64, linux/arm64")
}

func TestADamagedBlobIsFound(t *testing.T) {
	dir := layout(t, []string{"amd64"}, func(*config, *tar.Header) {})
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	require.NoError(t, err)
	for _, blob := range blobs {
		data, err := os.ReadFile(blob)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(blob, append(data, ' '), 0o600))
	}
	_, err = readLayout(dir)
	require.ErrorContains(t, err, "is damaged")
}

// TestAProgramIsJudgedByWhatItIs takes the running test for a program.
func TestAProgramIsJudgedByWhatItIs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the programs of images are for Linux")
	}
	path, err := os.Executable()
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.ErrorContains(t, checkProgram(data, "riscv64"), "not for riscv64")
}

func TestAnSBOMMustBeAboutTheImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sbom.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(`{"spdxVersion": "SPDX-2.3", "packages": [{"name": "sha256:1"}, {"name": "k8s.io/client-go"}]}`)
	packages, err := checkSBOM(path, "sha256:1")
	require.NoError(t, err)
	require.Equal(t, 2, packages)
	_, err = checkSBOM(path, "sha256:2")
	require.ErrorContains(t, err, "does not name sha256:2")
	write(`{}`)
	_, err = checkSBOM(path, "sha256:1")
	require.ErrorContains(t, err, "is not SPDX")
}
