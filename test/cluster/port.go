package cluster

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// reservedPort is a TCP port of 127.0.0.1 that is bound but not listened on. A server that asks for port sharing
// (SO_REUSEPORT) can listen on it; nobody else gets it, so that there is no moment at which the port could be lost
// between choosing and using it.
type reservedPort struct {
	fd     int
	number int
}

// reservePort reserves the given port, or a free one for 0.
func reservePort(number int) (*reservedPort, error) {
	if number != 0 {
		// A first try without sharing, because the second would share the port with a server that shares it too.
		probe, err := bindLoopback(number, false)
		if err != nil {
			return nil, err
		}
		probe.release()
	}
	return bindLoopback(number, true)
}

func bindLoopback(number int, share bool) (*reservedPort, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	unix.CloseOnExec(fd)
	p := &reservedPort{fd: fd}
	if p.number, err = p.bind(number, share); err != nil {
		p.release()
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("port %d of 127.0.0.1 is in use: choose another, or 0 for any free one", number)
		}
		return nil, fmt.Errorf("reserving port %d of 127.0.0.1: %w", number, err)
	}
	return p, nil
}

func (p *reservedPort) bind(number int, share bool) (int, error) {
	if share {
		if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return 0, err
		}
	}
	if err := unix.Bind(p.fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(p.fd)
	if err != nil {
		return 0, err
	}
	return address.(*unix.SockaddrInet4).Port, nil
}

func (p *reservedPort) release() { _ = unix.Close(p.fd) }
