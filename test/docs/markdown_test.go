package docs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func page(text string) Page { return Page{Path: "docs/a.md", Lines: strings.Split(text, "\n")} }

func TestBlocksOfAPage(t *testing.T) {
	blocks, err := page(strings.Join([]string{
		"# Title", "", "```yaml", "a: 1", "```", "", "## Part", "",
		"* item", "", "  ```console", "  kubectl get pods", "    -A", "  ```", "",
		"  text of the item", "", "Text", "", "    make test", "    make lint", "", "End",
	}, "\n")).Blocks()
	require.NoError(t, err)
	require.Equal(t, []Block{
		{Page: "docs/a.md", Line: 4, Section: "Title", Language: "yaml", Text: "a: 1\n"},
		{Page: "docs/a.md", Line: 12, Section: "Part", Language: "console", Text: "kubectl get pods\n  -A\n"},
		{Page: "docs/a.md", Line: 20, Section: "Part", Language: Indented, Text: "make test\nmake lint\n"},
	}, blocks)
}

func TestTextOfAListIsNoBlock(t *testing.T) {
	blocks, err := page("1. one\n\n    its second paragraph\n").Blocks()
	require.NoError(t, err)
	require.Empty(t, blocks)
}

func TestAnOpenFenceIsAnError(t *testing.T) {
	_, err := page("```yaml\na: 1\n").Blocks()
	require.ErrorContains(t, err, "docs/a.md:1")
}

func TestCommandsOfABlock(t *testing.T) {
	tests := map[string]struct {
		language, text string
		want           []string
	}{
		"one a line":               {"console", "make a\n\nmake b   # why\n", []string{"make a", "make b"}},
		"continued":                {"console", "helm install x \\\n  --set a=b\nmake c\n", []string{"helm install x \\\n  --set a=b", "make c"}},
		"with output":              {"console", "$ make a\nthat was a\n$ make b\n", []string{"make a", "make b"}},
		"a here-document":          {"console", "kubectl apply -f - <<EOF\na: 1\n# b\nEOF\nmake a\n", []string{"kubectl apply -f - <<EOF\na: 1\n# b\nEOF", "make a"}},
		"without a fence":          {Indented, "make a\nmake b\n", []string{"make a", "make b"}},
		"text without a fence":     {Indented, "once upon a time\n", nil},
		"a hash that is no remark": {"console", "kubectl get a#b\n", []string{"kubectl get a#b"}},
		"no shell":                 {"yaml", "make: a\n", nil},
		"output alone":             {"text", "make a\n", nil},
		"no language":              {"", "make a\n", []string{"make a"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Block{Language: tc.language, Text: tc.text}.Commands())
		})
	}
}
