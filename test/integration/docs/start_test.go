package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const startPage = "docs/how-to/start.md"

// taken are the sections of the page that are its numbered steps.
var taken = regexp.MustCompile(`^\d+\. `)

// said is what the commands of a step print, by the step's heading, if need be a moment later.
var said = map[string][]string{
	"2. Hold room":            {`(?m)^web +10 +10 +0 `, "condition met"},
	"3. A burst takes it":     {"successfully rolled out", `TookHeadroom +pod/burst-`, `Took default/web-headroom-\d+ on node`},
	"4. What is left":         {`(?m)^web +10 +4 +6 `, "4 of 10 units are bound. The scheduler says: 0/12 nodes are available", `(?m)^web +6 +`},
	"5. The burst ends":       {"condition met"},
	"6. Others do not get it": {"condition met", "nodes hold headroom, none for this pod: consumers.podSelector of default/web does not match"},
}

// TestTheFirstSteps takes the steps of the page "Start in ten minutes", in their order, on a cluster as make sandbox makes it.
func TestTheFirstSteps(t *testing.T) {
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 12, Zones: 3}))
	_, err := c.RunHeadroomScheduler(t.Context(), cluster.MainScheduler)
	require.NoError(t, err)
	_, err = c.RunController(t.Context(), "--placeholder-scheduler-name=headroom-scheduler")
	require.NoError(t, err)

	shell := newShell(t, c)
	commands := map[string][]string{}
	var steps []string
	for _, block := range blocks(t) {
		if block.Page == startPage && taken.MatchString(block.Section) {
			if !slices.Contains(steps, block.Section) {
				steps = append(steps, block.Section)
			}
			commands[block.Section] = append(commands[block.Section], block.Commands()...)
		}
	}
	require.Equal(t, []string{"make sandbox"}, commands[steps[0]]) // that is this cluster
	require.Len(t, steps, len(said)+1)
	for _, step := range steps[1:] {
		require.Contains(t, said, step)
		take(t, shell, step, commands[step])
	}
}

// take runs the commands of a step, and looks at what they print. What only shows something is repeated until it is as said: events and
// status follow what they are about.
func take(t *testing.T, shell *shell, step string, commands []string) {
	t.Helper()
	printed := ""
	for _, command := range commands {
		out, err := shell.run(t, command)
		require.NoError(t, err, "%s\n%s", command, out)
		printed += out
		t.Logf("%s\n%s", command, out)
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		for _, command := range commands {
			if strings.HasPrefix(command, "kubectl get ") {
				out, err := shell.run(t, command)
				require.NoError(collect, err, out)
				printed += out
			}
		}
		for _, pattern := range said[step] {
			require.Regexp(collect, pattern, printed, step)
		}
	}, soon, 200*time.Millisecond)
}
