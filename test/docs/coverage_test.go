package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// documented fails unless a page has a name in code quotes.
func documented(t *testing.T, page, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	require.Contains(t, string(text), "`"+name+"`", "%s does not name `%s`", page, name)
}

func TestEveryFlagOfTheControllerIsDocumented(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Default().AddFlags(flags)
	flags.VisitAll(func(flag *pflag.Flag) { documented(t, "docs/reference/controller.md", "--"+flag.Name) })
	require.True(t, flags.HasFlags())
}

// constants are the values of the constants in Go files of a folder, tests left out, whose names match.
func constants(t *testing.T, folder, name string) []string {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^\s*(?:const )?` + name + ` += "([^"]+)"`)
	var values []string
	require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declaration.FindAllStringSubmatch(string(source), -1) {
			values = append(values, match[1])
		}
		return err
	}))
	require.NotEmpty(t, values, "%s has no constants %s", folder, name)
	return values
}

func TestEveryEventIsDocumented(t *testing.T) {
	for _, reason := range constants(t, "pkg/controller/headroom", `Event\w+`) {
		documented(t, "docs/reference/events.md", reason)
	}
	for _, reason := range constants(t, "pkg/swapevent", `Reason\w*`) {
		documented(t, "docs/reference/events.md", reason)
	}
}

// Labels and annotations are how the product is met in other people's objects: some page tells of each.
func TestEveryLabelAndAnnotationIsDocumented(t *testing.T) {
	var all strings.Builder
	for _, p := range repositoryPages(t) {
		all.WriteString(strings.Join(p.Lines, "\n"))
	}
	for _, name := range constants(t, "api/v1alpha1", `(?:Label|Annotation)\w+`) {
		require.Contains(t, all.String(), "`"+name, "no page names `%s`", name)
	}
}
