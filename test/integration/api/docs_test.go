package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The reference names each field and each reason, and gives the defaults of the CRD.
func TestReferenceIsComplete(t *testing.T) {
	data, err := os.ReadFile(repositoryPath(t, "docs/reference/headroom.md"))
	require.NoError(t, err)
	has := func(row string) { // not assert.Contains, which would print the page
		t.Helper()
		assert.True(t, strings.Contains(string(data), row), "docs/reference/headroom.md has no row %q", row) //nolint:testifylint // see above
	}
	schema := crdSchema(t)
	spec, status := schema.Properties["spec"].Properties, schema.Properties["status"].Properties
	for name, field := range spec {
		row := "\n| `" + name + "` | "
		has(row)
		if field.Default != nil {
			has(row + "`" + strings.Trim(string(field.Default.Raw), `"`) + "` | ")
		}
	}
	for name := range spec["consumers"].Properties {
		has("\n| `" + name + "` | ")
	}
	for name := range status {
		has("\n| `" + name + "` | ")
	}
	for _, reason := range reasons(t) {
		has("\n| `" + reason + "` | ")
	}
}

// reasons are the values of the constants Reason... of the API.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), repositoryPath(t, "api/v1alpha1/conditions.go"), nil, 0)
	require.NoError(t, err)
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			values = append(values, value)
		}
		return true
	})
	require.NotEmpty(t, values)
	return values
}
