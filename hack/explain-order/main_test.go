package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheOutputIsTheOneOnRecord(t *testing.T) {
	input := filepath.Join("testdata", "cluster.yaml")
	tests := map[string][]string{
		"placeholders.txt": {"-f", input},
		"web-1.txt":        {"-f", input, "--consumer", "shop/web-1"},
	}
	for golden, args := range tests {
		t.Run(golden, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, run(args, nil, &out))
			golden := filepath.Join("testdata", golden)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String(), "UPDATE_GOLDEN=1 rewrites the file")
		})
	}
}

// kubectl get -o yaml prints one List, of all kinds asked for.
func TestAListOfKubectlIsRead(t *testing.T) {
	documents, err := os.ReadFile(filepath.Join("testdata", "cluster.yaml"))
	require.NoError(t, err)
	list := "kind: List\napiVersion: v1\nitems:\n- {kind: Lease, apiVersion: coordination.k8s.io/v1, metadata: {name: ignored}}\n"
	for document := range strings.SplitSeq(string(documents), "---\n") {
		list += "-\n" + regexp.MustCompile("(?m)^").ReplaceAllString(strings.TrimSpace(document), "  ") + "\n"
	}
	want, err := os.ReadFile(filepath.Join("testdata", "web-1.txt"))
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, run([]string{"-f", "-", "--consumer", "shop/web-1"}, strings.NewReader(list), &out))
	require.Equal(t, string(want), out.String())
}

func TestStandardInputIsRead(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"-f", "-"}, strings.NewReader("kind: List\napiVersion: v1\nitems: []\n"), &out))
	require.Equal(t, "No node holds a placeholder.\n", out.String())
}

func TestBadInputEndsInASentence(t *testing.T) {
	tests := map[string]struct {
		args []string
		in   string
		want string
	}{
		"no file named":      {nil, "", "no file named: give at least one -f FILE"},
		"a file that is not": {[]string{"-f", "testdata/none.yaml"}, "", "reading testdata/none.yaml: open testdata/none.yaml"},
		"no YAML":            {[]string{"-f", "-"}, "a: [", "reading -: "},
		"a pod without name": {[]string{"-f", "-"}, "kind: Pod\napiVersion: v1\n", "reading -: a Pod has no metadata.name"},
		"an unknown consumer": {
			[]string{"-f", "-", "--consumer", "x"}, "",
			"pod default/x is not in the files: name the consumer as NAMESPACE/NAME and include it",
		},
		"a quantity that is none": {
			[]string{"-f", "-"}, "{kind: Node, apiVersion: v1, metadata: {name: n}, status: {allocatable: {cpu: much}}}", "reading -: ",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(tt.args, strings.NewReader(tt.in), &strings.Builder{}), tt.want)
		})
	}
}
