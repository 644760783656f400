//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAReportThatCouldNotBeWrittenToItsEndReplacesNone has no room for it, as on a disk that is full.
func TestAReportThatCouldNotBeWrittenToItsEndReplacesNone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, writeFile(name, []byte("before")))
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 1 << 10
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	err := writeFile(name, make([]byte, 1<<20))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	require.ErrorContains(t, err, "writing "+name)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "before", string(data))
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left of it")
}
