package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the root of the repository.
const root = "../.."

func repositoryPages(t *testing.T) []Page {
	t.Helper()
	pages, err := Pages(root)
	require.NoError(t, err)
	require.Greater(t, len(pages), 20)
	return pages
}

func TestAnchorsAreThoseOfAForge(t *testing.T) {
	require.Equal(t, "c-the-clusters-scheduler", Anchor("C: the cluster's scheduler"))
	require.Equal(t, "specrefill", Anchor("`spec.refill`"))
	require.Equal(t, "see-the-other", Anchor("See [the other](b.md)"))
	require.Equal(t, map[string]bool{"a": true, "a-1": true}, page("# A\n```\n# no heading\n```\n## A").Anchors())
}

func TestALinkToAPartThatIsNotThereIsFound(t *testing.T) {
	a := Page{Path: "docs/a.md", Lines: []string{"# A", "[b](sub/b.md#part) [gone](sub/b.md#gone) [a](#a) [no](#no) [far](https://b.example/#x)"}}
	b := Page{Path: "docs/sub/b.md", Lines: []string{"## Part"}}
	require.Equal(t, []string{"docs/a.md: sub/b.md#gone", "docs/a.md: #no"}, BrokenAnchors([]Page{a, b}))
}

func TestEveryLinkToAPartOfAPageLeadsThere(t *testing.T) {
	require.Empty(t, BrokenAnchors(repositoryPages(t)))
}

// The list of pages in docs/README.md is also the sidebar of the site: a page that it does not list is not found.
func TestEveryPageIsListed(t *testing.T) {
	pages := repositoryPages(t)
	i := slices.IndexFunc(pages, func(p Page) bool { return p.Path == "docs/README.md" })
	require.GreaterOrEqual(t, i, 0)
	listed := pages[i].Listed()
	for _, p := range pages {
		if strings.HasPrefix(p.Path, "docs/") && p.Path != "docs/README.md" {
			require.True(t, listed[p.Path], "docs/README.md does not list %s", p.Path)
		}
	}
}

// What a page of the documentation loads or links to must not change under it: no branch of the repository, no tag "latest".
func TestNothingPointsAtWhatMoves(t *testing.T) {
	for _, p := range repositoryPages(t) {
		for n, line := range p.Lines {
			for _, moving := range []string{"/blob/main/", "/tree/main/", "/raw/main/", "/blob/master/", "ref=main", ":latest"} {
				require.NotContains(t, line, moving, "%s:%d points at %s, which moves", p.Path, n+1, moving)
			}
		}
	}
}

// The reasons of conditions and events, by which people look for a fault, are in the page that lists faults by symptom.
func TestEveryReasonOfAConditionIsAmongTheSymptoms(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "api/v1alpha1/conditions.go"))
	require.NoError(t, err)
	symptoms, err := os.ReadFile(filepath.Join(root, "docs/how-to/troubleshoot.md"))
	require.NoError(t, err)
	reasons := 0
	for line := range strings.SplitSeq(string(source), "\n") {
		name, value, found := strings.Cut(strings.TrimSpace(line), " = ")
		if !found || !strings.HasPrefix(name, "Reason") {
			continue
		}
		reasons++
		reason := strings.Trim(value, `"`)
		if reason == "Valid" || reason == "Filled" || reason == "Sized" { // all is well
			continue
		}
		require.Contains(t, string(symptoms), reason, "docs/how-to/troubleshoot.md says nothing of the reason %s", reason)
	}
	require.Greater(t, reasons, 10)
}
