package growth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/apis/scheduling"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

// takes is what one pod may take of a node with one unit.
type takes struct{ entitled, named, byPriority, unentitled bool }

// mayTake gathers a node with the pod web of a priority and one unit of a Headroom with consumers, nil for one of which nothing is known.
func mayTake(t *testing.T, unit *corev1.Pod, consumers *v1alpha1.Consumers, priority int32, change func(pod *corev1.Pod)) (got takes) {
	t.Helper()
	var rule *entitlement.Rule
	if consumers != nil {
		var err error
		rule, err = entitlement.Compile(types.NamespacedName{Namespace: "default", Name: "spare"}, consumers)
		require.NoError(t, err)
	}
	nobody := func(types.UID) bool { return false }
	known := Knowledge{
		Serves:  func(string) bool { return true },
		OwnerOf: func(pod *corev1.Pod) (placeholder.Owner, bool) { return placeholder.OwnerOf(pod, nil) },
		Rule:    func(placeholder.Owner) *entitlement.Rule { return rule },
		Identity: func(pod *corev1.Pod) entitlement.Consumer {
			return entitlement.ConsumerOf(pod, func(string) (*corev1.Namespace, error) { return &corev1.Namespace{}, nil })
		},
		Reserved: nobody, Stays: nobody,
	}
	web := resized("web", "4")
	web.Namespace, web.Labels, web.Spec.Priority = "default", map[string]string{"app": "web"}, &priority
	if change != nil {
		change(web)
	}
	scene := gather(builders.Node("n", "", builders.Resources{"cpu": "4"}).Obj(), []*corev1.Pod{web, unit}, &known)
	require.Len(t, scene.Pods, 1)
	for _, held := range scene.Pods[0].Entitled {
		require.False(t, held.Unentitled)
		got.entitled, got.named = true, held.NamesConsumer
	}
	for _, held := range scene.Pods[0].ByPriority {
		got.byPriority, got.unentitled = true, held.Unentitled
		require.Equal(t, got.named, held.NamesConsumer)
	}
	return got
}

func TestWhatAPodMayTakeDependsOnItsPriorityAndOnWhomTheHeadroomEntitles(t *testing.T) {
	app := func(name string) *v1alpha1.Consumers {
		return &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}
	}
	all, h := &v1alpha1.Consumers{}, builders.Headroom("spare", builders.Resources{"cpu": "2"}).Namespace("default").UID("h").Obj()
	plain, reserved := builders.Placeholder(h, 0).UID("unit").Node("n").Obj(), builders.ReservedUnit(h, 0).UID("unit").Node("n").Obj()
	never := func(pod *corev1.Pod) { pod.Spec.PreemptionPolicy = new(corev1.PreemptNever) }
	const critical = scheduling.SystemCriticalPriority
	for name, tc := range map[string]struct {
		unit      *corev1.Pod
		consumers *v1alpha1.Consumers // nil: nothing is known of the Headroom
		priority  int32
		change    func(pod *corev1.Pod)
		want      takes
	}{
		"headroom for all":          {unit: plain, consumers: all, want: takes{entitled: true}},
		"that names the pod":        {unit: plain, consumers: app("web"), want: takes{entitled: true, named: true}},
		"that names others":         {unit: plain, consumers: app("db")},
		"of which nothing is known": {unit: plain},
		"just above the unit's priority": {
			unit: plain, consumers: all, priority: builders.PlaceholderPriority + 1, want: takes{entitled: true},
		},
		"of the unit's priority": {unit: plain, consumers: all, priority: builders.PlaceholderPriority},
		"a reserved unit that names the pod": {
			unit: reserved, consumers: app("web"), want: takes{entitled: true, named: true},
		},
		"a reserved unit that names nobody": {unit: reserved, consumers: all},
		"a reserved unit that names others": {unit: reserved, consumers: app("db")},
		"a reserved unit of lower priority that names nobody": {
			unit: reserved, consumers: all, priority: builders.ReservedPriority + 1, want: takes{entitled: true},
		},
		"a critical pod, by its priority": {
			unit: plain, consumers: app("db"), priority: critical, want: takes{byPriority: true, unentitled: true},
		},
		"a critical pod, of what nothing is known of": {
			unit: plain, priority: critical, want: takes{byPriority: true, unentitled: true},
		},
		"a critical pod, beside what it is entitled to": {
			unit: plain, consumers: app("web"), priority: critical, want: takes{entitled: true, named: true, byPriority: true},
		},
		"a pod that is not quite critical":               {unit: plain, consumers: app("db"), priority: critical - 1},
		"a critical pod that never preempts":             {unit: plain, consumers: app("db"), priority: critical, change: never},
		"a critical pod that never preempts, of its own": {unit: plain, consumers: app("web"), priority: critical, change: never},
		"a pod that never preempts, where that does not count": {
			unit: plain, consumers: &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}, change: never, want: takes{entitled: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, mayTake(t, tc.unit, tc.consumers, tc.priority, tc.change))
		})
	}
}

func TestWhatIsKnownOfAUnitAndOfAResizeIsWhatTheyAreOrderedBy(t *testing.T) {
	unit := spare("unit", "2", 0)
	unit.CreationTimestamp = metav1.NewTime(builders.Epoch().Add(time.Hour))
	bubble(t, func(s *scenery) {
		s.units = []*corev1.Pod{unit}
		s.web.CreationTimestamp = metav1.NewTime(builders.Epoch())
	}, func(t *testing.T, g *growing) {
		node, err := g.Nodes.Get("n")
		require.NoError(t, err)
		scene := gather(node, g.OnNode("n"), &g.Knowledge)
		pod := scene.Pods[0]
		require.Equal(t, []evictionorder.Placeholder{{
			UID: "unit", Name: "default/spare-headroom-0", Requests: evictionorder.Resources{1, 2000, 0, 0},
			Created: builders.Epoch().Add(time.Hour).UnixNano(), Priority: builders.PlaceholderPriority,
		}}, pod.Entitled)
		pod.Entitled = nil
		require.Equal(t, Pod{
			UID: "web", Since: builders.Epoch().Add(time.Minute).UnixNano(),
			Allocated: evictionorder.Resources{1, 2000, 0, 0}, Desired: evictionorder.Resources{1, 4000, 0, 0},
		}, pod, "by when the resize was deferred, not by when the pod was made")
	})
}
