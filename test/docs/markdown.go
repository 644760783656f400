// Package docs reads the project's Markdown: its pages, the blocks of code in them, and the commands in these blocks.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	// Path is relative to the root of the repository.
	Path string
	// Lines are those of the file.
	Lines []string
}

// Block is a block of code.
type Block struct {
	// Page is the path of its page, and Line the number of its first line there.
	Page string
	Line int
	// Section is the heading above it.
	Section string
	// Language is what stands after the fence: "yaml", "console" and so on. It is Indented for a block without a fence.
	Language string
	// Text is the code, without the indentation that all of it has.
	Text string
}

// Indented is the language of blocks that are indented by four spaces and have no fence.
const Indented = "indented"

// outside are the pages that do not lie in docs/.
var outside = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASE.md", "manifests/charts/headroom/README.md"}

var (
	fence   = regexp.MustCompile("^( *)```([a-z]*)$")
	heading = regexp.MustCompile(`^#{1,6} (.*)$`)
	listed  = regexp.MustCompile(`^ *([*-]|\d+\.) `)
)

// Pages returns all pages of a repository, in order of their paths.
func Pages(root string) ([]Page, error) {
	paths := slices.Clone(outside)
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".")) {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			paths = append(paths, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for pages: %w", err)
	}
	slices.Sort(paths)
	var pages []Page
	for _, path := range paths {
		data, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a page: %w", err)
		}
		pages = append(pages, Page{Path: path, Lines: strings.Split(string(data), "\n")})
	}
	return pages, nil
}

// Blocks returns the blocks of code of a page. An open fence is an error.
func (p Page) Blocks() ([]Block, error) {
	var blocks []Block
	section := ""
	for i := 0; i < len(p.Lines); i++ {
		line := p.Lines[i]
		if match := heading.FindStringSubmatch(line); match != nil {
			section = match[1]
		}
		block := Block{Page: p.Path, Line: i + 2, Section: section}
		if match := fence.FindStringSubmatch(line); match != nil {
			end := i + 1 + slices.IndexFunc(p.Lines[i+1:], func(l string) bool { return strings.TrimSpace(l) == "```" })
			if end == i {
				return nil, fmt.Errorf("%s:%d: the block of code has no end", p.Path, i+1)
			}
			block.Language, block.Text = match[2], dedent(p.Lines[i+1:end])
			blocks, i = append(blocks, block), end
			continue
		}
		if strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "" && i > 0 && p.Lines[i-1] == "" && !p.inList(i) {
			end := i
			for end < len(p.Lines) && (strings.HasPrefix(p.Lines[end], "    ")) {
				end++
			}
			block.Line, block.Language, block.Text = i+1, Indented, dedent(p.Lines[i:end])
			blocks, i = append(blocks, block), end-1
		}
	}
	return blocks, nil
}

// inList reports whether the paragraph before a line belongs to a list, whose text may be indented.
func (p Page) inList(i int) bool {
	for i--; i >= 0; i-- {
		line := p.Lines[i]
		switch {
		case listed.MatchString(line):
			return true
		case line != "" && !strings.HasPrefix(line, " "):
			return false
		}
	}
	return false
}

// dedent takes away the indentation that all lines have.
func dedent(lines []string) string {
	least := -1
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if least < 0 || indent < least {
			least = indent
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[min(max(least, 0), len(line)):]
	}
	return strings.Join(out, "\n") + "\n"
}
