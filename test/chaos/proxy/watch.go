package proxy

import (
	"bufio"
	"errors"
	"io"
	"sync"
	"time"
)

var errCut = errors.New("the watch was cut")

// watch is the answer to a watch, which can be ended, held back and told by another clock.
type watch struct {
	proxy *Proxy
	body  io.ReadCloser
	lines *bufio.Reader
	ahead time.Duration
	rest  []byte
	once  sync.Once
	ended chan struct{}
}

// hold takes hold of a watch.
func (p *Proxy) hold(body io.ReadCloser, ahead time.Duration) io.ReadCloser {
	w := &watch{proxy: p, body: body, lines: bufio.NewReaderSize(body, 64<<10), ahead: ahead, ended: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches[w] = true
	return w
}

// CutWatches ends every watch that is open.
func (p *Proxy) CutWatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.watches {
		w.end()
	}
}

func (w *watch) end() {
	w.once.Do(func() {
		close(w.ended)
		_ = w.body.Close()
	})
}

// Close implements io.Closer.
func (w *watch) Close() error {
	w.end()
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	delete(w.proxy.watches, w)
	return nil
}

// Read implements io.Reader.
func (w *watch) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		chunk, err := w.next()
		if len(chunk) == 0 && err != nil {
			return 0, err
		}
		w.rest = chunk
	}
	if !w.awaitLag() {
		return 0, errCut
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// next reads what there is to say. With a clock of its own that is one event, a line of JSON.
func (w *watch) next() ([]byte, error) {
	if w.ahead != 0 {
		line, err := w.lines.ReadBytes('\n')
		return shift(line, w.ahead), err
	}
	if _, err := w.lines.Peek(1); err != nil {
		return nil, err
	}
	chunk := make([]byte, w.lines.Buffered())
	n, err := w.lines.Read(chunk)
	return chunk[:n], err
}

// awaitLag waits until watches may say something, and reports whether this one still may.
func (w *watch) awaitLag() bool {
	for {
		held, changed := w.proxy.faults.lag()
		if !held {
			select {
			case <-w.ended:
				return false
			default:
				return true
			}
		}
		select {
		case <-changed:
		case <-w.ended:
			return false
		}
	}
}
