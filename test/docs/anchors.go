package docs

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markup   = regexp.MustCompile("[`*]|\\[([^\\]]*)\\]\\([^)]*\\)")
	unlinked = regexp.MustCompile(`[^\p{L}\p{M}\p{N}\p{Pc}\- ]`)
)

// Anchor is the anchor that a forge gives a heading, as docs/.vitepress/links.mjs does.
func Anchor(heading string) string {
	text := markup.ReplaceAllString(heading, "$1")
	return strings.ReplaceAll(unlinked.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), ""), " ", "-")
}

// Anchors returns the anchors of a page. A heading that comes a second time gets a number.
func (p Page) Anchors() map[string]bool {
	anchors, code := map[string]bool{}, false
	for _, line := range p.Lines {
		code = code != strings.HasPrefix(strings.TrimSpace(line), "```")
		if match := heading.FindStringSubmatch(line); match != nil && !code {
			anchor := Anchor(match[1])
			for i := 1; anchors[anchor]; i++ {
				anchor = fmt.Sprintf("%s-%d", Anchor(match[1]), i)
			}
			anchors[anchor] = true
		}
	}
	return anchors
}

// BrokenAnchors returns the links of pages to parts of pages that are not there, as "page: link".
func BrokenAnchors(pages []Page) []string {
	anchors := map[string]map[string]bool{}
	for _, p := range pages {
		anchors[p.Path] = p.Anchors()
	}
	var broken []string
	for _, p := range pages {
		for _, match := range link.FindAllStringSubmatch(strings.Join(p.Lines, "\n"), -1) {
			target, fragment, found := strings.Cut(match[1], "#")
			if !found || strings.Contains(target, "://") {
				continue
			}
			to := p.Path
			if target != "" {
				to = path.Join(path.Dir(p.Path), target)
			}
			if known, isPage := anchors[to]; isPage && !known[fragment] {
				broken = append(broken, p.Path+": "+match[1])
			}
		}
	}
	return broken
}

// Listed returns the pages that a page links to in its lists, as paths in the repository.
func (p Page) Listed() map[string]bool {
	pages := map[string]bool{}
	for _, line := range p.Lines {
		if match := link.FindStringSubmatch(line); match != nil && listed.MatchString(line) {
			target, _, _ := strings.Cut(match[1], "#")
			pages[path.Join(path.Dir(p.Path), target)] = true
		}
	}
	return pages
}
