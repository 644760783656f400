package podwire

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// TestWhatComesWhileNobodyWaitsIsToldToWhoComes: whoever follows a watch is at work with what came before, as a rule.
func TestWhatComesWhileNobodyWaitsIsToldToWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		e := newEvents(from)
		go e.read()
		for _, name := range []string{"a", "b"} {
			_, err := to.Write(sent(t, runtime.ContentTypeProtobuf, watch.Added, bound(name, "1", nil)))
			require.NoError(t, err)
			<-time.After(2 * collect)
			begin := time.Now()
			_, object, err := e.Decode()
			require.NoError(t, err)
			changes, ok := object.(*Changes)
			require.True(t, ok)
			require.Len(t, changes.Pods, 1)
			require.Equal(t, name, changes.Pods[0].Name)
			require.Zero(t, time.Since(begin))
		}
		e.Close()
		synctest.Wait()
	})
}

func TestABookmarkAloneTellsHowFarTheWatchHasCome(t *testing.T) {
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		changes, failure := told(t, t, sent(t, mediaType, watch.Bookmark, bound("", "12", nil)))
		require.Nil(t, failure)
		require.Empty(t, changes.Pods, "it is about no pod")
		require.Equal(t, "12", changes.ResourceVersion)
	}
}

func TestADeletionAloneTellsHowFarTheWatchHasCome(t *testing.T) {
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		changes, failure := told(t, t, sent(t, mediaType, watch.Deleted, bound("a", "12", nil)))
		require.Nil(t, failure)
		require.Equal(t, Changes{Pods: []*Pod{{Namespace: "shop", Name: "a"}}, ResourceVersion: "12"}, changes)
	}
}

func TestAnErrorEndsTheWatchWhateverItIsAbout(t *testing.T) {
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		changes, failure := told(t, t, sent(t, mediaType, watch.Error, bound("a", "12", nil)))
		require.NotNil(t, failure)
		require.Empty(t, changes.Pods)
	}
}

// TestToBeWokenForNothingIsNoEvent: what the wake-up was for may have been told with what came before.
func TestToBeWokenForNothingIsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEvents(io.NopCloser(bytes.NewReader(nil)))
		signal(e.ready)
		time.AfterFunc(time.Minute, func() { e.add(happened{kind: watch.Added, pod: &Pod{Name: "a"}, version: []byte("1")}) })
		kind, object, err := e.Decode()
		require.NoError(t, err)
		require.Equal(t, watch.Modified, kind)
		require.Equal(t, &Changes{Pods: []*Pod{{Name: "a"}}, ResourceVersion: "1"}, object)
		e.Close()
		_, _, err = e.Decode()
		require.ErrorIs(t, err, io.EOF, "nobody listens any more")
	})
}

// filled is a watch that has as much to tell as can wait.
func filled(t *testing.T, from io.ReadCloser) *events {
	t.Helper()
	e := newEvents(from)
	for i := range mostCollected {
		full := e.add(happened{kind: watch.Added, pod: &Pod{}, version: []byte("1")})
		require.Equal(t, i == mostCollected-1, full)
	}
	return e
}

// TestThatSomethingWasTakenIsKnownToWhoLooksLater: it may be taken after the reader found that no more can wait, and before it waits.
func TestThatSomethingWasTakenIsKnownToWhoLooksLater(t *testing.T) {
	e := filled(t, io.NopCloser(bytes.NewReader(nil)))
	_, object, err := e.take()
	require.NoError(t, err)
	require.NotNil(t, object)
	select {
	case <-e.taken:
	default:
		require.Fail(t, "the reader would wait for ever")
	}
}

func TestAWatchThatIsStoppedWhileItIsFullIsReadNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := sent(t, runtime.ContentTypeProtobuf, watch.Added, bound("a", "1", nil))
		e := newEvents(io.NopCloser(bytes.NewReader(bytes.Repeat(one, mostCollected+5))))
		go e.read()
		synctest.Wait()
		e.mu.Lock()
		require.Len(t, e.changes.Pods, mostCollected)
		e.mu.Unlock()
		e.Close()
		<-e.over // or the test is found to be stuck
	})
}

// ending is a connection that brings its last bytes together with its end.
type ending struct {
	net.Conn
	left []byte
}

func (e *ending) Read(into []byte) (int, error) {
	n := copy(into, e.left)
	if e.left = e.left[n:]; len(e.left) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// TestNothingThatCameBeforeTheEndIsLost, however much of it the reader has room for at a time.
func TestNothingThatCameBeforeTheEndIsLost(t *testing.T) {
	for _, size := range []int{1, 7, 4096, gathered, gathered + 1, 3 * gathered} {
		sent := bytes.Repeat([]byte("0123456789"), gathered/4)
		g := gather(&ending{left: sent})
		g.more = true // as after a read that brought as much as there was room for
		var got []byte
		for into := make([]byte, size); ; {
			n, err := g.Read(into)
			got = append(got, into[:n]...)
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
		}
		require.True(t, bytes.Equal(sent, got), "by %d bytes: %d of %d came", size, len(got), len(sent))
	}
}

// TestEveryConnectionGathers, over whatever it is dialed.
func TestEveryConnectionGathers(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	dialed := &socket{Conn: here}
	client, err := Connections(&rest.Config{
		Host: "http://api.example", Dial: func(context.Context, string, string) (net.Conn, error) { return dialed, nil },
	})
	require.NoError(t, err)
	inner := client.Transport
	for wrapped, ok := inner.(utilnet.RoundTripperWrapper); ok; wrapped, ok = inner.(utilnet.RoundTripperWrapper) {
		inner = wrapped.WrappedRoundTripper()
	}
	transport, ok := inner.(*http.Transport)
	require.True(t, ok, "got a %T", inner)
	conn, err := transport.DialContext(t.Context(), "tcp", "api.example:80")
	require.NoError(t, err)
	gathers, ok := conn.(*gathering)
	require.True(t, ok, "got a %T", conn)
	require.Same(t, dialed, gathers.Conn)
	require.NoError(t, conn.Close())
	require.NoError(t, conn.Close(), "a second time is no harm")
	require.True(t, dialed.closed.Load())
}
