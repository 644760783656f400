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
	// counts of pods are told one or two seconds after a change, so nobody waits much longer for that.
	pause = 250 * time.Millisecond
	// little is a read that was not worth to be woken for.
	little = 16 << 10
	// much is how many bytes have to come during a pause for the kernel to tell of them.
	much = 1 << 20
	// gathered is how many bytes are read at once at most.
	gathered = 64 << 10
)

// Connections returns an HTTP client with connections of its own, which read what they are sent at most four times a second as long as
// it is little. Of many pods that change one after the other each would otherwise wake the process: to be woken, and to read, takes
// longer than what is done about a pod. The kernel is asked not to wake it, since it would even if nobody reads. For the same reason the
// connections are of HTTP/1.1, one for each watch: with HTTP/2 each event is handed from one goroutine to another, and acknowledged.
func Connections(access *rest.Config) (*http.Client, error) {
	access = rest.CopyConfig(access)
	access.NextProtos = []string{"http/1.1"}
	dial := access.Dial
	if dial == nil {
		dial = dialer.DialContext
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

// dialer finds out within a minute that the other side is gone, as client-go does on HTTP/2 by pings: a watch may be silent for long.
var dialer = &net.Dialer{
	Timeout:         30 * time.Second,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
}

// buffers are lent to connections on which much has come: of many watches, most are silent.
var buffers = sync.Pool{New: func() any { return new([gathered]byte) }}

// gathering is a connection that lets what it is sent gather. One goroutine may read it at a time.
type gathering struct {
	net.Conn
	// more says that the last read brought as much as there was room for.
	more bool
	// buffer is lent as long as something in it is unread.
	buffer *[gathered]byte
	unread []byte
	paused <-chan time.Time
	closed chan struct{}
	close  func()
}

func gather(conn net.Conn) *gathering {
	closed := make(chan struct{})
	return &gathering{Conn: conn, closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// Read waits until the pause is over, and for something to read.
func (g *gathering) Read(into []byte) (int, error) {
	switch {
	case len(g.unread) > 0:
		return g.hand(into), nil
	case g.more && len(into) < gathered:
		g.buffer = buffers.Get().(*[gathered]byte) //nolint:forcetypeassert // there is nothing else in the pool
		n, err := g.read(g.buffer[:])
		g.unread = g.buffer[:n]
		if copied := g.hand(into); copied > 0 {
			return copied, nil // if there was an error, it comes again
		}
		return 0, err
	default:
		if err := g.wait(); err != nil {
			return 0, err
		}
		return g.read(into)
	}
}

// read reads what there is, and begins a pause if that was little and all.
func (g *gathering) read(into []byte) (int, error) {
	n, err := g.Conn.Read(into)
	if g.more = n == len(into); !g.more && n < little && err == nil {
		g.paused = time.After(pause)
		_ = wakeAt(g.Conn, much) // to be woken in vain only costs time
	}
	return n, err
}

// hand hands on what was read, and gives the buffer back after the last of it.
func (g *gathering) hand(into []byte) int {
	n := copy(into, g.unread)
	if g.unread = g.unread[n:]; len(g.unread) == 0 {
		buffers.Put(g.buffer)
		g.buffer, g.unread = nil, nil
	}
	return n
}

// wait waits until the pause is over, and has the kernel tell of whatever comes again.
func (g *gathering) wait() error {
	if g.paused == nil {
		return nil
	}
	select {
	case <-g.paused:
	case <-g.closed:
	}
	g.paused = nil
	return wakeAt(g.Conn, 1)
}

// Close ends a pause, too.
func (g *gathering) Close() error {
	g.close()
	return g.Conn.Close()
}
