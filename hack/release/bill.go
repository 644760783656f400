package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
)

const (
	// document is how SPDX names the document itself.
	document spdx.ElementID = "DOCUMENT"
	// unknown is what SPDX has for what nobody looked at.
	unknown = "NOASSERTION"
)

// bill writes the bill of materials, in SPDX 2.3, of the archives of the kubectl plugin in a folder: each archive with its sum, and the Go
// modules that its program was built of, as the program in the archive says itself. Created is when, as RFC 3339 in UTC.
func bill(out io.Writer, version, created, folder string) error {
	archives, err := readArchives(folder, version)
	if err != nil {
		return err
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: document,
		DocumentName: "kubectl-headroom-" + version,
		CreationInfo: &spdx.CreationInfo{Creators: []spdx.Creator{{CreatorType: "Tool", Creator: "headroom-release"}}, Created: created},
	}
	known := map[spdx.ElementID]bool{}
	sums := sha256.New()
	for _, archive := range archives {
		_, _ = io.WriteString(sums, archive.SHA256)
		info, err := builtOf(filepath.Join(folder, archive.File), archive.Binary)
		if err != nil {
			return fmt.Errorf("%s: %w", archive.File, err)
		}
		whole := archivePackage(archive, version)
		doc.Packages = append(doc.Packages, whole)
		doc.Relationships = append(doc.Relationships, relation(document, spdx.RelationshipDescribes, whole.PackageSPDXIdentifier))
		for _, module := range modules(info, version) {
			part := modulePackage(module)
			if !known[part.PackageSPDXIdentifier] {
				known[part.PackageSPDXIdentifier] = true
				doc.Packages = append(doc.Packages, part)
			}
			doc.Relationships = append(doc.Relationships,
				relation(whole.PackageSPDXIdentifier, spdx.RelationshipDependsOn, part.PackageSPDXIdentifier))
		}
	}
	// A namespace is for one document alone, and this one is about these very bytes.
	doc.DocumentNamespace = repository + "/spdx/kubectl-headroom-" + version + "-" + hex.EncodeToString(sums.Sum(nil))
	return spdxjson.Write(doc, out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
}

// builtOf reads out of a program in an archive how it was built.
func builtOf(archive, binary string) (*buildinfo.BuildInfo, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("reading an archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("reading an archive: %w", err)
	}
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("there is no %s in it", binary)
		case err != nil:
			return nil, fmt.Errorf("reading an archive: %w", err)
		case path.Clean(entry.Name) != binary:
			continue
		}
		program, err := io.ReadAll(entries)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", binary, err)
		}
		return buildinfo.Read(bytes.NewReader(program))
	}
}

// modules are all that a program consists of: its own module, of which Go knows no version where no tag is, those that it depends on as
// they are after replacements, and what comes with Go, which scanners know as the module stdlib.
func modules(info *buildinfo.BuildInfo, version string) []debug.Module {
	all := []debug.Module{{Path: info.Main.Path, Version: version}, {Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, module := range info.Deps {
		for module.Replace != nil {
			module = module.Replace
		}
		all = append(all, *module)
	}
	return all
}

func archivePackage(a archive, version string) *spdx.Package {
	return &spdx.Package{
		PackageSPDXIdentifier: identifier("Archive", a.File), PackageName: "kubectl-headroom", PackageVersion: version, PackageFileName: a.File,
		PackageDownloadLocation: download(version, a.File),
		PackageChecksums:        []spdx.Checksum{{Algorithm: spdx.SHA256, Value: a.SHA256}},
		PackageLicenseConcluded: unknown, PackageLicenseDeclared: "Apache-2.0", PackageCopyrightText: unknown, PrimaryPackagePurpose: "ARCHIVE",
	}
}

func modulePackage(module debug.Module) *spdx.Package {
	p := &spdx.Package{
		PackageSPDXIdentifier: identifier("Module", module.Path+"@"+module.Version), PackageName: module.Path, PackageVersion: module.Version,
		PackageDownloadLocation: unknown,
		PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown, PrimaryPackagePurpose: "LIBRARY",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: spdx.CategoryPackageManager, RefType: spdx.PackageManagerPURL,
			Locator: "pkg:golang/" + module.Path + "@" + strings.ReplaceAll(module.Version, "+", "%2B") + "?type=module",
		}},
	}
	if module.Sum != "" {
		p.PackageSourceInfo = "go.sum: " + module.Sum
	}
	return p
}

func relation(from spdx.ElementID, kind string, to spdx.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: spdx.DocElementID{ElementRefID: from}, RefB: spdx.DocElementID{ElementRefID: to}, Relationship: kind}
}

var notOfIdentifiers = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// identifier makes a name within the document, which SPDX allows few characters for; the sum keeps names apart that differ in others.
func identifier(kind, name string) spdx.ElementID {
	sum := sha256.Sum256([]byte(name))
	return spdx.ElementID(kind + "-" + notOfIdentifiers.ReplaceAllString(name, "-") + "-" + hex.EncodeToString(sum[:4]))
}
