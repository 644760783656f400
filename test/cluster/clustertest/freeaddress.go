package clustertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// Ports that FreeAddress chooses from: above those of well-known services, and below those that the operating system hands out by
// itself, which it names in portRangeFile where it is Linux.
const (
	firstPort     = 10000
	lastPort      = 49151
	portRangeFile = "/proc/sys/net/ipv4/ip_local_port_range"
)

// FreeAddress returns an address of 127.0.0.1 that nobody listens on, for a server that the test starts later. The operating system
// gives its port to nobody who asks for any port, as clients and other tests do, and FreeAddress to nobody else, in whatever process,
// until the test is over: it holds the UDP port of the same number for that.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		var hold net.PacketConn
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(portsEnd()-firstPort))
		if hold, err = net.ListenPacket("udp4", address); err != nil {
			continue
		}
		var listener net.Listener
		if listener, err = net.Listen("tcp4", address); err != nil {
			_ = hold.Close()
			continue
		}
		_ = listener.Close()
		t.Cleanup(func() { _ = hold.Close() })
		return address
	}
	t.Fatalf("finding a free port: %v", err)
	return ""
}

// portsEnd is the first port that is too high for FreeAddress.
func portsEnd() int {
	data, err := os.ReadFile(portRangeFile)
	if err != nil {
		return lastPort + 1
	}
	end := 0
	if _, err := fmt.Sscan(string(data), &end); err != nil || end < firstPort+1000 {
		return lastPort + 1 // The range begins so low that there is nothing below.
	}
	return end
}
