package selection

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// fast marks a node as one that prefers("disk", "ssd") scores higher.
func fast(n *corev1.Node) *corev1.Node {
	n.Labels["disk"] = "ssd"
	return n
}

// TestTheScoreDecidesAmongEqualNodes whatever is known of the pod's class: first from plugins, then from what they said before.
func TestTheScoreDecidesAmongEqualNodes(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	spread := func(skew int, key string, action corev1.UnsatisfiableConstraintAction) *st.PodWrapper {
		return prefers("disk", "ssd").SpreadConstraint(skew, key, action, selector, nil, nil, nil, nil)
	}
	elsewhere := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}
	for name, pod := range map[string]*st.PodWrapper{
		"a pod":                      prefers("disk", "ssd"),
		"one that should spread":     spread(1, corev1.LabelHostname, corev1.ScheduleAnyway),
		"one that keeps off others":  prefers("disk", "ssd").PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithPreferredReq),
		"one of a class of its own":  prefers("disk", "ssd").Volume(elsewhere),
		"one that must spread":       spread(9, corev1.LabelTopologyZone, corev1.DoNotSchedule),
		"one that others keep apart": prefers("disk", "ssd").Label("app", "web"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1"), fast(node("c", "z", "1")), node("d", "z", "1")},
				unit(0, "a"), unit(1, "b"), unit(2, "c"), unit(3, "d"))
			for i := range 3 {
				swap := f.selected(t.Context(), t, pod.Obj())
				require.Equal(t, "c", swap.Node, "time %d", i)
				require.Contains(t, swap.Why, evictionorder.NodeScore.String())
			}
			f.requireSwap(t, prefers("disk", "hdd").Obj(), "a", "open-headroom-0")
		})
	}
}

// TestWhatSpreadsPodsIsAskedAnewForEach has a class of pods that should spread over nodes, and comes to be with every pod of it.
func TestWhatSpreadsPodsIsAskedAnewForEach(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	web := wants("1").Label("app", "web").
		SpreadConstraint(1, corev1.LabelTopologyZone, corev1.ScheduleAnyway, selector, nil, nil, nil, nil).Obj()
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "1"), node("b", "z-2", "1"), node("c", "z-1", "0")},
		unit(0, "a"), unit(1, "b"))
	f.requireSwap(t, web, "a", "open-headroom-0")
	for i := range 2 {
		f.assume(t, on("c", fmt.Sprint("web-", i), "0").Label("app", "web").Obj())
	}
	f.requireSwap(t, web, "b", "open-headroom-1")
}

func TestANodeIsScoredAnewWhenItChanges(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), fast(node("b", "z", "1"))}, unit(0, "a"), unit(1, "b"))
	pod := prefers("disk", "ssd").Obj()
	f.requireSwap(t, pod, "b", "open-headroom-1")
	f.relabel(t, "b", "disk", "hdd")
	f.relabel(t, "a", "disk", "ssd")
	f.requireSwap(t, pod, "a", "open-headroom-0")
}

func TestEqualScoresAreKeptOnce(t *testing.T) {
	said := func(n int) []fwk.PluginScore { return []fwk.PluginScore{{Name: "plugin", Score: int64(n)}} }
	c := &nodeCache{nodes: make([]nodeResult, recentRaws+3)}
	for i := range recentRaws {
		c.setRaw(i, said(i))
	}
	c.setRaw(recentRaws, said(0))
	require.Len(t, c.raws, recentRaws, "the oldest one that is looked at")
	c.setRaw(recentRaws+1, said(recentRaws))
	c.setRaw(recentRaws+2, said(0))
	require.Len(t, c.raws, recentRaws+2, "older ones are not looked for")
	for i := range recentRaws {
		require.Equal(t, said(i), c.raw(i))
	}
	for i, n := range []int{0, recentRaws, 0} {
		require.Equal(t, said(n), c.raw(recentRaws+i))
	}
}

// speechless is the framework of a profile whose plugins cannot score.
type speechless struct{ framework.Framework }

func (speechless) RunPreScorePlugins(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo) *fwk.Status {
	return fwk.AsStatus(errors.New("no score"))
}

func TestNamesDecideWhereScoresAreNotToBeHad(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), fast(node("b", "z", "1"))}, unit(0, "a"), unit(1, "b"))
	f.Profile = dryrun.NewProfile(speechless{f.framework}, proberName)
	f.requireSwap(t, prefers("disk", "ssd").Obj(), "a", "open-headroom-0")
}

// TestTheScoreIsAskedForOnlyWhereItDecides has one node that is nearer than the one with the higher score.
func TestTheScoreIsAskedForOnlyWhereItDecides(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), fast(node("b", "y-1", "1")), node("c", "x-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	pod := prefers("disk", "ssd").Annotation(v1alpha1.AnnotationNear, "app=db").Obj()
	swap := f.selected(t.Context(), t, pod)
	require.Equal(t, "a", swap.Node)
	require.Contains(t, swap.Why, evictionorder.NodeNearest.String())
}

func TestANodeThatScoresNoMoreThanTheOthersNowHasNoAdvantage(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), fast(node("b", "z", "1"))}, unit(0, "a"), unit(1, "b"))
	pod := prefers("disk", "ssd").Obj()
	f.requireSwap(t, pod, "b", "open-headroom-1")
	f.relabel(t, "b", "disk", "hdd")
	f.requireSwap(t, pod, "a", "open-headroom-0")
}

// TestWhatPodsKeepOffIsAskedAnewForEach has a class of pods that would rather not be where others are.
func TestWhatPodsKeepOffIsAskedAnewForEach(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	pod := wants("1").PodAntiAffinity(corev1.LabelTopologyZone, selector, st.PodAntiAffinityWithPreferredReq).Obj()
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "1"), node("b", "z-2", "1"), node("c", "z-1", "0")}, unit(0, "a"), unit(1, "b"))
	f.requireSwap(t, pod, "a", "open-headroom-0")
	f.assume(t, on("c", "web", "0").Label("app", "web").Obj())
	f.requireSwap(t, pod, "b", "open-headroom-1")
}

// TestScoresThatAreRememberedAreThoseOfAllPlugins however many of the nodes are asked about, and whatever comes to be on them meanwhile.
func TestScoresThatAreRememberedAreThoseOfAllPlugins(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	elsewhere := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}
	for name, pod := range map[string]*st.PodWrapper{
		"a pod": prefers("disk", "ssd"),
		"one that should spread": prefers("disk", "ssd").Label("app", "web").
			SpreadConstraint(1, corev1.LabelTopologyZone, corev1.ScheduleAnyway, selector, nil, nil, nil, nil),
		"one that keeps off others": prefers("disk", "ssd").
			PodAntiAffinity(corev1.LabelTopologyZone, selector, st.PodAntiAffinityWithPreferredReq),
		"one of a class of its own": prefers("disk", "ssd").Volume(elsewhere),
	} {
		t.Run(name, func(t *testing.T) {
			web := func(i int, node string) *corev1.Pod {
				return on(node, fmt.Sprint("web-", i), "500m").Label("app", "web").Obj()
			}
			f := newFixture(t, []*corev1.Node{node("a", "z-1", "4"), fast(node("b", "z-2", "4")), node("c", "z-2", "4"), node("d", "z-3", "4")},
				unit(0, "a"), unit(1, "b"), unit(2, "c"), unit(3, "d"), web(0, "a"), web(1, "a"), web(2, "b"), on("c", "x", "1").Obj())
			for i, asked := range [][]string{{"a", "b"}, {"a", "b", "c", "d"}, {"d", "b", "a"}, {"c", "d", "b"}} {
				f.assume(t, web(10+i, "d"))
				c := f.consumer(t, pod.Obj())
				run, nodes := f.run(t, c.Pod), f.Inventory.Nodes()
				cache := f.cacheFor(f.equivalenceClassOf(t.Context(), run, c), nodes)
				f.assess(c, cache)
				ch := &choice{selector: f.Selector, run: run, consumer: c, cache: cache, nodes: nodes}
				var indices []int
				for _, name := range asked {
					indices = append(indices, f.indexOf(name))
				}
				whole := f.run(t, c.Pod)
				require.True(t, whole.Start(t.Context()))
				want, err := whole.Score(t.Context(), ch.infos(indices))
				require.NoError(t, err)
				require.NoError(t, ch.score(t.Context(), indices))
				for j, i := range indices {
					require.Equal(t, want[j], ch.candidate(i).evidence.Score, "node %s of %v", asked[j], asked)
				}
			}
		})
	}
}

// unnormalized is the framework of a profile whose plugins score nodes, and cannot compare what they say.
type unnormalized struct{ framework.Framework }

func (unnormalized) NormalizeScores(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodePluginScores) *fwk.Status {
	return fwk.AsStatus(errors.New("no comparison"))
}

// wordless is the framework of a profile whose plugins cannot score a pod of which nothing is remembered.
type wordless struct{ framework.Framework }

func (wordless) RunScorePlugins(
	context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo,
) ([]fwk.NodePluginScores, *fwk.Status) {
	return nil, fwk.AsStatus(errors.New("not a word"))
}

// TestItIsToldWhyScoresAreNotToBeHad, and it is names that decide then.
func TestItIsToldWhyScoresAreNotToBeHad(t *testing.T) {
	elsewhere := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}
	for name, tc := range map[string]struct {
		pod  *st.PodWrapper
		with func(framework.Framework) framework.Framework
		want string
	}{
		"a pod whose scores would be remembered": {
			pod: prefers("disk", "ssd"), want: "no score",
			with: func(f framework.Framework) framework.Framework { return speechless{f} },
		},
		"one whose scores cannot be compared": {
			pod: prefers("disk", "ssd"), want: "no comparison",
			with: func(f framework.Framework) framework.Framework { return unnormalized{f} },
		},
		"one of a class of its own": {
			pod: prefers("disk", "ssd").Volume(elsewhere), want: "not a word",
			with: func(f framework.Framework) framework.Framework { return wordless{f} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1"), fast(node("b", "z", "1"))}, unit(0, "a"), unit(1, "b"))
			f.Profile = dryrun.NewProfile(tc.with(f.framework), proberName)
			c := f.consumer(t, tc.pod.Obj())
			run, nodes := f.run(t, c.Pod), f.Inventory.Nodes()
			cache := f.cacheFor(f.equivalenceClassOf(t.Context(), run, c), nodes)
			f.assess(c, cache)
			ch := &choice{selector: f.Selector, run: run, consumer: c, cache: cache, nodes: nodes}
			require.ErrorContains(t, ch.score(t.Context(), []int{0, 1}), tc.want)
			f.requireSwap(t, c.Pod, "a", "open-headroom-0")
		})
	}
}
