package selection

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

func TestTheClassThatCameUpLongestAgoMakesRoomForAnother(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	f.consumer(t, wants("1").Obj())
	of := func(class int) *nodeCache {
		return f.cacheFor(equivalenceClass{key: fmt.Sprint(class)}, f.Inventory.Nodes())
	}
	first, second := of(0), of(1)
	for class := 2; class < maxCaches; class++ {
		of(class)
	}
	require.Same(t, first, of(0))
	require.Same(t, second, of(maxCaches), "no more than so many are kept")
	require.Equal(t, fmt.Sprint(maxCaches), second.key)
	require.Same(t, first, of(0))
	require.Len(t, f.caches, maxCaches)
}

func TestWhatForeignPluginsSaidIsReusedForMomentsOnly(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	f.consumer(t, wants("1").Obj())
	f.Profile = dryrun.NewProfile(f.framework, "another") // so that the prober is a plugin that nobody knows
	require.False(t, f.Profile.InTreeOnly())
	created := func() time.Time { return f.cacheFor(equivalenceClass{key: "key"}, f.Inventory.Nodes()).created }
	first := created()
	f.clock.Step(maxForeignAge)
	require.Equal(t, first, created())
	f.clock.Step(time.Nanosecond)
	require.NotEqual(t, first, created())
}
