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
	turns, now := &Turns{}, builders.Epoch()
	waits, last := Rank{Name: named("waits"), Priority: 1}, Rank{Name: named("last")}
	turns.Hold(named("holder"), []types.NamespacedName{named("spare")})
	turns.Hold(named("another"), []types.NamespacedName{named("other")})
	turns.Wait(waits, sets.New(named("spare")))
	require.Equal(t, []types.NamespacedName{waits.Name}, turns.Release(named("holder"), now))
	turns.Wait(waits, sets.New(named("other")))
	_, _, some := turns.Before(last, named("spare"), now)
	require.False(t, some)
	require.Empty(t, turns.Failed(named("nobody"), now))
	require.Equal(t, []types.NamespacedName{waits.Name}, turns.Release(named("another"), now))
	other, _, some := turns.Before(last, named("other"), now)
	require.True(t, some)
	require.Equal(t, waits.Name, other)
}
