package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// withDigest sets the digest of a component's image in values of the chart, whose comments stay.
func withDigest(values, component, digest string) (string, error) {
	lines := strings.Split(values, "\n")
	begin := slices.Index(lines, component+":")
	if begin < 0 {
		return "", fmt.Errorf("there is no component %s", component)
	}
	for i := begin + 1; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], " ")); i++ {
		if lines[i] == `    digest: ""` {
			lines[i] = `    digest: "` + digest + `"`
			return strings.Join(lines, "\n"), nil
		}
	}
	return "", fmt.Errorf("the image of %s has no empty digest", component)
}

// repository is where the files of a version can be read.
const repository = "https://github.com/headroom-dev/headroom"

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// atVersion makes the relative links of a page of a folder of the repository lead to that version of what they are about, so that the page
// can be read elsewhere.
func atVersion(page, folder, version string) string {
	return link.ReplaceAllStringFunc(page, func(found string) string {
		target := link.FindStringSubmatch(found)[1]
		if strings.HasPrefix(target, "#") || strings.Contains(target, "://") {
			return found
		}
		file, section, _ := strings.Cut(target, "#")
		if section != "" {
			section = "#" + section
		}
		return "](" + repository + "/blob/" + version + "/" + path.Join(folder, file) + section + ")"
	})
}

// notes is the section of a changelog, which lies in the root of the repository, that is about a version; one before a release
// (v1.2.3-rc.1) may have none of its own, and takes that of the version that it leads to.
func notes(changelog, version string) (string, error) {
	name := strings.TrimPrefix(version, "v")
	final, _, early := strings.Cut(name, "-")
	for _, name := range []string{name, final, "Unreleased"} {
		if name == "Unreleased" && !early {
			break
		}
		heading := regexp.MustCompile(`(?m)^## \[?` + regexp.QuoteMeta(name) + `(?:\]|\s|$).*$`).FindStringIndex(changelog)
		if heading == nil {
			continue
		}
		text := changelog[heading[1]:]
		if next := regexp.MustCompile(`(?m)^## `).FindStringIndex(text); next != nil {
			text = text[:next[0]]
		}
		if text = strings.TrimSpace(text); text != "" {
			return atVersion(text, "", version), nil
		}
	}
	return "", fmt.Errorf("the changelog says nothing of %s", version)
}

// archive is the kubectl plugin for one platform.
type archive struct {
	OS, Arch, File, SHA256, Binary string
}

// readArchives finds the archives of a version in a folder, in order of their names.
func readArchives(folder, version string) ([]archive, error) {
	files, err := filepath.Glob(filepath.Join(folder, "kubectl-headroom_"+version+"_*.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("listing archives: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no archive of the kubectl plugin %s in %s", version, folder)
	}
	slices.Sort(files)
	archives := make([]archive, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading an archive: %w", err)
		}
		name := filepath.Base(file)
		platform := strings.TrimSuffix(strings.TrimPrefix(name, "kubectl-headroom_"+version+"_"), ".tar.gz")
		system, arch, _ := strings.Cut(platform, "_")
		sum := sha256.Sum256(data)
		a := archive{OS: system, Arch: arch, File: name, SHA256: hex.EncodeToString(sum[:]), Binary: "kubectl-headroom"}
		if system == "windows" {
			a.Binary += ".exe"
		}
		archives = append(archives, a)
	}
	return archives, nil
}

var krewManifest = template.Must(template.New("krew").Parse(`apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: headroom
spec:
  version: {{.Version}}
  homepage: https://github.com/headroom-dev/headroom
  shortDescription: Show spare capacity, who took it, and why
  description: |
    Says what spare capacity Headrooms hold and where, what is missing and why, who took which unit, why a pod got one or gets
    none, and how many units were needed at which cost. It only reads.
  platforms:
{{- range .Archives}}
    - selector:
        matchLabels:
          os: {{.OS}}
          arch: {{.Arch}}
      uri: {{call $.Download $.Version .File}}
      sha256: {{.SHA256}}
      bin: {{.Binary}}
{{- end}}
`))

// download is where a file of a version is to be had once that is published.
func download(version, file string) string {
	return repository + "/releases/download/" + version + "/" + file
}

// krew writes the manifest by which krew installs the kubectl plugin.
func krew(out io.Writer, version string, archives []archive) error {
	return krewManifest.Execute(out, struct {
		Version  string
		Archives []archive
		Download func(version, file string) string
	}{version, archives, download})
}
