package sizing

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAZoneIsReadOnce(t *testing.T) {
	first, err := Zone("Pacific/Apia")
	require.NoError(t, err)
	again, err := Zone("Pacific/Apia")
	require.NoError(t, err)
	require.Same(t, first, again)
	other, err := Zone("Europe/Berlin")
	require.NoError(t, err)
	require.Equal(t, "Europe/Berlin", other.String())
}

func TestAsManyZonesAsThereAreAreRemembered(t *testing.T) {
	zone, err := Zone("Europe/Berlin")
	require.NoError(t, err)
	zones.Lock()
	clear(zones.byName) // of what other tests asked for
	for i := range mostZones {
		zones.byName[string(rune('a'+i))] = zone
	}
	zones.Unlock()
	for _, name := range []string{"Asia/Tokyo", "Asia/Kolkata"} {
		zone, err = Zone(name)
		require.NoError(t, err)
		require.Equal(t, name, zone.String())
	}
	zones.Lock()
	defer zones.Unlock()
	require.Len(t, zones.byName, 2)
}
