package upgrade

import (
	_ "embed" // for what the earlier version made
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// placeholders are Headrooms, with the pods or the DaemonSet that the code of commit 2ab7e04 makes for each: its functions Build and
// BuildDaemonSet in pkg/placeholder printed them.
//
//go:embed placeholders-of-2ab7e04.yaml
var placeholders string

// Made is a Headroom with what the earlier version made for it.
type Made struct {
	// Headroom as its user wrote it.
	Headroom *unstructured.Unstructured
	made     string
}

// AllMade returns Headrooms for a namespace, none of which exists yet.
func AllMade(t *testing.T, namespace string) []Made {
	t.Helper()
	var entries []struct {
		Headroom map[string]any   `json:"headroom"`
		Made     []map[string]any `json:"made"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(placeholders, "NAMESPACE", namespace)), &entries))
	var all []Made
	for _, entry := range entries {
		text, err := yaml.Marshal(entry.Made)
		require.NoError(t, err)
		headroom := &unstructured.Unstructured{Object: entry.Headroom}
		headroom.SetNamespace(namespace)
		all = append(all, Made{Headroom: headroom, made: string(text)})
	}
	return all
}

// Objects returns the pods or the DaemonSet of the Headroom, once it has a UID.
func (m Made) Objects(t *testing.T, headroom types.UID) []*unstructured.Unstructured {
	t.Helper()
	var objects []map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(m.made, "OWNER", string(headroom))), &objects))
	var all []*unstructured.Unstructured
	for _, object := range objects {
		all = append(all, &unstructured.Unstructured{Object: object})
	}
	return all
}
