package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOwnPlaceholdersGoBesideRunningPodsThatLeave is of what was drawn at random once: neither do the placeholders alone make the room, nor
// does the running pod that leaves. What is preempted for that is kube-scheduler's choice, among the placeholders that entitle the consumer.
func TestOwnPlaceholdersGoBesideRunningPodsThatLeave(t *testing.T) {
	profile, server := shipped(t), startHeadroomServer(t)
	besideLeaving := Expectation{Leaving: []string{"n0"}}
	for name, test := range map[string]struct {
		consumers *Consumers
		stays     bool
		nominated string
		expected  Expectation
	}{
		"placeholders that are open to all":  {nominated: "n0", expected: besideLeaving},
		"placeholders that name the pod":     {consumers: &Consumers{Namespaces: "red"}, nominated: "n0", expected: besideLeaving},
		"not those of others":                {consumers: &Consumers{Namespaces: "blue"}},
		"nor without one that leaves":        {consumers: &Consumers{Namespaces: "blue"}, stays: true},
		"own ones also if the pod has to go": {stays: true, nominated: "n0", expected: Expectation{RunningGo: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core := Amounts{CPU: 1000}
			unit := Pod{Namespace: "batch", Node: "n0", Size: core, Priority: -10}
			first, second, stray := unit, unit, unit
			first.Name, first.UID = "first", "uid-first"
			second.Name, second.UID = "second", "uid-second"
			stray.Name, stray.UID, stray.Stray, stray.Terminating = "stray", "uid-stray", true, !test.stays
			c := &Cluster{
				Teams:     map[string]string{"batch": "blue", "shop": "red"},
				Nodes:     []Node{{Name: "n0", Zone: "a", Size: Amounts{CPU: 4000, Memory: 8192}, Pods: 110}},
				MinScored: 1,
				Headrooms: []Headroom{{Namespace: "batch", Name: "hr", Size: core, Priority: -10, Consumers: test.consumers}},
				Pods: []Pod{
					first, second, stray,
					{Namespace: "shop", Name: "running", UID: "uid-running", Node: "n0", Size: core, Priority: 10, Headroom: -1},
				},
				Consumer: Pod{Namespace: "shop", Name: "consumer", UID: "uid-consumer", Size: Amounts{CPU: 3000}, Priority: -1, Headroom: -1},
			}
			run, err := tested(t, c, profile, server).Simulate(c)
			require.NoError(t, err)
			require.Equal(t, test.expected, run.Steps[0].Expected, "%s", run)
			require.Equal(t, test.nominated, run.Steps[0].Outcome.Nominated, "%s", run)
			checkStep(t, run.Steps[0], run)
			checkEvictions(t, c, run)
		})
	}
}
