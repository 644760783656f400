// Package golden compares texts with those on record.
package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Check fails the test unless the text is the one in testdata/name. With UPDATE_GOLDEN in the environment it writes the file.
func Check(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "UPDATE_GOLDEN=1 writes the file")
	require.Equal(t, string(want), text, "UPDATE_GOLDEN=1 rewrites %s", path)
}
