package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/stretchr/testify/require"
)

// packed writes an archive as that of a platform, with a file in it, and returns its sum.
func packed(t *testing.T, folder, platform, name string, content []byte) string {
	t.Helper()
	var data bytes.Buffer
	zipped := gzip.NewWriter(&data)
	entries := tar.NewWriter(zipped)
	require.NoError(t, entries.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := entries.Write(content)
	require.NoError(t, err)
	require.NoError(t, entries.Close())
	require.NoError(t, zipped.Close())
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kubectl-headroom_v1.2.3_"+platform+".tar.gz"), data.Bytes(), 0o600))
	sum := sha256.Sum256(data.Bytes())
	return hex.EncodeToString(sum[:])
}

// self is this program, which like any other knows what it was built of; tests do not.
func self(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "release")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", file, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	program, err := os.ReadFile(file)
	require.NoError(t, err)
	return program
}

func TestTheBillOfMaterialsNamesEveryArchiveAndWhatItIsBuiltOf(t *testing.T) {
	dir, program := t.TempDir(), self(t)
	sums := map[string]string{
		"kubectl-headroom_v1.2.3_linux_amd64.tar.gz":   packed(t, dir, "linux_amd64", "kubectl-headroom", program),
		"kubectl-headroom_v1.2.3_windows_amd64.tar.gz": packed(t, dir, "windows_amd64", "kubectl-headroom.exe", program),
	}
	var out, again bytes.Buffer
	require.NoError(t, run(&out, []string{"bill", "v1.2.3", "2026-11-26T12:00:00Z", dir}))
	require.NoError(t, run(&again, []string{"bill", "v1.2.3", "2026-11-26T12:00:00Z", dir}))
	require.Equal(t, out.String(), again.String(), "two runs differ")

	doc := &spdx.Document{}
	require.NoError(t, spdxjson.ReadInto(bytes.NewReader(out.Bytes()), doc))
	require.NoError(t, spdxlib.ValidateDocument(doc))
	described, err := spdxlib.GetDescribedPackageIDs(doc)
	require.NoError(t, err)
	require.Len(t, described, 2)
	byID, references := map[spdx.ElementID]*spdx.Package{}, map[string]string{}
	for _, p := range doc.Packages {
		require.NotContains(t, byID, p.PackageSPDXIdentifier)
		byID[p.PackageSPDXIdentifier] = p
		for _, reference := range p.PackageExternalReferences {
			references[p.PackageName] = reference.Locator
		}
	}
	for _, id := range described {
		p := byID[id]
		require.Equal(t, []spdx.Checksum{{Algorithm: spdx.SHA256, Value: sums[p.PackageFileName]}}, p.PackageChecksums)
		require.Equal(t, repository+"/releases/download/v1.2.3/"+p.PackageFileName, p.PackageDownloadLocation)
		parts := map[string]bool{}
		for _, r := range doc.Relationships {
			if r.RefA.ElementRefID == id && r.Relationship == spdx.RelationshipDependsOn {
				parts[byID[r.RefB.ElementRefID].PackageName] = true
			}
		}
		for _, want := range []string{"github.com/headroom-dev/headroom", "github.com/spdx/tools-golang", "stdlib"} {
			require.True(t, parts[want], "%s does not depend on %s", p.PackageFileName, want)
		}
	}
	require.Regexp(t, `^pkg:golang/github\.com/spdx/tools-golang@v[0-9.]+\?type=module$`, references["github.com/spdx/tools-golang"])
	require.Equal(t, "pkg:golang/github.com/headroom-dev/headroom@v1.2.3?type=module", references["github.com/headroom-dev/headroom"])
	require.Equal(t, "pkg:golang/stdlib@"+strings.TrimPrefix(runtime.Version(), "go")+"?type=module", references["stdlib"])
}

func TestABillIsNotMadeOfWhatIsNoProgram(t *testing.T) {
	dir := t.TempDir()
	bill := func() error {
		var out bytes.Buffer
		return run(&out, []string{"bill", "v1.2.3", "2026-11-26T12:00:00Z", dir})
	}
	require.ErrorContains(t, bill(), "there is no archive")
	packed(t, dir, "linux_amd64", "LICENSE", []byte("text"))
	require.ErrorContains(t, bill(), "there is no kubectl-headroom in it")
	packed(t, dir, "linux_amd64", "kubectl-headroom", []byte("text"))
	require.ErrorContains(t, bill(), "kubectl-headroom_v1.2.3_linux_amd64.tar.gz")
}
