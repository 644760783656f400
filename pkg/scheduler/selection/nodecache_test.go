package selection

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/pkg/nearness"
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

// TestWhatWasFoundOutIsKeptAsLongAsNothingChangesThatItReliesOn has a class of pods whose plugins read the node alone, and one of pods with
// an affinity, which plugins are asked about anew anyway.
func TestWhatWasFoundOutIsKeptAsLongAsNothingChangesThatItReliesOn(t *testing.T) {
	for name, tc := range map[string]struct {
		change            func(t *testing.T, f *fixture)
		kept, keptForPods bool
	}{
		"nothing changed": {change: func(*testing.T, *fixture) {}, kept: true, keptForPods: true},
		"a pod came": {
			change: func(t *testing.T, f *fixture) { f.assume(t, on("a", "x", "1").Obj()) }, kept: true, keptForPods: true,
		},
		"a pod with terms came":     {change: func(t *testing.T, f *fixture) { f.assume(t, aloofOn("a")) }, keptForPods: true},
		"what Headrooms say":        {change: func(t *testing.T, f *fixture) { require.NoError(t, f.Catalog.Set(forApp("open", "web"))) }},
		"which Headrooms there are": {change: func(t *testing.T, f *fixture) { require.NoError(t, f.Catalog.Set(hr("another", "1"))) }},
		"another class came up": {
			change: func(_ *testing.T, f *fixture) { f.cacheFor(equivalenceClass{key: "another"}, f.Inventory.Nodes()) },
			kept:   true, keptForPods: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
			f.refresh(t)
			alone, affine := equivalenceClass{key: "alone"}, equivalenceClass{key: "affine", podAffinity: true}
			created := func(class equivalenceClass) time.Time { return f.cacheFor(class, f.Inventory.Nodes()).created }
			before := created(alone)
			require.Equal(t, before, created(affine))
			f.clock.Step(time.Millisecond)
			tc.change(t, f)
			f.refresh(t)
			require.Equal(t, tc.kept, created(alone).Equal(before))
			require.Equal(t, tc.keptForPods, created(affine).Equal(before))
		})
	}
}

// aloofOn is a pod on a node that keeps off others of an app.
func aloofOn(node string) *corev1.Pod {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	return on(node, "aloof", "0").PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq).Obj()
}

func TestNothingIsLeftOfWhatIsFoundOutAnew(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			c := &nodeCache{nodes: make([]nodeResult, 2), raws: [][]fwk.PluginScore{{}}, anchors: nearness.New(nil)}
			for i := range c.nodes {
				c.nodes[i].revision, c.nodes[i].proximity.revision = 7, 7
			}
			class := equivalenceClass{key: "key", crossNode: true}
			c.reset(class, time.Unix(9, 0), dependencies{catalog: 1}, nodes)
			require.Len(t, c.nodes, nodes)
			for i := range c.nodes {
				require.Zero(t, c.nodes[i].revision, "a node has a revision from 1 on, so this is read anew")
				require.Zero(t, c.nodes[i].proximity.revision)
			}
			require.Empty(t, c.raws)
			require.Nil(t, c.anchors)
			require.Equal(t, class, c.equivalenceClass)
			require.Equal(t, dependencies{catalog: 1}, c.dependencies)
		})
	}
}

func TestPodsInAClassOfTheirOwnLeaveNothingBehind(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	f.refresh(t)
	first := f.cacheFor(equivalenceClass{crossNode: true}, f.Inventory.Nodes())
	first.nodes[0].revision = 7
	require.Empty(t, f.caches)
	require.Zero(t, f.cacheFor(equivalenceClass{}, f.Inventory.Nodes()).nodes[0].revision)
}
