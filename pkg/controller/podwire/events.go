package podwire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
)

const (
	// collect is how long after a change others are waited for before they are told together.
	collect = 20 * time.Millisecond
	// mostCollected is how many changes wait to be told at most. While they do, no more are read.
	mostCollected = 10_000
	// eventBuffer is how many bytes of a watch are read at once, if they are there.
	eventBuffer = 4 << 10
)

// follow tells what an API server sends to a watch, until it ends or is stopped.
func follow(ctx context.Context, body io.ReadCloser) watch.Interface {
	e := newEvents(body)
	go e.read()
	// That an event cannot be decoded is told as client-go tells it.
	reporter := apierrors.NewClientErrorReporter(http.StatusInternalServerError, http.MethodGet, "ClientWatchDecoding")
	return watch.NewStreamWatcherWithLogger(klog.FromContext(ctx), e, reporter)
}

// happened is one event of a watch.
type happened struct {
	kind watch.EventType
	// pod is the one that it happened to; nil for errors. version is its resource version, which is there until the next event is opened.
	pod     *Pod
	version []byte
	// failure is why the watch ends, nil if it does not.
	failure runtime.Object
}

// opener opens the events of one watch, one after the other. The error is io.EOF at the end.
type opener interface{ next() (happened, error) }

// events collects what happens, so that whoever follows it is woken once for many pods that change at about the same time. It is the
// decoder of a StreamWatcher.
type events struct {
	body io.ReadCloser
	// ready says that something can be told, taken that something was, over that no more comes, and closed that nobody listens.
	ready, taken, over, closed chan struct{}

	mu sync.Mutex
	// changes were not told yet, and version is the resource version of the last; nil if there are none.
	changes *Changes
	version []byte
	// failure or err is why no more comes. They are set before it is over.
	failure runtime.Object
	err     error
}

var _ watch.Decoder = &events{}

func newEvents(body io.ReadCloser) *events {
	return &events{
		body: body, ready: make(chan struct{}, 1), taken: make(chan struct{}, 1), over: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Decode waits for something to tell.
func (e *events) Decode() (watch.EventType, runtime.Object, error) {
	for {
		select {
		case <-e.closed:
			return "", nil, io.EOF
		case <-e.ready:
		case <-e.over:
		}
		if kind, object, err := e.take(); object != nil || err != nil {
			return kind, object, err
		}
	}
}

// Close ends it.
func (e *events) Close() {
	close(e.closed)
	_ = e.body.Close()
}

// take returns what can be told: the changes, or else why there will be none, once; nothing if neither is there.
func (e *events) take() (watch.EventType, runtime.Object, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if changes := e.changes; changes != nil {
		changes.ResourceVersion, e.changes = string(e.version), nil
		signal(e.taken)
		return watch.Modified, changes, nil
	}
	if failure := e.failure; failure != nil {
		e.failure, e.err = nil, io.EOF
		return watch.Error, failure, nil
	}
	return "", nil, e.err
}

// read reads until the end.
func (e *events) read() {
	defer close(e.over)
	from := open(bufio.NewReaderSize(e.body, eventBuffer), e.body)
	for {
		event, err := from.next()
		if err != nil || event.failure != nil {
			e.end(event.failure, err)
			return
		}
		if full := e.add(event); full {
			select {
			case <-e.taken:
			case <-e.closed:
			}
		}
	}
}

func (e *events) end(failure runtime.Object, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure, e.err = failure, err
}

// add adds an event to what is told, and reports whether that is as much as can wait.
func (e *events) add(event happened) (full bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changes == nil {
		e.changes = &Changes{}
		time.AfterFunc(collect, func() { signal(e.ready) })
	}
	e.version = append(e.version[:0], event.version...)
	switch event.kind {
	case watch.Bookmark: // it says how far the watch has come, and nothing of any pod
		return false
	case watch.Deleted:
		event.pod.Held, event.pod.Class = false, Class{}
	case watch.Added, watch.Modified, watch.Error:
	}
	e.changes.Pods = append(e.changes.Pods, event.pod)
	return len(e.changes.Pods) >= mostCollected
}

// signal tells whoever waits, unless that is known already.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// eventKind is the type of an event.
func eventKind(of []byte) (watch.EventType, error) {
	for _, kind := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error} {
		if string(of) == string(kind) {
			return kind, nil
		}
	}
	return "", fmt.Errorf("an event is of type %q, which nobody knows", of)
}

// errNoPod is that of an event that is neither about a pod nor an error.
var errNoPod = errors.New("an event is about no pod")
