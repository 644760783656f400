package gang

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhoWaitsForAnyOfWhatAGroupHeldIsCalled, each once and in the order of the turns, and nobody else.
func TestWhoWaitsForAnyOfWhatAGroupHeldIsCalled(t *testing.T) {
	for range 20 { // the Headrooms are in a map
		turns, now := &Turns{}, builders.Epoch()
		turns.Hold(named("holder"), []types.NamespacedName{named("h0"), named("h1"), named("h2")})
		turns.Hold(named("another"), []types.NamespacedName{named("h3")})
		for i, headroom := range []string{"h0", "h1", "h2", "h3"} {
			turns.Wait(Rank{Name: named("of-" + headroom), Priority: int32(10 - i)}, sets.New(named(headroom))) //nolint:gosec // a handful
		}
		turns.Wait(Rank{Name: named("of-two")}, sets.New(named("h1"), named("h3")))
		want := []types.NamespacedName{named("of-h0"), named("of-h1"), named("of-h2"), named("of-two")}
		require.Equal(t, want, turns.Release(named("holder"), now))
		for _, headroom := range []string{"h0", "h1", "h2"} {
			_, _, some := turns.Before(Rank{Name: named("first"), Priority: 100}, named(headroom), now)
			require.False(t, some, "nobody holds any of it")
		}
		holder, until, some := turns.Before(Rank{Name: named("first"), Priority: 100}, named("h3"), now)
		require.True(t, some)
		require.Equal(t, named("another"), holder)
		require.Zero(t, until)
		require.Empty(t, turns.Release(named("holder"), now), "it holds nothing any more")
	}
}

// TestATurnLastsFromTheLastTimeThatAGroupWasCalled: what it waits for came free just then.
func TestATurnLastsFromTheLastTimeThatAGroupWasCalled(t *testing.T) {
	turns, now, wants := &Turns{}, builders.Epoch(), sets.New(named("spare"))
	waits, last := Rank{Name: named("waits"), Priority: 1}, Rank{Name: named("last")}
	turns.Wait(waits, wants)
	for range 3 {
		turns.Hold(named("holder"), wants.UnsortedList())
		require.Equal(t, []types.NamespacedName{waits.Name}, turns.Release(named("holder"), now))
		_, until, some := turns.Before(last, named("spare"), now.Add(Turn-time.Nanosecond))
		require.True(t, some)
		require.Equal(t, now.Add(Turn), until)
		_, _, some = turns.Before(last, named("spare"), now.Add(Turn))
		require.False(t, some)
		now = now.Add(Turn)
	}
}

// TestAGroupThatIsTurnedAwayAgainHasHadItsTurn: it waits for what it lacks now, and until it is called for that it keeps nobody.
func TestAGroupThatIsTurnedAwayAgainHasHadItsTurn(t *testing.T) {
	for name, lacks := range map[string]sets.Set[types.NamespacedName]{
		"another Headroom now": sets.New(named("other")), "that and the one that came free": sets.New(named("spare"), named("other")),
	} {
		t.Run(name, func(t *testing.T) {
			turns, now := &Turns{}, builders.Epoch()
			waits, last := Rank{Name: named("waits"), Priority: 1}, Rank{Name: named("last")}
			turns.Hold(named("holder"), []types.NamespacedName{named("spare")})
			turns.Hold(named("another"), []types.NamespacedName{named("other")})
			turns.Wait(waits, sets.New(named("spare")))
			require.Equal(t, []types.NamespacedName{waits.Name}, turns.Release(named("holder"), now))
			turns.Wait(waits, lacks)
			_, _, some := turns.Before(last, named("spare"), now)
			require.False(t, some)
			require.Empty(t, turns.Failed(named("nobody"), now))
			require.Equal(t, []types.NamespacedName{waits.Name}, turns.Release(named("another"), now))
			for headroom := range lacks {
				other, _, some := turns.Before(last, headroom, now)
				require.True(t, some)
				require.Equal(t, waits.Name, other)
			}
		})
	}
}

func TestAGroupReleasesWhatItHoldsItself(t *testing.T) {
	turns, now := &Turns{}, builders.Epoch()
	ours, theirs := types.NamespacedName{Namespace: "default", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "web"}
	turns.Hold(ours, []types.NamespacedName{named("spare")})
	turns.Wait(Rank{Name: named("waits")}, sets.New(named("spare")))
	require.Empty(t, turns.Release(theirs, now), "another group has the name in its namespace")
	holder, _, some := turns.Before(Rank{Name: theirs, Priority: 100}, named("spare"), now)
	require.True(t, some)
	require.Equal(t, ours, holder)
	require.Equal(t, []types.NamespacedName{named("waits")}, turns.Release(ours, now))
}

// TestAGroupThatIsGoneHoldsWhatItHasUntilThatIsReleased: its members may be in Permit still, and units are deleted for them.
func TestAGroupThatIsGoneHoldsWhatItHasUntilThatIsReleased(t *testing.T) {
	turns, now := &Turns{}, builders.Epoch()
	turns.Hold(named("web"), []types.NamespacedName{named("spare")})
	turns.Forget(named("web"))
	holder, until, some := turns.Before(Rank{Name: named("db")}, named("spare"), now)
	require.True(t, some)
	require.Equal(t, named("web"), holder)
	require.Zero(t, until)
	turns.Release(named("web"), now)
	_, _, some = turns.Before(Rank{Name: named("db")}, named("spare"), now)
	require.False(t, some)
}
