package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReservedPortIsNobodyElses(t *testing.T) {
	first, err := reservePort(0)
	require.NoError(t, err)
	defer first.release()
	_, err = reservePort(first.number)
	require.ErrorContains(t, err, "is in use")
	for range 1000 {
		other, err := reservePort(0)
		require.NoError(t, err)
		defer other.release()
		require.NotEqual(t, first.number, other.number)
	}
}
