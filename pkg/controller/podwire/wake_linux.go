package podwire

import (
	"fmt"
	"net"
	"syscall"
)

// wakeAt has the kernel wake the process for what arrives on a connection only once so many bytes are there (SO_RCVLOWAT of socket(7)),
// or the connection ends, or its window is full. A connection that is not a socket, as in a test, is left as it is.
func wakeAt(conn net.Conn, bytes int) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
		})
		if controlErr != nil {
			err = controlErr
		}
	}
	if err != nil {
		return fmt.Errorf("setting how many bytes wake the reader of %s: %w", conn.RemoteAddr(), err)
	}
	return nil
}
