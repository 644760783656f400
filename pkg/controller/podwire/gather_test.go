package podwire

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

// socket is a connection on which something has arrived.
type socket struct {
	net.Conn
	arrived bytes.Buffer
	reads   int
	closed  bool
}

func (s *socket) Read(into []byte) (int, error) {
	s.reads++
	if s.closed {
		return 0, net.ErrClosed
	}
	return s.arrived.Read(into)
}

func (s *socket) Close() error {
	s.closed = true
	return nil
}

func TestWhatArrivesInAPauseIsReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		g := gather(s)
		read := func(want string, after time.Duration) {
			begin, got := time.Now(), make([]byte, len(want))
			_, err := io.ReadFull(g, got)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			require.Equal(t, after, time.Since(begin))
		}
		s.arrived.WriteString("one")
		read("one", 0)
		s.arrived.WriteString("two")
		s.arrived.WriteString("three")
		read("two", pause)
		read("three", 0)
		require.Equal(t, 2, s.reads)

		much := string(bytes.Repeat([]byte("x"), little))
		s.arrived.WriteString(much)
		read(much, pause)
		s.arrived.WriteString("four")
		read("four", 0) // there was much, so there is more
		_, err := g.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestWhoClosesAConnectionEndsItsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		g := gather(s)
		s.arrived.WriteString("x")
		_, err := g.Read(make([]byte, 1))
		require.NoError(t, err)
		begin, over := time.Now(), make(chan error)
		go func() {
			_, err := g.Read(make([]byte, 1))
			over <- err
		}()
		synctest.Wait()
		require.NoError(t, g.Close())
		require.NoError(t, g.Close())
		require.ErrorIs(t, <-over, net.ErrClosed)
		require.Zero(t, time.Since(begin))
	})
}

func TestConnectionsAreMadeAsTheAccessSays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	dialed := 0
	client, err := Connections(&rest.Config{Host: server.URL, Dial: func(context.Context, string, string) (net.Conn, error) {
		dialed++
		return net.Dial("tcp", server.Listener.Addr().String())
	}})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusTeapot, response.StatusCode)
	require.Equal(t, 1, dialed)
}
