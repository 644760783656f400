package observer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/fit"
	"github.com/headroom-dev/headroom/test/observer"
)

// timed tells a history in which time passes.
type timed struct {
	history observer.History
	now     time.Duration
}

func (s *timed) tell(e observer.Event) *timed {
	e.Revision, e.At = uint64(len(s.history)+1), builders.Epoch().Add(s.now)
	s.history = append(s.history, e)
	return s
}

func (s *timed) after(d time.Duration) *timed {
	s.now += d
	return s
}

func (s *timed) node(node *corev1.Node) *timed {
	return s.tell(observer.Event{Type: watch.Added, Node: node})
}

func (s *timed) pod(kind watch.EventType, pod *corev1.Pod) *timed {
	pod = pod.DeepCopy()
	pod.UID = uidOf(pod.Name)
	return s.tell(observer.Event{Type: kind, Pod: pod})
}

func uidOf(name string) types.UID { return types.UID("00000000-0000-0000-0000-" + name) }

func (s *timed) preempted(victim, preemptor string) *timed {
	return s.tell(observer.Event{Type: watch.Added, Report: &eventsv1.Event{
		Reason: "Preempted", Regarding: corev1.ObjectReference{UID: uidOf(victim)}, Note: "Preempted by pod " + string(uidOf(preemptor)) + " on node small",
	}})
}

// end tells something without importance, so that what is old enough is judged.
func (s *timed) end() *timed {
	return s.after(10 * time.Second).node(builders.Node("last", "", builders.Resources{"cpu": "1m"}).Obj())
}

func marked(pod *corev1.Pod) *corev1.Pod {
	pod = withCondition(pod, corev1.PodReasonPreemptionByScheduler)
	pod.Status.Conditions[len(pod.Status.Conditions)-1].Message = "default-scheduler: preempting to accommodate a higher priority pod"
	return pod
}

func nominated(pod *corev1.Pod, node string) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.NominatedNodeName = node
	pod.Spec.SchedulerName = "default-scheduler"
	return pod
}

func withPriority(pod *corev1.Pod, priority int32) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.Priority = &priority
	return pod
}

// spread has a pod keep to a spread over zones of all pods that do.
func spread(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	metav1.SetMetaDataLabel(&pod.ObjectMeta, "spread", "zones")
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"spread": "zones"}},
	}}
	return pod
}

// ofDaemonSet makes a placeholder one of a DaemonSet that nobody knows.
func ofDaemonSet(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.OwnerReferences[0].APIVersion, pod.OwnerReferences[0].Kind = "apps/v1", "DaemonSet"
	return pod
}

func took(pod *corev1.Pod, uids string) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Annotations = map[string]string{"headroom.dev/took": uids}
	return pod
}

func properties(violations []observer.Violation) []string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Property)
	}
	return all
}

func TestNoHoleIsFilledTwice(t *testing.T) {
	second := builders.Placeholder(builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").UID("spare").Obj(), 1)
	late := func(node string) *corev1.Pod { return second.Node(node).Obj() }
	full := func() *timed {
		return new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, placeholder("small"))
	}
	hole := func() *timed {
		return full().pod(watch.Added, nominated(web("b", "", "1"), "")).pod(watch.Modified, marked(placeholder("small"))).
			preempted(placeholder("small").Name, "b").pod(watch.Deleted, marked(placeholder("small")))
	}
	for name, tc := range map[string]struct {
		story     *timed
		want      []string
		restarted bool // between the hole and the bind
		blind     bool // for three seconds after whatever happens
	}{
		"a unit in the hole of a preemption": {
			story: full().pod(watch.Modified, marked(placeholder("small"))).pod(watch.Deleted, marked(placeholder("small"))).
				pod(watch.Modified, late("small")),
			want: []string{"P15"},
		},
		"a unit in the hole that a running pod left": {
			story: full().pod(watch.Modified, marked(web("a", "small", "1"))).pod(watch.Deleted, marked(web("a", "small", "1"))).
				pod(watch.Modified, late("small")),
			want: []string{"P15"},
		},
		"a unit in room that was promised to a nominated pod": {
			story: full().pod(watch.Modified, nominated(web("b", "", "1"), "small")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))).pod(watch.Modified, late("small")),
			want: []string{"P15"},
		},
		"a hole that nobody came for in half a minute is room like any other": {
			story: full().pod(watch.Modified, marked(placeholder("small"))).pod(watch.Deleted, marked(placeholder("small"))).
				after(31*time.Second).pod(watch.Modified, late("small")),
		},
		"a hole of before a restart, which the scheduler knows nothing of": {
			story: full().pod(watch.Modified, marked(placeholder("small"))).pod(watch.Deleted, marked(placeholder("small"))).
				after(17*time.Second).pod(watch.Modified, late("small")),
			restarted: true,
		},
		"a nomination on which nothing changed for minutes counts no longer": {
			story: full().pod(watch.Modified, nominated(web("b", "", "1"), "small")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))).after(6*time.Minute).pod(watch.Modified, late("small")),
		},
		"free room, decided just before another pod was nominated to it": {
			story: new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Modified, nominated(web("b", "", "1"), "small")).
				after(time.Millisecond).pod(watch.Modified, late("small")),
		},
		"free room, to which another pod has long been nominated": {
			story: new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Modified, nominated(web("b", "", "1"), "small")).
				after(2*time.Second).pod(watch.Modified, late("small")),
			want: []string{"P15"},
		},
		"free room, to which another pod was nominated while the watches were cut": {
			story: new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Modified, nominated(web("b", "", "1"), "small")).
				after(2*time.Second).pod(watch.Modified, late("small")),
			blind: true,
		},
		"free room, to which another pod was nominated before the watches were cut": {
			story: new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Modified, nominated(web("b", "", "1"), "small")).
				after(5*time.Second).pod(watch.Modified, late("small")),
			want: []string{"P15"}, blind: true,
		},
		"a hole whose preemptor waits, and may still come": {
			story: hole().pod(watch.Modified, late("small")), want: []string{"P15"},
		},
		"a hole whose preemptor goes to another node": {
			story: hole().pod(watch.Modified, nominated(web("b", "", "1"), "other")).pod(watch.Modified, late("small")),
		},
		"a hole whose preemptor is gone": {
			story: hole().pod(watch.Deleted, nominated(web("b", "", "1"), "")).pod(watch.Modified, late("small")),
		},
		"a hole whose preemptor was nominated and gone before the victim was marked": {
			story: full().pod(watch.Added, nominated(web("b", "", "1"), "small")).pod(watch.Deleted, nominated(web("b", "", "1"), "small")).
				pod(watch.Modified, marked(placeholder("small"))).pod(watch.Deleted, marked(placeholder("small"))).
				pod(watch.Modified, late("small")),
		},
		"a hole that was made long after another pod had been nominated and gone": {
			story: full().pod(watch.Added, nominated(web("b", "", "1"), "small")).after(6*time.Second).
				pod(watch.Deleted, nominated(web("b", "", "1"), "small")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))).pod(watch.Modified, late("small")),
			want: []string{"P15"},
		},
		"room of a preemptor that was bound and is gone": {
			story: full().pod(watch.Added, nominated(web("b", "", "1"), "")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))).pod(watch.Modified, nominated(web("b", "small", "1"), "")).
				pod(watch.Deleted, nominated(web("b", "small", "1"), "")).pod(watch.Modified, late("small")),
		},
		"room beside the hole": {
			story: new(timed).node(small()).pod(watch.Added, placeholder("small")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))).pod(watch.Modified, late("small")),
		},
		"room beside the hole while the victim still goes, and its preemptor is nominated": {
			story: new(timed).node(small()).pod(watch.Added, placeholder("small")).pod(watch.Modified, nominated(web("b", "", "1"), "small")).
				pod(watch.Modified, marked(placeholder("small"))).pod(watch.Modified, late("small")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, properties(observer.Check(t.Context(), tc.story.end().history, observer.Rules{
				Holes: true, MayBePreempted: func(*corev1.Pod) bool { return true }, MayVanish: func(*corev1.Pod) bool { return true },
				Restarted: func(from, to time.Time) bool { return tc.restarted && to.Sub(from) == 17*time.Second },
				SeenBy: func(at time.Time) time.Time {
					if tc.blind {
						return at.Add(3 * time.Second)
					}
					return at
				},
			})))
		})
	}
}

func TestNothingDiesForEmptyRoom(t *testing.T) {
	large := builders.Node("large", "a", builders.Resources{"cpu": "2"}).Obj()
	urgent := func(node, cpu string) *corev1.Pod { return withPriority(spread(web("u", node, cpu)), 1000) }
	crowd := func() *timed {
		return new(timed).node(small()).node(large).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, web("b", "small", "1")).
			pod(watch.Added, web("c", "large", "1")).after(time.Minute).pod(watch.Added, placeholder("large"))
	}
	alone := func() *timed {
		return new(timed).node(small()).node(large).pod(watch.Added, web("a", "small", "2")).pod(watch.Added, web("c", "large", "1")).
			after(time.Minute).pod(watch.Added, placeholder("large")).after(time.Minute)
	}
	diesFor := func(s *timed, victim, cpu string) *timed {
		return s.pod(watch.Added, urgent("", cpu)).pod(watch.Modified, marked(web("a", "small", victim))).preempted("a", "u").
			pod(watch.Deleted, marked(web("a", "small", victim))).pod(watch.Modified, urgent("small", cpu))
	}
	dies := func(s *timed) *timed { return diesFor(s, "1", "1") }
	// skewed has three pods of a spread constraint in the zone of the placeholder, and two in the other one.
	skewed := func() *timed {
		return new(timed).node(small()).node(builders.Node("wide", "b", builders.Resources{"cpu": "4", "memory": "4Gi", "pods": "9"}).Obj()).
			node(builders.Node("elsewhere", "a", builders.Resources{"cpu": "2", "memory": "4Gi", "pods": "9"}).Obj()).
			pod(watch.Added, spread(web("a", "small", "1"))).pod(watch.Added, spread(web("b", "small", "1"))).
			pod(watch.Added, spread(web("c", "wide", "1"))).pod(watch.Added, spread(web("d", "wide", "1"))).
			pod(watch.Added, spread(web("e", "wide", "1"))).pod(watch.Added, placeholder("wide")).
			pod(watch.Added, web("f", "elsewhere", "1500m")).after(time.Minute)
	}
	for name, tc := range map[string]struct {
		story *timed
		want  []string
		late  time.Duration // how much later than it happens the scheduler sees everything
	}{
		"a running pod died although a placeholder held the room elsewhere": {dies(crowd().after(time.Minute)), []string{"P12"}, 0},
		"the placeholder came a while ago":                                  {dies(crowd().after(5 * time.Second)), []string{"P12"}, 0},
		"the scheduler cannot have seen the placeholder":                    {dies(crowd().after(5 * time.Second)), nil, 4 * time.Second},
		"the placeholder had only just come":                                {dies(crowd().after(time.Second)), nil, 0},
		"the placeholder is gone as well, for another pod": {
			dies(crowd().after(time.Minute)).pod(watch.Deleted, placeholder("large")).pod(watch.Modified, web("d", "large", "1")), nil, 0},
		"the placeholder is of no lower priority": {
			dies(new(timed).node(small()).node(large).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, web("b", "small", "1")).
				pod(watch.Added, web("c", "large", "1")).pod(watch.Added, withPriority(placeholder("large"), 1000)).after(time.Minute)), nil, 0},
		"a pod that was nominated there waited for it until it went itself": {
			dies(crowd().after(time.Minute).pod(watch.Added, nominated(withPriority(web("n", "", "1"), 1000), "large"))).
				pod(watch.Deleted, nominated(withPriority(web("n", "", "1"), 1000), "large")), nil, 0},
		"only since pods were bound elsewhere does a spread constraint allow the node of the placeholder": {
			dies(skewed()).
				pod(watch.Added, spread(web("g", "elsewhere", "200m"))).pod(watch.Added, spread(web("h", "elsewhere", "200m"))), nil, 0},
		"only if pods count that are nominated elsewhere does a spread constraint allow the node of the placeholder": {
			dies(skewed().pod(watch.Added, nominated(withPriority(spread(web("g", "", "200m")), 1000), "elsewhere")).
				pod(watch.Added, nominated(withPriority(spread(web("h", "", "200m")), 1000), "elsewhere")).after(time.Minute)), nil, 0},
		"the pod was made smaller only after that": {
			diesFor(alone(), "2", "2").pod(watch.Modified, urgent("small", "1")), nil, 0},
		"another pod was made smaller just before": {
			diesFor(alone().pod(watch.Modified, web("c", "large", "500m")).after(time.Second), "2", "1500m"), nil, 0},
		"another pod was made smaller twice just before": {
			diesFor(alone().pod(watch.Modified, web("c", "large", "750m")).after(time.Second).pod(watch.Modified, web("c", "large", "500m")), "2", "1200m"), nil, 0},
		"another pod was made smaller a while ago": {
			diesFor(alone().pod(watch.Modified, web("c", "large", "500m")).after(5*time.Second), "2", "1500m"), []string{"P12"}, 0},
		"no placeholder anywhere": {
			dies(new(timed).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, web("b", "small", "1")).after(time.Minute)), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			oracle, err := fit.New(t.Context())
			require.NoError(t, err)
			rules := observer.Rules{MayBePreempted: func(*corev1.Pod) bool { return true }}
			rules.SeenBy = func(at time.Time) time.Time { return at.Add(tc.late) }
			rules.Places = func(ctx context.Context, pod *corev1.Pod, nodes []*corev1.Node, others []*corev1.Pod, out func(*corev1.Pod) bool) ([]string, error) {
				return oracle.Nodes(ctx, pod, fit.Cluster{Nodes: nodes, Pods: others}, out)
			}
			require.Equal(t, tc.want, properties(observer.Check(t.Context(), tc.story.end().history, rules)))
		})
	}
}

// TestKubeSchedulerPreemptsPodsOfTheLowestPriority: of such a pod no more is asked than that it takes placeholders of lower priority first.
func TestKubeSchedulerPreemptsPodsOfTheLowestPriority(t *testing.T) {
	large := builders.Node("large", "a", builders.Resources{"cpu": "1"}).Obj()
	oracle, err := fit.New(t.Context())
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		priority int32 // of the placeholder; the pod that died has 0
		stock    bool
		want     []string
	}{
		"a placeholder of lower priority":                           {priority: -1, stock: true, want: []string{"P12"}},
		"a placeholder of no lower priority than the pod that died": {priority: 0, stock: true},
		"the same, and a scheduler of the project":                  {priority: 0, want: []string{"P12"}},
	} {
		t.Run(name, func(t *testing.T) {
			story := new(timed).node(small()).node(large).pod(watch.Added, web("a", "small", "2")).
				pod(watch.Added, withPriority(placeholder("large"), tc.priority)).after(time.Minute).
				pod(watch.Added, withPriority(web("u", "", "1"), 1000)).pod(watch.Modified, marked(web("a", "small", "2"))).preempted("a", "u").
				pod(watch.Deleted, marked(web("a", "small", "2"))).pod(watch.Modified, withPriority(web("u", "small", "1"), 1000))
			require.Equal(t, tc.want, properties(observer.Check(t.Context(), story.end().history, observer.Rules{
				MayBePreempted: func(*corev1.Pod) bool { return true }, Stock: func(string) bool { return tc.stock },
				Places: func(ctx context.Context, pod *corev1.Pod, nodes []*corev1.Node, others []*corev1.Pod, out func(*corev1.Pod) bool) ([]string, error) {
					return oracle.Nodes(ctx, pod, fit.Cluster{Nodes: nodes, Pods: others}, out)
				},
			})))
		})
	}
}

func TestTheAccountAddsUp(t *testing.T) {
	unit := string(uidOf(placeholder("").Name))
	swapOf := func(victim *corev1.Pod) *timed {
		return new(timed).node(small()).pod(watch.Added, victim).pod(watch.Added, web("b", "", "2")).pod(watch.Deleted, victim)
	}
	swap := func() *timed { return swapOf(placeholder("small")) }
	reserved := func() *timed {
		held := withPriority(placeholder("small"), 1_000_000)
		held.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
		return swapOf(held)
	}
	yes := func(time.Time) bool { return true }
	for name, tc := range map[string]struct {
		story     *timed
		evicted   bool
		names     bool // the Headroom names the pod
		abandoned func(time.Time) bool
		early     []string // found before the end
		want      []string
	}{
		"credited to the pod that took it":         {story: swap().pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true},
		"credited to nobody":                       {story: swap().pod(watch.Modified, web("b", "small", "2")), evicted: true, want: []string{"P13"}},
		"abandoned by a scheduler that was killed": {story: swap(), evicted: true, abandoned: yes},
		"credited twice": {story: swap().pod(watch.Modified, took(web("b", "small", "1"), unit)).pod(watch.Modified, took(web("c", "small", "1"), unit)),
			evicted: true, want: []string{"P13"}},
		"credited although nobody evicted it": {story: swap().pod(watch.Modified, took(web("b", "small", "2"), unit)), want: []string{"P13"}},
		"deleted by somebody else":            {story: swap().pod(watch.Modified, web("b", "small", "2"))},
		"taken by a pod of no higher priority": {story: swap().pod(watch.Modified, withPriority(took(web("b", "small", "2"), unit), -5)), evicted: true,
			early: []string{"P1"}},
		"reserved, and taken by a pod that it is for": {story: reserved().pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true,
			names: true},
		"reserved, and taken by another": {story: reserved().pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true,
			early: []string{"P1"}},
		"preempted, which has an account of its own": {
			story: new(timed).node(small()).pod(watch.Added, placeholder("small")).pod(watch.Modified, marked(placeholder("small"))).
				pod(watch.Deleted, marked(placeholder("small"))), evicted: true},
		"deleted for nobody, as more is bound to its node than that has": {story: swapOf(withCondition(placeholder("small"), "OvercommittedNode")), evicted: true},
		"the same, and taken at the same time": {
			story: swapOf(withCondition(placeholder("small"), "OvercommittedNode")).pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true},
		"preempted and taken at the same time": {
			story: swapOf(marked(placeholder("small"))).pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true},
		"of a DaemonSet that is gone by then, and credited to the pod that took it": {
			story: swapOf(ofDaemonSet(placeholder("small"))).pod(watch.Modified, took(web("b", "small", "2"), unit)), evicted: true},
		"of a DaemonSet that is gone by then, and credited to nobody": {
			story: swapOf(ofDaemonSet(placeholder("small"))), evicted: true, want: []string{"P13"}},
	} {
		t.Run(name, func(t *testing.T) {
			replay := observer.NewReplay(observer.Rules{
				Names:   func(_, _ *corev1.Pod) bool { return tc.names },
				Evicted: func(*corev1.Pod) bool { return tc.evicted }, MayVanish: func(*corev1.Pod) bool { return true },
			})
			var early []string
			for _, event := range tc.story.history {
				early = append(early, properties(replay.Observe(t.Context(), event))...)
			}
			require.Equal(t, tc.early, early)
			require.Equal(t, tc.want, properties(replay.Account(tc.abandoned)))
		})
	}
}

func TestARaceOfTwoSchedulersIsToldApart(t *testing.T) {
	other := func(node string) *corev1.Pod {
		pod := web("b", node, "2")
		pod.Spec.SchedulerName = "other"
		return pod
	}
	for pause, want := range map[time.Duration]string{time.Second: "race", time.Minute: "P5"} {
		story := new(timed).node(small()).pod(watch.Added, web("a", "", "1")).pod(watch.Modified, web("a", "small", "1")).after(pause).
			pod(watch.Modified, other("small"))
		require.Equal(t, []string{want, "kubelet"}, properties(observer.Check(t.Context(), story.history, observer.Rules{Race: 5 * time.Second})))
	}
}
