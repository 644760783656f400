package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestAFileIsWrittenAtOnceOrNotAtAll(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.html")
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none")) // which may be another file system, from which nothing can be renamed
	require.NoError(t, writeFile(name, []byte("one")))
	reading, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = reading.Close() }()
	require.NoError(t, writeFile(name, []byte("two")))
	before, err := io.ReadAll(reading)
	require.NoError(t, err)
	require.Equal(t, "one", string(before), "the one that was there is whole to its end")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "two", string(data))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode(), "others can read what they are to look at")
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
	require.ErrorContains(t, writeFile(filepath.Join(name, "x"), nil), "writing "+filepath.Join(name, "x"))
	folder := filepath.Join(filepath.Dir(name), "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.ErrorContains(t, writeFile(folder, nil), "writing "+folder)
	entries, err = os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, entries, 2, "the report, the folder, and nothing of what failed")
}

func TestFlagsOfReportAndAdviseAreChecked(t *testing.T) {
	for args, want := range map[string]string{
		"report":                      "-o names the file to write",
		"report -o x --days 15":       "--days is from 1 to 14",
		"report -o x --days 0":        "--days is from 1 to 14",
		"advise --served 49.99":       "--served is from 50 to 99.999 percent",
		"report -o x --node-price=-1": "--node-price is not below 0",
		"advise --served 100":         "--served is from 50 to 99.999 percent",
		"advise --served NaN":         "--served is from 50 to 99.999 percent",
		"advise --node-price=-1":      "--node-price is not below 0",
		"advise --node-price=Inf":     "--node-price is at most 1000000000",
		"advise -o csv":               "-o csv is not known",
	} {
		t.Run(args, func(t *testing.T) {
			var out strings.Builder
			command := newCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
			command.SetArgs(strings.Fields(args))
			require.ErrorContains(t, command.ExecuteContext(t.Context()), want)
		})
	}
}
