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

func TestReservations(t *testing.T) {
	noneLeft := func(types.UID) bool { return false }
	for name, tc := range map[string]struct {
		do   func(r *Reservations)
		want bool
	}{
		"nothing is reserved at first":       {do: func(*Reservations) {}},
		"a victim is reserved":               {do: func(r *Reservations) { r.Reserve("p", victims("v")) }, want: true},
		"a victim that is given back is not": {do: func(r *Reservations) { r.Reserve("p", victims("v")); r.Release("p", victims("v")) }},
		"giving back twice is no harm":       {do: func(r *Reservations) { r.Release("p", victims("v")); r.Release("p", victims("v")) }},
		"a shared victim stays reserved by the other": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.Reserve("q", victims("v"))
			r.Release("p", victims("v"))
		}, want: true},
		"a deleted victim stays reserved after its release": {do: func(r *Reservations) { r.Reserve("p", victims("v")); r.Gone("v"); r.Release("p", victims("v")) }, want: true},
		"until the scheduler's cache has lost it": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.Gone("v")
			r.Release("p", victims("v"))
			r.ObserveNode("n", noneLeft)
		}},
		"but not before": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.Gone("v")
			r.Release("p", victims("v"))
			r.ObserveNode("n", func(types.UID) bool { return true })
		}, want: true},
		"nor while it is still reserved": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.Gone("v")
			r.ObserveNode("n", noneLeft)
		}, want: true},
		"a reservation outlives the node, but no longer than the consumer needs it": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.ObserveNode("n", noneLeft)
			r.Gone("v")
			r.Release("p", victims("v"))
		}},
		"and not if the node came back with the victim": {do: func(r *Reservations) {
			r.Reserve("p", victims("v"))
			r.ObserveNode("n", noneLeft)
			r.ObserveNode("n", func(types.UID) bool { return true })
			r.Gone("v")
			r.Release("p", victims("v"))
		}, want: true},
		"the scheduler's cache may lose placeholders of other nodes": {do: func(r *Reservations) {
			other := victims("w")
			other[0].Spec.NodeName = "m"
			r.Reserve("q", other)
			r.Reserve("p", victims("v"))
			r.Gone("v")
			r.Release("p", victims("v"))
			r.ObserveNode("m", noneLeft)
		}, want: true},
		"the end of other pods is no matter": {do: func(r *Reservations) { r.Gone("v"); r.ObserveNode("n", noneLeft) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReservations(func(string) {})
			tc.do(r)
			require.Equal(t, tc.want, r.Reserved("v"))
		})
	}
}

func TestTheOtherReservationsOfANodeAreLookedAtWhenOneIsDropped(t *testing.T) {
	r := NewReservations(func(string) {})
	both := victims("v", "w")
	r.Reserve("p", both)
	r.Gone("w")
	r.Release("p", both)
	require.False(t, r.Reserved("v"))
	require.True(t, r.Reserved("w"))
	r.ObserveNode("n", func(types.UID) bool { return false })
	require.False(t, r.Reserved("w"))
	require.Empty(t, r.onNode, "nothing is kept of a node without reservations")
}

func TestTheNodeOfAReservationIsLookedAtAnew(t *testing.T) {
	var nodes []string
	r := NewReservations(func(node string) { nodes = append(nodes, node) })
	r.Reserve("p", victims("v"))
	require.Equal(t, []string{"n"}, nodes)
	r.Reserve("q", victims("v"))
	require.Len(t, nodes, 1, "it was reserved already")
	r.Release("p", victims("v"))
	r.Release("q", victims("v"))
	require.Len(t, nodes, 2)
}

func TestAPlaceholderThatWentAtTheLastMomentDoesNotCountAsOneThatStays(t *testing.T) {
	r := NewReservations(func(string) {})
	r.Reserve("p", victims("v"))
	reserved := r.get("v")
	r.noteStayed("v", reserved)
	require.True(t, r.Stays("v"))
	r.Gone("v")
	require.False(t, r.Stays("v"))
	r.noteStayed("v", reserved)
	require.False(t, r.Stays("v"), "nobody would ever tell again that it is gone")
}

func TestWhatIsReservedIsListedWithItsConsumers(t *testing.T) {
	r := NewReservations(func(string) {})
	require.Equal(t, []Reserved{}, r.List())
	r.Reserve("q", victims("v"))
	r.Reserve("p", victims("v", "u"))
	r.noteStayed("s", &reservation{node: "n", gone: make(chan struct{})})
	require.Equal(t, []Reserved{
		{Placeholder: "s", Stays: true},
		{Placeholder: "u", Node: "n", Consumers: []types.UID{"p"}},
		{Placeholder: "v", Node: "n", Consumers: []types.UID{"p", "q"}},
	}, r.List())
	r.noteStayed("u", r.get("u"))
	require.Equal(t, []Reserved{
		{Placeholder: "s", Stays: true},
		{Placeholder: "u", Node: "n", Consumers: []types.UID{"p"}, Stays: true},
		{Placeholder: "v", Node: "n", Consumers: []types.UID{"p", "q"}},
	}, r.List(), "each once, also one that stays and is reserved")
	r.Gone("u")
	r.ObserveNode("n", func(uid types.UID) bool { return uid != "u" })
	r.Gone("v")
	r.Release("p", victims("v", "u"))
	r.Release("q", victims("v"))
	require.Equal(t, []Reserved{{Placeholder: "s", Stays: true}, {Placeholder: "v", Node: "n"}}, r.List(), "deleted, and not yet seen to be gone")
}

// TestAPlaceholderThatStaysIsKnownAlsoWhenNobodyWaitsForItAnyMore, until it is gone: the next pod would wait for it once more.
func TestAPlaceholderThatStaysIsKnownAlsoWhenNobodyWaitsForItAnyMore(t *testing.T) {
	r := NewReservations(func(string) {})
	r.Reserve("p", victims("v", "w"))
	r.noteStayed("v", r.get("v"))
	r.Release("p", victims("v", "w"))
	require.True(t, r.Stays("v"))
	require.False(t, r.Stays("w"))
	require.Equal(t, []Reserved{{Placeholder: "v", Stays: true}}, r.List())
	r.Gone("v")
	require.False(t, r.Stays("v"))
}

func TestWhatIsReservedIsGivenBackBesideWhatIsNot(t *testing.T) {
	r := NewReservations(func(string) {})
	r.Reserve("p", victims("v", "w"))
	r.Release("p", victims("other", "v", "another", "w"))
	require.Empty(t, r.List())
}
