package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/observer"
)

func TestAReservedUnitIsForThoseThatItsHeadroomNamesOrHasJustNamed(t *testing.T) {
	h := builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").UID("spare").Reserved().Obj()
	unit := builders.ReservedUnit(h, 0).Obj()
	pod := func(namespace, app string) *corev1.Pod {
		return builders.Consumer("p", nil).Namespace(namespace).UID("p").Label("app", app).Obj()
	}
	key := types.NamespacedName{Namespace: "shop", Name: "spare"}
	says := func(ago time.Duration, app string, all bool) saying {
		return saying{time.Now().Add(-ago), plan.Headroom{Namespace: "shop", Name: "spare", App: app, AllNamespaces: all}}
	}
	for name, tc := range map[string]struct {
		sayings []saying
		seen    []*corev1.Pod
		want    bool
	}{
		"it names the pod":                    {[]saying{says(time.Hour, "web", false)}, []*corev1.Pod{pod("shop", "web")}, true},
		"it names others":                     {[]saying{says(time.Hour, "api", false)}, []*corev1.Pod{pod("shop", "web")}, false},
		"it names those of its namespace":     {[]saying{says(time.Hour, "web", false)}, []*corev1.Pod{pod("other", "web")}, false},
		"it names those of all namespaces":    {[]saying{says(time.Hour, "web", true)}, []*corev1.Pod{pod("other", "web")}, true},
		"it is open to all":                   {[]saying{says(time.Hour, "", false)}, []*corev1.Pod{pod("shop", "web")}, false},
		"it named the pod a moment ago":       {[]saying{says(time.Hour, "web", false), says(time.Second, "api", false)}, []*corev1.Pod{pod("shop", "web")}, true},
		"it named the pod long ago":           {[]saying{says(time.Hour, "web", false), says(time.Minute, "api", false)}, []*corev1.Pod{pod("shop", "web")}, false},
		"the pod had another label before":    {[]saying{says(time.Hour, "web", false)}, []*corev1.Pod{pod("shop", "web"), pod("shop", "job")}, true},
		"nothing is known of such a Headroom": {nil, []*corev1.Pod{pod("shop", "web")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{observer: &observer.Observer{}, apps: map[types.UID][]string{}, sayings: map[types.NamespacedName][]saying{key: tc.sayings}}
			for _, seen := range tc.seen {
				r.noteApp(seen)
			}
			require.Equal(t, tc.want, r.named(unit, tc.seen[len(tc.seen)-1]))
		})
	}
}

func TestWhatHappensWhileWatchesAreCutIsSeenLater(t *testing.T) {
	begun := time.Now()
	at := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
	r := &run{blind: []disturbance{{from: at(10), to: at(20)}, {from: at(20), to: at(30)}, {from: at(50), to: at(60)}}}
	for seconds, want := range map[int]int{0: 0, 12: 30, 25: 30, 30: 30, 40: 40, 50: 60} {
		require.Equal(t, at(want), r.seenBy(at(seconds)), "%d", seconds)
	}
}

func TestAGuardInAClusterAtRestIsInDoubt(t *testing.T) {
	guard := builders.Consumer("guard", nil).Label(v1alpha1.LabelGuard, v1alpha1.GuardLabelValue).Node("n").Obj()
	doubts := guarding(&scene{pods: []*corev1.Pod{guard, builders.Consumer("web", nil).Node("n").Obj()}})
	require.Len(t, doubts, 1)
	require.Equal(t, Guard, doubts[0].property)
	require.Contains(t, doubts[0].message, "node n")
}
