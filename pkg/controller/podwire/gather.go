package podwire

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// pause is how long is waited after a read that brought little before the next one. What comes meanwhile comes all at once then. The
	// counts of pods are told a second after a change, so nobody waits longer for that.
	pause = 50 * time.Millisecond
	// little is a read that was not worth to be woken for.
	little = 16 << 10
	// gathered is how many bytes are read at once at most.
	gathered = 64 << 10
)

// Connections returns an HTTP client with connections of its own, which read what they are sent at most twenty times a second as long
// as it is little. Of many pods that change one after the other each would otherwise wake the process: to be woken, and to read, takes
// longer than what is done about a pod.
func Connections(access *rest.Config) (*http.Client, error) {
	access = rest.CopyConfig(access)
	dial := access.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext // as client-go does
	}
	access.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return gather(conn), nil
	}
	client, err := rest.HTTPClientFor(access)
	if err != nil {
		return nil, fmt.Errorf("making connections for pods: %w", err)
	}
	return client, nil
}

// gathering is a connection that lets what it is sent gather. One goroutine may read it at a time.
type gathering struct {
	net.Conn
	buffer []byte
	unread []byte
	paused <-chan time.Time
	closed chan struct{}
	close  func()
}

func gather(conn net.Conn) *gathering {
	closed := make(chan struct{})
	return &gathering{Conn: conn, buffer: make([]byte, gathered), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// Read waits until the pause is over, and for something to read.
func (g *gathering) Read(into []byte) (int, error) {
	if len(g.unread) == 0 {
		if g.paused != nil {
			select {
			case <-g.paused:
			case <-g.closed:
			}
		}
		n, err := g.Conn.Read(g.buffer)
		if n == 0 {
			return 0, err
		} // or else an error comes again
		g.unread, g.paused = g.buffer[:n], nil
		if n < little {
			g.paused = time.After(pause)
		}
	}
	n := copy(into, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}

// Close ends a pause, too.
func (g *gathering) Close() error {
	g.close()
	return g.Conn.Close()
}
