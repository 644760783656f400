package podwire

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// lowWater is how many bytes wake the reader of a connection.
func lowWater(t *testing.T, conn net.Conn) int {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	bytes := 0
	require.NoError(t, raw.Control(func(fd uintptr) {
		bytes, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT)
	}))
	require.NoError(t, err)
	return bytes
}

// connected returns both ends of a connection.
func connected(t *testing.T) (here, there net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	here, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	there, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}

func TestOnlyMuchWakesAReaderThatPauses(t *testing.T) {
	here, there := connected(t)
	g := gather(here)
	for _, sent := range []string{"one", "two"} {
		_, err := there.Write([]byte(sent))
		require.NoError(t, err)
		got := make([]byte, 10)
		n, err := g.Read(got)
		require.NoError(t, err)
		require.Equal(t, sent, string(got[:n]))
		require.Equal(t, much, lowWater(t, here), "in the pause")
	}
	require.NoError(t, g.wait())
	require.Equal(t, 1, lowWater(t, here), "after the pause")
}

func TestAConnectionThatEndsInAPauseIsFoundToHaveEnded(t *testing.T) {
	here, there := connected(t)
	g := gather(here)
	_, err := there.Write([]byte("last"))
	require.NoError(t, err)
	_, err = io.ReadFull(g, make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, there.Close())
	rest, err := io.ReadAll(g)
	require.NoError(t, err)
	require.Equal(t, "t", string(rest))
	require.Equal(t, 1, lowWater(t, here))
}

func TestAReaderThatCannotBeWokenForLittleAgainEndsWithAnError(t *testing.T) {
	here, there := connected(t)
	g := gather(here)
	_, err := there.Write([]byte("one"))
	require.NoError(t, err)
	_, err = g.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, here.Close())
	_, err = g.Read(make([]byte, 10))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorContains(t, err, "setting how many bytes wake the reader of 127.0.0.1:")
}
