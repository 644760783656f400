package catalog

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

var web = types.NamespacedName{Namespace: "shop", Name: "web"}

// forApp is the Headroom web, for the pods of one app.
func forApp(app string) *v1alpha1.Headroom {
	return builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace("shop").Consumers(v1alpha1.Consumers{
		PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
	}).Obj()
}

func consumer(app string) *entitlement.Consumer {
	return &entitlement.Consumer{Namespace: "shop", Labels: map[string]string{"app": app}}
}

func TestTheVersionChangesWithWhatIsKnown(t *testing.T) {
	c := New()
	for name, change := range map[string]func(){
		"a Headroom":                 func() { require.NoError(t, c.Set(forApp("web"))) },
		"another state of it":        func() { require.NoError(t, c.Set(forApp("db"))) },
		"its end":                    func() { c.Delete(web) },
		"the end of the definition":  func() { c.setCRDAbsent(true) },
		"the return of that":         func() { c.setCRDAbsent(false) },
		"the end of all Headrooms":   c.forgetAll,
		"that nothing more is known": c.setReady,
	} {
		version := c.Version()
		change()
		require.NotEqual(t, version, c.Version(), name)
	}
}

func TestWithTheDefinitionItsHeadroomsAreGone(t *testing.T) {
	c := New()
	require.NoError(t, c.Set(forApp("web")))
	require.NotNil(t, c.Get(web))
	require.False(t, c.CRDAbsent())

	c.setCRDAbsent(true)
	require.Nil(t, c.Get(web))
	require.True(t, c.CRDAbsent())
	require.False(t, c.Gains(consumer("db"), consumer("web")))
	c.setCRDAbsent(false)
	require.Nil(t, c.Get(web), "those of a definition that is made anew are others")
}

func TestAHeadroomWithASelectorThatDoesNotParseEntitlesNobody(t *testing.T) {
	c := New()
	bad := forApp("web")
	bad.Spec.Consumers.PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}
	require.ErrorContains(t, c.Set(bad), "shop/web")
	require.False(t, c.Get(web).Rule.Entitles(consumer("web")))
}

func TestGains(t *testing.T) {
	c := New()
	require.NoError(t, c.Set(forApp("web")))
	require.True(t, c.Gains(consumer("db"), consumer("web")))
	require.False(t, c.Gains(consumer("web"), consumer("web")))
	require.False(t, c.Gains(consumer("web"), consumer("db")))

	other := forApp("db")
	other.Name = "db"
	require.NoError(t, c.Set(other))
	require.True(t, c.Gains(consumer("web"), consumer("db")), "the other one now, whatever it loses")
	require.False(t, c.Gains(consumer("web"), consumer("cache")))
}

func TestACatalogIsReadyOnce(t *testing.T) {
	c := New()
	select {
	case <-c.Ready():
		require.Fail(t, "nothing is known yet")
	default:
	}
	require.NoError(t, c.Follow(t.Context(), nil, func(types.NamespacedName) {}))
	<-c.Ready()
	c.setReady()
	<-c.Ready()
}

// TestWhatIsKnownOfAHeadroomIsOfThatOne, and of no other of its name.
func TestWhatIsKnownOfAHeadroomIsOfThatOne(t *testing.T) {
	c := New()
	h := forApp("web")
	h.UID = "first"
	first, second := placeholder.Owner{NamespacedName: web, UID: "first"}, placeholder.Owner{NamespacedName: web, UID: "second"}
	require.Nil(t, c.Of(first))
	require.NoError(t, c.Set(h))
	require.Same(t, c.Get(web), c.Of(first))
	require.Nil(t, c.Of(second), "it is not known yet")
	require.Nil(t, c.Of(placeholder.Owner{NamespacedName: web}), "nobody is owned by a name alone")

	h.UID = "second"
	require.NoError(t, c.Set(h))
	require.Same(t, c.Get(web), c.Of(second))
	require.Nil(t, c.Of(first), "it is gone")
	require.Nil(t, c.Of(placeholder.Owner{NamespacedName: types.NamespacedName{Namespace: "other", Name: "web"}, UID: "second"}))

	h.UID = ""
	require.NoError(t, c.Set(h))
	require.Same(t, c.Get(web), c.Of(second), "one of a file goes by its name")
}

func TestAHeadroomIsAsItWasSetLast(t *testing.T) {
	c := New()
	require.NoError(t, c.Set(forApp("web")))
	before := c.Get(web)
	require.True(t, before.Rule.Entitles(consumer("web")))
	require.NoError(t, c.Set(forApp("db")))
	require.True(t, c.Get(web).Rule.Entitles(consumer("db")))
	require.True(t, before.Rule.Entitles(consumer("web")), "what was handed out does not change")
	c.Delete(types.NamespacedName{Namespace: "other", Name: "web"})
	require.NotNil(t, c.Get(web), "one of the name in another namespace is another one")
	require.Nil(t, c.Get(types.NamespacedName{Namespace: "other", Name: "web"}))
}

func TestTheKnownHeadroomsAreNamedInOrder(t *testing.T) {
	c := New()
	require.Empty(t, c.Names())
	require.NoError(t, c.Set(forApp("web")))
	want := []string{"bank/api", "bank/web", "shop/api", "shop/db", "shop/mail", "shop/web", "shop-2/api"}
	for _, name := range slices.Backward(want) {
		namespace, name, _ := strings.Cut(name, "/")
		require.NoError(t, c.Set(builders.Headroom(name, builders.Resources{"cpu": "1"}).Namespace(namespace).Obj()))
	}
	slices.Sort(want)
	require.Equal(t, want, c.Names())
	c.Delete(web)
	require.Equal(t, slices.DeleteFunc(want, func(name string) bool { return name == "shop/web" }), c.Names())
}
