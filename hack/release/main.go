// Command release makes the parts of a release that hack/release.sh cannot cut out of files by itself.
//
//	release digest VALUES COMPONENT DIGEST    puts the digest of an image into values of the chart
//	release links FILE FOLDER VERSION         makes the links of a page, which lies in a folder of the repository, lead to that version
//	release krew VERSION FOLDER               prints the manifest of the kubectl plugin for krew, for the archives in FOLDER
//	release bill VERSION CREATED FOLDER       prints the bill of materials of the kubectl plugin, for the archives in FOLDER
//	release notes VERSION CHANGELOG           prints what the changelog says of a version
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "digest":
		return rewrite(args[1], func(values string) (string, error) { return withDigest(values, args[2], args[3]) })
	case len(args) == 4 && args[0] == "links":
		return rewrite(args[1], func(page string) (string, error) { return atVersion(page, args[2], args[3]), nil })
	case len(args) == 3 && args[0] == "krew":
		archives, err := readArchives(args[2], args[1])
		if err != nil {
			return err
		}
		return krew(out, args[1], archives)
	case len(args) == 4 && args[0] == "bill":
		return bill(out, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "notes":
		changelog, err := os.ReadFile(args[2])
		if err != nil {
			return fmt.Errorf("reading the changelog: %w", err)
		}
		text, err := notes(string(changelog), args[1])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text)
		return err
	}
	return errors.New("usage: release digest VALUES COMPONENT DIGEST | links FILE FOLDER VERSION | krew VERSION FOLDER | " +
		"bill VERSION CREATED FOLDER | notes VERSION CHANGELOG")
}

// rewrite changes a file.
func rewrite(file string, change func(string) (string, error)) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading what is changed: %w", err)
	}
	text, err := change(string(data))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
