package podwire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
	closed  atomic.Bool
}

func (s *socket) Read(into []byte) (int, error) {
	s.reads++
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return s.arrived.Read(into)
}

func (s *socket) Close() error {
	s.closed.Store(true)
	return nil
}

func TestWhatArrivesInAPauseIsReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		g := gather(s)
		from := bufio.NewReaderSize(g, 4096)
		read := func(want string, after time.Duration) {
			begin, got := time.Now(), make([]byte, len(want))
			_, err := io.ReadFull(from, got)
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

		much := strings.Repeat("x", gathered)
		s.arrived.WriteString(much)
		read(much[:1], pause)
		read(much[1:4096], 0)
		read(much[4096:], 0)
		require.Equal(t, 4, s.reads, "as much as there was room for, and then all that was left")
		s.arrived.WriteString("four")
		read("four", 0) // there was much, so there is more
		require.Nil(t, g.buffer)
		_, err := g.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestWhoClosesAConnectionEndsItsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		g := gather(s)
		s.arrived.WriteString("x")
		_, err := g.Read(make([]byte, 2))
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

func TestConnectionsAreOfHTTP1EvenIfThereIsHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	access := &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	ask := func(client *http.Client, err error) string {
		t.Helper()
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(body)
	}
	require.Equal(t, "HTTP/2.0", ask(rest.HTTPClientFor(access)))
	require.Equal(t, "HTTP/1.1", ask(Connections(access)))
	require.Empty(t, access.NextProtos, "it is the others', too")
}
