package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

const (
	ownKubeconfig = `{apiVersion: v1, kind: Config, clusters: [{name: headroom, cluster: {server: "https://127.0.0.1:41234"}}]}`
	production    = `{apiVersion: v1, kind: Config, clusters: [{name: production, cluster: {server: "https://10.1.2.3:6443"}}]}`
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kc.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFlagsThatMakeNoSenseAreRefusedInOneSentence(t *testing.T) {
	foreign, garbage := write(t, production), write(t, "\x00")
	absent := filepath.Join(t.TempDir(), "absent", "kc.yaml")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"an argument":     {[]string{"12"}, `sandbox takes flags only, not "12"`},
		"an unknown flag": {[]string{"--node", "12"}, "unknown flag: --node"},
		"a number in words": {[]string{"--nodes", "twelve"},
			`invalid argument "twelve" for "--nodes" flag: strconv.ParseInt: parsing "twelve": invalid syntax`},
		"no nodes":        {[]string{"--nodes", "0"}, "--nodes must be from 1 to 5000, not 0"},
		"too many nodes":  {[]string{"--nodes", "5001"}, "--nodes must be from 1 to 5000, not 5001"},
		"no zones":        {[]string{"--zones", "0"}, "--zones must be from 1 to 26, not 0"},
		"more zones":      {[]string{"--nodes", "2"}, "--zones must not be more than --nodes: 2 nodes cannot lie in 3 zones"},
		"no pods":         {[]string{"--node-pods", "0"}, "--node-pods must be from 1 to 10000, not 0"},
		"a high port":     {[]string{"--port", "65536"}, "--port must be from 0 to 65535, not 65536"},
		"a port below 0":  {[]string{"--scheduler-port", "-1"}, "--scheduler-port must be from 0 to 65535, not -1"},
		"CPU in words":    {[]string{"--node-cpu", "four"}, `--node-cpu must be a quantity above zero, such as 4 or 16Gi, not "four"`},
		"no memory":       {[]string{"--node-memory", "0"}, `--node-memory must be a quantity above zero, such as 4 or 16Gi, not "0"`},
		"an unknown part": {[]string{"--without", "scheduler,etcd"}, `--without takes controller and scheduler, not "etcd"`},
		"a foreign kubeconfig": {[]string{"--kubeconfig", foreign}, "--kubeconfig " + foreign +
			` leads to the cluster "production": choose another file, this one would be lost`},
		"a file of another kind": {[]string{"--kubeconfig", garbage}, "--kubeconfig " + garbage +
			" exists and is not a kubeconfig: choose another file"},
		"a folder that is absent": {[]string{"--kubeconfig", absent}, "--kubeconfig " + absent +
			" cannot be written: its folder does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOptions(tc.args, io.Discard)
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestFlagsThatMakeSenseAreTaken(t *testing.T) {
	own := write(t, ownKubeconfig)
	for name, args := range map[string][]string{
		"none": nil,
		"all": strings.Fields("--nodes 5000 --zones 26 --node-cpu 500m --node-memory 1.5Gi " +
			"--node-pods 1 --port 6443 --without controller,scheduler"),
		"the kubeconfig of an old sandbox": {"--kubeconfig", own},
		"a new kubeconfig":                 {"--kubeconfig", filepath.Join(t.TempDir(), "kc.yaml")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOptions(args, io.Discard)
			require.NoError(t, err)
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var help strings.Builder
	_, err := parseOptions([]string{"--help"}, &help)
	require.ErrorIs(t, err, pflag.ErrHelp)
	for _, flag := range []string{"nodes", "zones", "node-cpu", "node-memory", "node-pods", "kubeconfig", "port", "without"} {
		require.Contains(t, help.String(), "--"+flag)
	}
}
