package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scenarios writes two scenario files; anchors and merges are as in the real ones.
func scenarios(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a-burst.yaml": `
- name: FreeRoom
  workloads:
  - name: 500Nodes
    params: {cpu: 5, <<: &n500 {nodes: 500}}
  - name: 1000Nodes
- name: Headroom
  workloads:
  - name: 500Nodes
    params: {cpu: 4, <<: *n500}
  - name: 1000Nodes
`,
		"e1-ordinary.yaml": `
- {name: FreeRoom, workloads: [{name: 500Nodes}]}
- {name: Headroom, workloads: [{name: 500Nodes}]}
- {name: FreeRoomAgain, workloads: [{name: 500Nodes}]}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestTheWorkloadsOfARound(t *testing.T) {
	dir := scenarios(t)
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"variants of one size follow one another, sizes ascend": {
			[]string{"-scenarios", "a-"},
			[]string{"a-burst 500Nodes FreeRoom", "a-burst 500Nodes Headroom", "a-burst 1000Nodes FreeRoom", "a-burst 1000Nodes Headroom"},
		},
		"the second round turns two variants round and nothing else": {
			[]string{"-scenarios", "a-", "-round", "2"},
			[]string{"a-burst 500Nodes Headroom", "a-burst 500Nodes FreeRoom", "a-burst 1000Nodes Headroom", "a-burst 1000Nodes FreeRoom"},
		},
		"the third round of two variants is like the first": {
			[]string{"-scenarios", "a-", "-nodes", "500", "-round", "3"},
			[]string{"a-burst 500Nodes FreeRoom", "a-burst 500Nodes Headroom"},
		},
		"three variants take turns in each place": {
			[]string{"-scenarios", "e1", "-round", "2"},
			[]string{"e1-ordinary 500Nodes Headroom", "e1-ordinary 500Nodes FreeRoom", "e1-ordinary 500Nodes FreeRoomAgain"},
		},
		"both sides of a comparison measure a workload one after the other, each first for one of two variants": {
			[]string{"-scenarios", "a-", "-nodes", "500", "-sides", "base,head"},
			[]string{
				"a-burst 500Nodes FreeRoom base", "a-burst 500Nodes FreeRoom head",
				"a-burst 500Nodes Headroom head", "a-burst 500Nodes Headroom base",
			},
		},
		"in the next round the other side is first": {
			[]string{"-scenarios", "a-", "-nodes", "500", "-sides", "base,head", "-round", "2"},
			[]string{
				"a-burst 500Nodes Headroom base", "a-burst 500Nodes Headroom head",
				"a-burst 500Nodes FreeRoom head", "a-burst 500Nodes FreeRoom base",
			},
		},
		"a variant and a size are matched as a whole, a scenario from its beginning": {
			[]string{"-scenarios", "e1|burst", "-nodes", "500|10", "-variants", "FreeRoom"},
			[]string{"e1-ordinary 500Nodes FreeRoom"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(append([]string{"-dir", dir}, tc.args...), &out))
			assert.Equal(t, tc.want, strings.Split(strings.TrimSpace(out.String()), "\n"))
		})
	}
}

func TestWhatCannotBeMeasuredIsAnError(t *testing.T) {
	dir := scenarios(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a pattern that matches nothing": {[]string{"-nodes", "7"}, `a size like "7"`},
		"a round that is none":           {[]string{"-round", "0"}, "counted from 1"},
		"a pattern that is none":         {[]string{"-variants", "("}, "reading a pattern"},
		"a directory without scenarios":  {[]string{"-dir", t.TempDir()}, "no workload"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorContains(t, run(append([]string{"-dir", dir}, tc.args...), &bytes.Buffer{}), tc.want)
		})
	}
}

// All files of the repository, so that a scenario which list cannot read is noticed without a benchmark.
func TestTheScenariosOfTheRepositoryAreListed(t *testing.T) {
	dir := "../scheduling/scenarios"
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, run([]string{"-dir", dir}, &out))
	for _, file := range files {
		scenario := strings.TrimSuffix(file.Name(), ".yaml")
		assert.Contains(t, out.String(), scenario+" 500Nodes Headroom\n")
	}
}
