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
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
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
	requireRows(t, "sizing.", spec["sizing"], has)
	requireRows(t, "sizing.", status["sizing"], has)
	requireRows(t, "shapeFrom.", spec["shapeFrom"], has)
	for name := range status["shape"].Properties {
		has("\n| `shape." + name + "` | ")
	}
	for name := range status {
		has("\n| `" + name + "` | ")
	}
	for _, reason := range reasons(t) {
		has("\n| `" + reason + "` | ")
	}
}

// requireRows checks that each field below a field has a row.
func requireRows(t *testing.T, prefix string, schema apiextensionsv1.JSONSchemaProps, has func(string)) {
	t.Helper()
	if schema.Items != nil && schema.Items.Schema != nil {
		requireRows(t, strings.TrimSuffix(prefix, ".")+"[].", *schema.Items.Schema, has)
	}
	for name, field := range schema.Properties {
		if name == "matchLabels" || name == "matchExpressions" {
			continue // of a label selector
		}
		has("\n| `" + prefix + name + "` | ")
		requireRows(t, prefix+name+".", field, has)
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
