package clustertest

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFreeAddressIsReturnedOnceAndCanBeListenedOn(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		address := FreeAddress(t)
		require.False(t, seen[address], address)
		seen[address] = true
		port := int(netip.MustParseAddrPort(address).Port())
		require.GreaterOrEqual(t, port, firstPort)
		require.Less(t, port, portsEnd())
	}
	for address := range seen {
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}
