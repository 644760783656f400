package eviction

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
)

func victims(uids ...string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, uid := range uids {
		pods = append(pods, builders.Consumer(uid, nil).UID(uid).Node("n").Obj())
	}
	return pods
}

func TestClaims(t *testing.T) {
	noneLeft := func(types.UID) bool { return false }
	for name, tc := range map[string]struct {
		do   func(c *Claims)
		want bool
	}{
		"nothing is claimed at first":                      {do: func(*Claims) {}},
		"a victim is claimed":                              {do: func(c *Claims) { c.Claim("p", victims("v")) }, want: true},
		"a victim that is given back is not":               {do: func(c *Claims) { c.Claim("p", victims("v")); c.Release("p", victims("v")) }},
		"giving back twice is no harm":                     {do: func(c *Claims) { c.Release("p", victims("v")); c.Release("p", victims("v")) }},
		"a shared victim stays claimed by the other":       {do: func(c *Claims) { c.Claim("p", victims("v")); c.Claim("q", victims("v")); c.Release("p", victims("v")) }, want: true},
		"a deleted victim stays claimed after its release": {do: func(c *Claims) { c.Claim("p", victims("v")); c.Gone("v"); c.Release("p", victims("v")) }, want: true},
		"until the scheduler's cache has lost it": {do: func(c *Claims) {
			c.Claim("p", victims("v"))
			c.Gone("v")
			c.Release("p", victims("v"))
			c.Missing("n", noneLeft)
		}},
		"but not before": {do: func(c *Claims) {
			c.Claim("p", victims("v"))
			c.Gone("v")
			c.Release("p", victims("v"))
			c.Missing("n", func(types.UID) bool { return true })
		}, want: true},
		"nor while it is still promised": {do: func(c *Claims) {
			c.Claim("p", victims("v"))
			c.Gone("v")
			c.Missing("n", noneLeft)
		}, want: true},
		"a promise outlives the node, but no longer than the consumer needs it": {do: func(c *Claims) {
			c.Claim("p", victims("v"))
			c.Missing("n", noneLeft)
			c.Gone("v")
			c.Release("p", victims("v"))
		}},
		"and not if the node came back with the victim": {do: func(c *Claims) {
			c.Claim("p", victims("v"))
			c.Missing("n", noneLeft)
			c.Missing("n", func(types.UID) bool { return true })
			c.Gone("v")
			c.Release("p", victims("v"))
		}, want: true},
		"the end of other pods is no matter": {do: func(c *Claims) { c.Gone("v"); c.Missing("n", noneLeft) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewClaims(func(string) {})
			tc.do(c)
			require.Equal(t, tc.want, c.Claimed("v"))
		})
	}
}

func TestTheNodeOfAClaimIsLookedAtAnew(t *testing.T) {
	var nodes []string
	c := NewClaims(func(node string) { nodes = append(nodes, node) })
	c.Claim("p", victims("v"))
	require.Equal(t, []string{"n"}, nodes)
	c.Claim("q", victims("v"))
	require.Len(t, nodes, 1, "it was claimed already")
	c.Release("p", victims("v"))
	c.Release("q", victims("v"))
	require.Len(t, nodes, 2)
}
