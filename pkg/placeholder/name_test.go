package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestOrdinalIsTheInverseOfName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		headroom := rapid.StringMatching(`[a-z]([-a-z0-9]{0,20}[a-z0-9])?`).Draw(t, "headroom")
		ordinal := rapid.IntRange(0, 1_000_000).Draw(t, "ordinal")
		got, ok := placeholder.Ordinal(headroom, placeholder.Name(headroom, ordinal))
		require.True(t, ok)
		require.Equal(t, ordinal, got)

		other := rapid.StringMatching(`[a-z]([-a-z0-9]{0,20}[a-z0-9])?(-headroom-[0-9])?`).Draw(t, "other")
		_, ok = placeholder.Ordinal(other, placeholder.Name(headroom, ordinal))
		require.Equal(t, headroom == other, ok)
	})
}

func TestOrdinalRefusesOtherNames(t *testing.T) {
	for _, name := range []string{
		"", "web", "web-headroom", "web-headroom-", "web-headroom-x", "web-headroom--1", "web-headroom-+1", "web-headroom-01", "web-headroom-1-0",
		"api-headroom-1", "web-1", "1", "headroom-1", "web-headroom-99999999999999999999",
	} {
		_, ok := placeholder.Ordinal("web", name)
		require.False(t, ok, name)
	}
}
