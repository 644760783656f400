package selection

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestAnyPodIsExplainedByWhatItAsksFor has a node of three cores: one is free, one a unit that is open to all, and one a unit for others.
func TestAnyPodIsExplainedByWhatItAsksFor(t *testing.T) {
	labeled := wants("2").Obj()
	labeled.Labels = map[string]string{v1alpha1.LabelHeadroom: "open"}
	for name, tc := range map[string]struct {
		pod      *corev1.Pod
		entitled bool
		victims  int
		fits     bool
	}{
		"it fits as it is":                                {pod: wants("1").Obj(), entitled: true, fits: true},
		"it takes what it may":                            {pod: wants("2").Obj(), entitled: true, victims: 1, fits: true},
		"it may not take more":                            {pod: wants("3").Obj(), entitled: true},
		"with a placeholder's label it may take the same": {pod: labeled, entitled: true, victims: 1, fits: true},
		"a placeholder may take nothing":                  {pod: important(unit(7, "")), fits: true},
		"a larger one does not fit":                       {pod: important(large(7, ""))},
		"a bound pod may take nothing":                    {pod: on("b", "bound", "2").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "3"), node("b", "z", "2")}, unit(0, "a"), unitOf("closed", 0, "a").Obj())
			require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
			f.refresh(t)
			c := f.AsConsumer(tc.pod)
			require.Equal(t, tc.entitled, c.Entitled)
			option, fits := f.Option(c, f.Inventory.Node("a"), f.Anchors(c))
			require.Equal(t, tc.fits, fits)
			require.Len(t, option.Victims, tc.victims)
		})
	}
}

func TestAPodThatMayTakeNothingIsExplainedAllTheSame(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "2"), node("b", "y-1", "2"), node("c", "y-1", "2")},
		unit(0, "a"), on("c", "db", "0").Label("app", "db").Obj())
	require.NoError(t, f.Catalog.Set(forApp("open", "nobody")))
	f.refresh(t)
	c := f.AsConsumer(wants("1500m").Annotation(v1alpha1.AnnotationNear, "app=db").Obj())
	require.False(t, c.Entitled)
	anchors := f.Anchors(c)
	_, fits := f.Option(c, f.Inventory.Node("a"), anchors)
	require.False(t, fits, "one core is free")
	option, fits := f.Option(c, f.Inventory.Node("b"), anchors)
	require.True(t, fits)
	require.Less(t, option.Evidence.Distance, anchors.Distance(f.Inventory.Node("a").Info.Node().Labels), "it is near to what the pod names")
}

// TestAnOptionNamesTheDomainsThatLose has a node with units of two Headrooms, each of which is left with fewest in another domain.
func TestAnOptionNamesTheDomainsThatLose(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "2"), node("b", "z-1", "3")},
		unit(0, "a"), unitOf("other", 0, "a").Obj(), unit(1, "b"), unitOf("other", 1, "b").Obj(), unitOf("other", 2, "b").Obj())
	for name, keys := range map[string][]string{
		"open": {corev1.LabelTopologyZone, corev1.LabelTopologyRegion}, "other": {corev1.LabelHostname, corev1.LabelTopologyZone},
	} {
		spread := builders.Headroom(name, res("1")).Namespace("default").UID(hr(name, "1").UID).SpreadOver(keys...).Obj()
		require.NoError(t, f.Catalog.Set(spread))
	}
	c := f.consumer(t, wants("2").Obj())
	option, fits := f.Option(c, f.Inventory.Node("a"), f.Anchors(c))
	require.True(t, fits)
	require.Len(t, option.Victims, 2)
	require.Equal(t, []int{0, 1}, option.Evidence.Left)
	require.Equal(t, []evictionorder.Domain{
		{Key: corev1.LabelHostname, Value: "a", Headroom: "default/other"},
		{Key: corev1.LabelTopologyRegion, Value: "z", Headroom: "default/open"},
	}, option.Evidence.Domains)
}

// TestWhyNobodyGetsAPlaceholder has one that the API server does not delete, and a reserved unit that is kept for nobody.
func TestWhyNobodyGetsAPlaceholder(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unitOf("stuck", 0, "a").Obj(), reservedUnitOf("open", 0, "a").Obj())
	f.Undeletable = func(headroom types.NamespacedName) bool { return headroom.Name == "stuck" }
	f.refresh(t)
	c := f.AsConsumer(wants("1").Obj())
	for i := range f.Inventory.Node("a").Placeholders {
		p := &f.Inventory.Node("a").Placeholders[i]
		want := "consumers of default/open name nobody, and " + p.Evidence.Name + " is a reserved unit"
		if !p.ReservedUnit {
			want = "the API server refuses to delete the placeholders of default/stuck"
		}
		require.Equal(t, want, f.Refusal(c, p))
	}
}

func TestNothingIsShortIfNoResourceIs(t *testing.T) {
	for name, tc := range map[string]struct {
		shortfall evictionorder.Resources
		want      bool
	}{
		"none is known":           {want: true},
		"there is enough of each": {shortfall: evictionorder.Resources{0, -1, 0}, want: true},
		"one of the last one":     {shortfall: evictionorder.Resources{0, -1, 1}},
		"one of the first one":    {shortfall: evictionorder.Resources{1, 0}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, nothing(tc.shortfall)) })
	}
}
