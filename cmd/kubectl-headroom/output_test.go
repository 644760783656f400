package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

func TestColorsAreForTerminalsOnly(t *testing.T) {
	terminal := func(io.Writer) (int, bool) { return 100, true }
	for name, tc := range map[string]struct {
		size func(io.Writer) (int, bool)
		env  map[string]string
		want table.Style
	}{
		"a pipe":            {terminalSize, nil, table.Style{}},
		"a terminal":        {terminal, nil, table.Style{Width: 100, Color: true}},
		"NO_COLOR":          {terminal, map[string]string{"NO_COLOR": "1"}, table.Style{Width: 100}},
		"one without":       {terminal, map[string]string{"TERM": "dumb"}, table.Style{Width: 100}},
		"an empty NO_COLOR": {terminal, map[string]string{"NO_COLOR": ""}, table.Style{Width: 100, Color: true}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutput(genericiooptions.IOStreams{Out: &strings.Builder{}})
			o.size, o.getenv = tc.size, func(name string) string { return tc.env[name] }
			require.Equal(t, tc.want, o.style())
		})
	}
}

func TestFlagsThatAreNoneEndInASentence(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for name, tc := range map[string]struct{ args, want string }{
		"an unknown format":         {"status -o xml", "-o xml is not known: use one of json, yaml, wide"},
		"CSV of what has none":      {"nodes -o csv", "-o csv is not known: use one of json, yaml, wide"},
		"an unknown group":          {"ledger --by color", "--by color is not known: use one of headroom, namespace, workload"},
		"a time before now":         {"ledger --since=-1h", "--since is a length of time, and not below 0"},
		"an argument too many":      {"nodes x", `unknown command "x"`},
		"an argument of advise":     {"advise x", `unknown command "x"`},
		"an argument of report":     {"report x", `unknown command "x"`},
		"an argument of explain":    {"explain x", `unknown command "x"`},
		"two pods":                  {"explain pod a b", "accepts at most 1 arg(s), received 2"},
		"all namespaces of nodes":   {"nodes -A", "unknown shorthand flag: 'A'"},
		"a cache that there is not": {"status --cache-dir x", "unknown flag: --cache-dir"},
		"no zone label":             {"nodes --zone-label=", "--zone-label is the name of a node label"},
		"a scheduler of the cluster and one of a file": {
			"explain pod a --from-scheduler https://127.0.0.1:1 --scheduler-config x", "leave out --scheduler-config and --cluster-file",
		},
		"a scheduler of the cluster and a cluster of a file": {
			"explain pod a --from-scheduler https://127.0.0.1:1 --cluster-file x", "leave out --scheduler-config and --cluster-file",
		},
		"no resource":                 {"nodes --resource=", "--resource is the name of a resource"},
		"a context that is not there": {"status --context none", "finding the namespace of the context"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			command := newCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
			command.SetArgs(strings.Fields(tc.args))
			err := command.ExecuteContext(t.Context())
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, exitFailed, exitCode(err))
		})
	}
}

func TestACommandAtAClusterThatDoesNotAnswerSaysSo(t *testing.T) {
	for _, command := range []string{"status", "nodes", "ledger", "explain", "explain pod web-1", "advise", "report -o -",
		"report -o - --days 1", "report -o - --days 14", "advise --served 50", "advise --served 99.999", "ledger --since 0s", "ledger -A",
		"status -A", "report -A -o -"} {
		t.Run(command, func(t *testing.T) {
			var out strings.Builder
			root := newCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
			root.SetArgs(append(strings.Fields(command), "--server", "https://127.0.0.1:1", "--request-timeout", "2s"))
			err := root.ExecuteContext(t.Context())
			require.ErrorContains(t, err, "the cluster cannot be reached, look at the server of the kubeconfig")
			require.Equal(t, exitUnreachable, exitCode(err))
		})
	}
}

func TestRequestsGoAtThePaceOfKubectlAndPrintNoWarnings(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	a := newAccess()
	a.flags.APIServer = ptr.To("https://127.0.0.1:1")
	config, err := a.config()
	require.NoError(t, err)
	require.InDelta(t, 50, config.QPS, 0)
	require.Equal(t, 300, config.Burst)
	require.Equal(t, rest.NoWarnings{}, config.WarningHandler)
}
