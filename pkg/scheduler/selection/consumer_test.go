package selection

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/apis/scheduling"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestWhichPlaceholdersAnEntitlementLetsAPodTake(t *testing.T) {
	const unitPriority, critical = 10, scheduling.SystemCriticalPriority
	for name, tc := range map[string]struct {
		entitlement    Entitlement
		above          bool // it takes ordinary units of lower priority
		reserved       bool // it takes reserved units of its own priority
		belowCritical  bool // reserved units of lower priority, as long as it is not system-critical
		systemCritical bool // reserved units of lower priority if it is
	}{
		"none":             {entitlement: NotEntitled},
		"that of all":      {entitlement: OpenToAll, above: true, belowCritical: true, systemCritical: true},
		"one by name":      {entitlement: NamedConsumer, above: true, reserved: true, belowCritical: true, systemCritical: true},
		"one by priority":  {entitlement: ByPriority, above: true, systemCritical: true},
		"to what is stuck": {entitlement: Undeletable},
	} {
		t.Run(name, func(t *testing.T) {
			ordinary := &inventory.Placeholder{Evidence: evictionorder.Placeholder{Priority: unitPriority}}
			reserved := &inventory.Placeholder{Evidence: evictionorder.Placeholder{Priority: unitPriority}, ReservedUnit: true}
			require.Equal(t, tc.above, tc.entitlement.lets(unitPriority+1, ordinary))
			require.False(t, tc.entitlement.lets(unitPriority, ordinary))
			require.Equal(t, tc.reserved, tc.entitlement.lets(unitPriority, reserved))
			require.Equal(t, tc.reserved, tc.entitlement.lets(unitPriority-1, reserved))
			require.Equal(t, tc.belowCritical, tc.entitlement.lets(critical-1, reserved))
			require.Equal(t, tc.systemCritical, tc.entitlement.lets(critical, reserved))
		})
	}
}

func TestAPodIsEntitledByEachHeadroomForItself(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "9")}, unit(0, "a"), unitOf("web", 0, "a").Obj(), unitOf("db", 0, "a").Obj(),
		unitOf("stuck", 0, "a").Obj(), unitOf("unknown", 0, "a").Obj(), unitOf("gone", 0, "a").Obj())
	for _, app := range []string{"web", "db"} {
		require.NoError(t, f.Catalog.Set(forApp(app, app)))
	}
	f.Catalog.Delete(types.NamespacedName{Namespace: "default", Name: "unknown"})
	f.Catalog.Delete(types.NamespacedName{Namespace: "default", Name: "gone"})
	f.Undeletable = func(headroom types.NamespacedName) bool { return headroom.Name == "stuck" || headroom.Name == "gone" }
	web := wants("1").Label("app", "web").Obj()
	c := f.consumer(t, web)
	require.True(t, c.Entitled)
	to := map[string]Entitlement{}
	for i := range f.Inventory.Node("a").Placeholders {
		p := &f.Inventory.Node("a").Placeholders[i]
		to[p.Pod.Name] = f.Entitlements(web).To(p)
	}
	require.Equal(t, map[string]Entitlement{
		"open-headroom-0": OpenToAll, "web-headroom-0": NamedConsumer, "db-headroom-0": NotEntitled, "stuck-headroom-0": Undeletable,
		"unknown-headroom-0": NotEntitled, "gone-headroom-0": Undeletable,
	}, to)
	unknown := &inventory.Placeholder{Evidence: evictionorder.Placeholder{Headroom: len(to)}}
	require.Equal(t, NotEntitled, c.entitlements.To(unknown), "a Headroom that came after it was asked")

	all := f.Unrestricted(c)
	names := map[string]bool{}
	for _, taken := range all.takeable(nil, f.Inventory.Node("a")) {
		names[taken.Name] = true
		require.Equal(t, taken.Name == "default/web-headroom-0", taken.NamesConsumer, taken.Name)
		require.Equal(t, taken.Name == "default/db-headroom-0" || taken.Name == "default/unknown-headroom-0", taken.Unentitled, taken.Name)
	}
	require.Len(t, names, 4, "all but what cannot be deleted: %v", names)
	require.Len(t, c.takeable(nil, f.Inventory.Node("a")), 2, "the consumer itself is as it was")
}

func TestAPodIsEntitledByAnyHeadroomThatIsNotStuck(t *testing.T) {
	for name, tc := range map[string]struct {
		stuck, want bool
	}{"it is": {want: true}, "it is stuck": {stuck: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			f.Undeletable = func(types.NamespacedName) bool { return tc.stuck }
			require.Equal(t, tc.want, f.consumer(t, wants("1").Obj()).Entitled)
		})
	}
}

func TestWithoutPlaceholdersNobodyIsAConsumer(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")})
	require.Nil(t, f.Consumer(wants("1").Obj()))
	require.False(t, f.AsConsumer(wants("1").Obj()).Entitled, "but it can be explained")
}

// TestASystemCriticalPodTakesWhatItIsNotEntitledToIfNothingElseDoes has the units that it is entitled to on node a.
func TestASystemCriticalPodTakesWhatItIsNotEntitledToIfNothingElseDoes(t *testing.T) {
	const said = "; a system-critical pod gets the room whatever consumers say"
	for name, tc := range map[string]struct {
		nodes    []*corev1.Node
		rejects  string
		priority int32
		never    bool
		want     string
		beyond   bool
	}{
		"not before those that it may": {nodes: []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, want: "a"},
		"if those do not suit it": {
			nodes: []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, rejects: "a", want: "b", beyond: true,
		},
		"if those are too small":             {nodes: []*corev1.Node{node("a", "z", "500m"), node("b", "z", "1")}, want: "b", beyond: true},
		"if there are none":                  {nodes: []*corev1.Node{node("b", "z", "1")}, want: "b", beyond: true},
		"not if it fits as it is":            {nodes: []*corev1.Node{node("b", "z", "1"), node("c", "z", "1")}},
		"not if it is one less":              {nodes: []*corev1.Node{node("b", "z", "1")}, priority: scheduling.SystemCriticalPriority - 1},
		"not if it must not preempt, either": {nodes: []*corev1.Node{node("b", "z", "1")}, never: true},
	} {
		t.Run(name, func(t *testing.T) {
			pods := []*corev1.Pod{unitOf("closed", 0, "b").Obj()}
			if tc.nodes[0].Name == "a" {
				pods = append(pods, unit(0, "a"))
			}
			f := newFixture(t, tc.nodes, pods...)
			require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
			f.prober.rejects[tc.rejects] = true
			pod := wants("1").Priority(scheduling.SystemCriticalPriority)
			if tc.priority != 0 {
				pod.Priority(tc.priority)
			}
			if tc.never {
				pod.PreemptionPolicy(corev1.PreemptNever)
			}
			swap := f.selected(t.Context(), t, pod.Obj())
			if tc.want == "" {
				require.Nil(t, swap)
				return
			}
			require.NotNil(t, swap)
			require.Equal(t, tc.want, swap.Node)
			if tc.beyond {
				require.Contains(t, swap.Why, said)
			} else {
				require.NotContains(t, swap.Why, said)
			}
		})
	}
}

func TestAPodThatIsNotEntitledGetsNothing(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	require.NoError(t, f.Catalog.Set(forApp("open", "web")))
	f.requireSwap(t, wants("1").Label("app", "db").Obj(), "")
	f.requireSwap(t, wants("1").Label("app", "web").Obj(), "a", "open-headroom-0")
	require.Nil(t, f.Free(t.Context(), f.run(t, wants("1").Obj()), f.consumer(t, wants("1").Obj())), "nor is its cycle narrowed")
}

// TestAnOptionSaysWhatGoesAndWhatStays has two units of one core beside half a free one.
func TestAnOptionSaysWhatGoesAndWhatStays(t *testing.T) {
	for name, tc := range map[string]struct {
		cpu            string
		victims, stays int
		fits           bool
	}{
		"nothing goes where there is room": {cpu: "500m", stays: 2, fits: true},
		"one goes":                         {cpu: "1", victims: 1, stays: 1, fits: true},
		"both go":                          {cpu: "2500m", victims: 2, fits: true},
		"both are too small":               {cpu: "2600m"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "2500m")}, unit(0, "a"), unit(1, "a"))
			c := f.consumer(t, wants(tc.cpu).Obj())
			option, fits := f.Option(c, f.Inventory.Node("a"), f.Anchors(c))
			require.Equal(t, tc.fits, fits)
			require.Len(t, option.Victims, tc.victims)
			require.Len(t, option.Others, tc.stays)
			if fits {
				require.Equal(t, "a", option.Evidence.Name)
				require.Equal(t, tc.victims, option.Evidence.Evictions)
			}
		})
	}
}

func TestASwapSaysWhatIsWasted(t *testing.T) {
	f := newFixture(t, []*corev1.Node{builders.Node("a", "z", builders.Resources{"cpu": "2"}).Obj()}, unit(0, "a"), on("a", "x", "1").Obj())
	require.Zero(t, f.selected(t.Context(), t, wants("1").Obj()).Waste)
	require.EqualValues(t, 250_000, f.selected(t.Context(), t, wants("500m").Obj()).Waste, "half a core of two, in millionths")
	c, a := f.consumer(t, wants("500m").Obj()), f.Inventory.Node("a")
	require.EqualValues(t, 250_000, f.Evidence(c, a, c.takeable(nil, a), f.Anchors(c)).Waste, "so does all that is told of the node")
}

func TestAPodIsEntitledByAllThatItIs(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	f.refresh(t)
	require.Equal(t, Entitlements{OpenToAll}, f.Entitlements(wants("1").Obj()))
	require.Equal(t, Entitlements{NotEntitled}, f.Entitlements(wants("1").PreemptionPolicy(corev1.PreemptNever).Obj()))
}

func TestWhatAPodAsksForAsAWholeCountsWhereItIsKnown(t *testing.T) {
	pod := wants("1").Obj()
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}}
	for name, tc := range map[string]struct {
		enabled bool
		want    int
	}{"the feature is on": {enabled: true}, "it is off": {want: 1}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			f.Features.EnablePodLevelResources = tc.enabled
			require.Equal(t, tc.want, f.CountCandidates(f.consumer(t, pod)), "the unit is as large as its container")
		})
	}
}

// TestAUnitGoesForWhateverOfItIsLacking has as much CPU free as the consumer wants, and nothing else.
func TestAUnitGoesForWhateverOfItIsLacking(t *testing.T) {
	for name, amount := range map[corev1.ResourceName]string{
		"memory": "1Gi", "ephemeral-storage": "1Gi", "example.com/first": "1", "example.com/second": "2",
	} {
		t.Run(string(name), func(t *testing.T) {
			all := builders.Resources{"cpu": "1", name: amount}
			has := builders.Node("a", "z", builders.Resources{"cpu": "2", "memory": "1Gi", name: amount}).Obj()
			h := builders.Headroom("open", all).Namespace("default").UID("uid-open").Obj()
			f := newFixture(t, []*corev1.Node{has}, builders.Placeholder(h, 0).Node("a").UID("open-headroom-0").Obj())
			f.requireSwap(t, wants("1").Obj(), "")
			f.requireSwap(t, builders.Consumer("consumer", all).Namespace("default").UID("consumer").Obj(), "a", "open-headroom-0")
		})
	}
}
