package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const values = `controller:
  image:
    # sha256:...; wins over tags.
    digest: ""
  other: 1

# the other one
scheduler:
  image:
    digest: ""
`

func TestADigestIsPutIntoTheComponentsImageAlone(t *testing.T) {
	got, err := withDigest(values, "scheduler", "sha256:1")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSuffix(values, "    digest: \"\"\n")+"    digest: \"sha256:1\"\n", got)
	_, err = withDigest(got, "scheduler", "sha256:2")
	require.ErrorContains(t, err, "has no empty digest")
	_, err = withDigest(values, "webhook", "sha256:1")
	require.ErrorContains(t, err, "there is no component webhook")
}

func TestTheChartsValuesTakeDigests(t *testing.T) {
	data, err := os.ReadFile("../../manifests/charts/headroom/values.yaml")
	require.NoError(t, err)
	text := string(data)
	for _, component := range []string{"controller", "scheduler"} {
		text, err = withDigest(text, component, "sha256:of-"+component)
		require.NoError(t, err)
	}
	type component struct{ Image struct{ Digest string } }
	var got struct{ Controller, Scheduler component }
	require.NoError(t, yaml.Unmarshal([]byte(text), &got))
	require.Equal(t, "sha256:of-controller", got.Controller.Image.Digest)
	require.Equal(t, "sha256:of-scheduler", got.Scheduler.Image.Digest)
}

func TestNotesAreTheSectionOfTheVersion(t *testing.T) {
	const changelog = "# Changelog\n\n## Unreleased\n\nsoon\n\n## 0.2.0 (2026-12-01)\n\nsecond\n\n### Part\n\nmore\n\n## 0.1.0\n\nfirst\n"
	for version, want := range map[string]string{
		"v0.2.0": "second\n\n### Part\n\nmore", "v0.1.0": "first", "v0.2.0-rc.1": "second\n\n### Part\n\nmore", "v0.3.0-rc.1": "soon",
	} {
		got, err := notes(changelog, version)
		require.NoError(t, err, version)
		require.Equal(t, want, got, version)
	}
	for _, version := range []string{"v0.3.0", "v0.2.01", "v0.2"} {
		_, err := notes(changelog, version)
		require.ErrorContains(t, err, "says nothing of "+version)
	}
}

func TestTheManifestForKrewNamesEveryArchiveWithItsSum(t *testing.T) {
	dir := t.TempDir()
	for _, platform := range []string{"linux_amd64", "windows_amd64"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "kubectl-headroom_v1.2.3_"+platform+".tar.gz"), []byte("abc"), 0o600))
	}
	var out bytes.Buffer
	require.NoError(t, run(&out, []string{"krew", "v1.2.3", dir}))
	var manifest struct {
		Spec struct {
			Version string
			// krew asks for both, and shows the short one in a column.
			ShortDescription, Description string
			Platforms                     []struct {
				Selector         struct{ MatchLabels map[string]string }
				URI, Sha256, Bin string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(out.Bytes(), &manifest))
	require.Equal(t, "v1.2.3", manifest.Spec.Version)
	require.NotEmpty(t, manifest.Spec.Description)
	require.NotEmpty(t, manifest.Spec.ShortDescription)
	require.LessOrEqual(t, len(manifest.Spec.ShortDescription), 50)
	require.Len(t, manifest.Spec.Platforms, 2)
	windows := manifest.Spec.Platforms[1]
	require.Equal(t, map[string]string{"os": "windows", "arch": "amd64"}, windows.Selector.MatchLabels)
	require.Equal(t, "kubectl-headroom.exe", windows.Bin)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", windows.Sha256)
	require.True(t, strings.HasSuffix(windows.URI, "/releases/download/v1.2.3/kubectl-headroom_v1.2.3_windows_amd64.tar.gz"))

	require.ErrorContains(t, run(&out, []string{"krew", "v9.9.9", dir}), "there is no archive")
	require.ErrorContains(t, run(&out, nil), "usage")
}

func TestRelativeLinksOfAPageLeadToTheVersion(t *testing.T) {
	const page = "[a](docs/a.md#b), [c](../../../docs/c.md) and\n[d](https://example.org/d.md), [e](#e)"
	const at = "https://github.com/headroom-dev/headroom/blob/v1.2.3/"
	require.Equal(t, "[a]("+at+"manifests/charts/headroom/docs/a.md#b), [c]("+at+"docs/c.md) and\n[d](https://example.org/d.md), [e](#e)",
		atVersion(page, "manifests/charts/headroom", "v1.2.3"))

	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
	require.NoError(t, run(nil, []string{"links", file, "manifests/charts/headroom", "v1.2.3"}))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, atVersion(page, "manifests/charts/headroom", "v1.2.3"), string(written))

	got, err := notes("## 1.0.0\n\n[x](docs/x.md)\n", "v1.0.0")
	require.NoError(t, err)
	require.Equal(t, "[x](https://github.com/headroom-dev/headroom/blob/v1.0.0/docs/x.md)", got)
}
