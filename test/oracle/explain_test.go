package oracle

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
)

// anywhere is a Judge for a profile without any other Filter and Score plugins.
type anywhere struct{}

func (anywhere) Accepts(string) bool                  { return true }
func (anywhere) AcceptsWithout(string, []string) bool { return true }
func (anywhere) Scores([]string) map[string]int64     { return nil }

// TestTheExplanationAgreesWithTheOracle is about what "kubectl headroom explain" prints.
func TestTheExplanationAgreesWithTheOracle(t *testing.T) {
	profile, err := explain.ReadProfile(t.Context(), "", "")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		c := Generate(t)
		c.MinScored = len(c.Nodes) // Only a running scheduler takes a sample of nodes that tie.
		consumer := c.object(c.Consumer, "")
		cluster, err := explain.New(c.explainObjects(), profile)
		require.NoError(t, err)
		options, misfits := cluster.Nodes(consumer)

		fitting := c.fitting(ownOnly)
		if len(fitting) == 0 && c.neverWaits() {
			fitting = c.fitting(everybodys)
		}
		explained := []string{}
		for _, option := range options {
			explained = append(explained, option.Evidence.Name)
		}
		require.ElementsMatch(t, fitting, explained, "%s", c)
		require.Len(t, misfits, len(c.Nodes)-len(fitting), "%s", c)
		switch expected := c.Expect(anywhere{}); {
		case len(expected.Free) > 0:
			require.Equal(t, slices.Sorted(slices.Values(expected.Free))[0], explained[0], "%s", c)
			require.Empty(t, options[0].Victims, "%s", c)
		case expected.Node != "":
			require.Equal(t, expected.Node, explained[0], "%s\n%s", c, expected)
			victims := []string{}
			for _, victim := range options[0].Victims {
				_, name, _ := strings.Cut(victim.Name, "/")
				victims = append(victims, name)
			}
			require.ElementsMatch(t, expected.Victims, victims, "%s", c)
		}
	})
}

// fitting are the nodes on which the consumer fits when placeholders within reach go.
func (c *Cluster) fitting(within reach) []string {
	var names []string
	for _, node := range c.Nodes {
		if _, fits := c.victims(node, within); fits {
			names = append(names, node.Name)
		}
	}
	return names
}

func (c *Cluster) explainObjects() explain.Objects {
	var objects explain.Objects
	for _, object := range c.objects() {
		switch object := object.(type) {
		case *corev1.Node:
			objects.Nodes = append(objects.Nodes, object)
		case *corev1.Namespace:
			objects.Namespaces = append(objects.Namespaces, object)
		case *corev1.Pod:
			objects.Pods = append(objects.Pods, object)
		case *appsv1.DaemonSet:
			objects.DaemonSets = append(objects.DaemonSets, object)
		}
	}
	for _, headroom := range c.Headrooms {
		objects.Headrooms = append(objects.Headrooms, headroom.object())
	}
	return objects
}
