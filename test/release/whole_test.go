//go:build release

package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// plugins are the platforms that the kubectl plugin is for.
var plugins = []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64", "windows_amd64"}

// files are all of the release but the sums, with their own sums, by path.
func files(t *testing.T) map[string]string {
	t.Helper()
	folder := filepath.Dir(artifact(t, "SHA256SUMS"))
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "SHA256SUMS" {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		name, _ := filepath.Rel(folder, path)
		found[name] = hex.EncodeToString(sum[:])
		return err
	}))
	return found
}

// matching are the keys that match a pattern.
func matching(all map[string]string, pattern string) map[string]string {
	some := map[string]string{}
	for name, sum := range all {
		if regexp.MustCompile(pattern).MatchString(name) {
			some[name] = sum
		}
	}
	return some
}

func read(t *testing.T, pattern string) string {
	t.Helper()
	data, err := os.ReadFile(artifact(t, pattern))
	require.NoError(t, err)
	return string(data)
}

func TestTheSumsAreThoseOfEveryFileOfTheRelease(t *testing.T) {
	listed := map[string]string{}
	for line := range strings.Lines(read(t, "SHA256SUMS")) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		listed[name] = sum
	}
	require.Equal(t, files(t), listed)
}

func TestTheManifestForKrewHasTheSumOfEveryArchive(t *testing.T) {
	var manifest struct {
		Spec struct {
			Platforms []struct{ URI, Sha256 string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "krew-headroom.yaml")), &manifest))
	listed := map[string]string{}
	for _, platform := range manifest.Spec.Platforms {
		listed[filepath.Base(platform.URI)] = platform.Sha256
	}
	require.Len(t, listed, len(plugins))
	require.Equal(t, matching(files(t), `^kubectl-headroom_.*\.tar\.gz$`), listed)
}

// A bill of materials, as far as it is read here.
type bill struct {
	SPDXVersion string
	Packages    []struct {
		Name, PackageFileName string
		Checksums             []struct{ Algorithm, ChecksumValue string }
	}
}

func readBill(t *testing.T, file string) bill {
	t.Helper()
	var b bill
	require.NoError(t, json.Unmarshal([]byte(read(t, file)), &b))
	require.Equal(t, "SPDX-2.3", b.SPDXVersion)
	return b
}

// modules are the packages of a bill that are Go modules.
func (b bill) modules() map[string]bool {
	names := map[string]bool{}
	for _, p := range b.Packages {
		if strings.Contains(p.Name, "/") && !strings.Contains(p.Name, "@") { // not the base image
			names[p.Name] = true
		}
	}
	return names
}

func TestTheBillOfMaterialsOfThePluginIsAboutTheseArchives(t *testing.T) {
	b := readBill(t, "sbom/kubectl-headroom.spdx.json")
	listed := map[string]string{}
	for _, p := range b.Packages {
		if p.PackageFileName != "" {
			require.Len(t, p.Checksums, 1)
			listed[p.PackageFileName] = p.Checksums[0].ChecksumValue
		}
	}
	require.Equal(t, matching(files(t), `^kubectl-headroom_.*\.tar\.gz$`), listed)
	require.True(t, b.modules()["k8s.io/client-go"])
}

// The workflow attests the bill of the image for amd64 as that of the image for all platforms.
func TestTheBillsOfAnImageNameTheSameModulesForEveryPlatform(t *testing.T) {
	for _, image := range []string{"headroom-controller", "headroom-scheduler"} {
		amd64 := readBill(t, "sbom/"+image+"-linux-amd64.spdx.json").modules()
		require.True(t, amd64["k8s.io/client-go"], image)
		require.Equal(t, amd64, readBill(t, "sbom/"+image+"-linux-arm64.spdx.json").modules(), image)
	}
}

func TestWhatIsInstalledNamesTheImagesOfTheRelease(t *testing.T) {
	listed := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(read(t, "images.txt"), -1)
	require.Len(t, listed, 2)
	for i, image := range []string{"controller", "scheduler"} {
		var outer index
		require.NoError(t, json.Unmarshal([]byte(command(t, "", "tar", "-xzOf", artifact(t, "headroom-"+image+"-v*-oci.tar.gz"), "./index.json")), &outer))
		require.Len(t, outer.Manifests, 1)
		require.Equal(t, listed[i], outer.Manifests[0].Digest)
		require.Contains(t, read(t, "headroom.yaml"), "headroom-"+image+":"+version(t)+"@"+listed[i])
		require.Contains(t, command(t, "", "tar", "-xzOf", artifact(t, "headroom-[0-9]*.tgz"), "headroom/values.yaml"), listed[i])
	}
}

func TestNothingOfTheReleaseSaysLatest(t *testing.T) {
	tag := regexp.MustCompile(`:latest\b|/releases/latest|/(blob|tree|raw)/(main|master)/`)
	for name := range matching(files(t), `\.(yaml|txt|md|json)$`) {
		require.NotRegexp(t, tag, read(t, name), name)
	}
	for _, file := range strings.Fields(command(t, "", "tar", "-tzf", artifact(t, "headroom-[0-9]*.tgz"))) {
		require.NotRegexp(t, tag, command(t, "", "tar", "-xzOf", artifact(t, "headroom-[0-9]*.tgz"), file), file)
	}
}

// version is that of the release, by the name of its folder.
func version(t *testing.T) string {
	t.Helper()
	return filepath.Base(filepath.Dir(artifact(t, "SHA256SUMS")))
}
