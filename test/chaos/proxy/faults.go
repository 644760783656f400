package proxy

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Faults are how badly a proxy treats the requests of its component. The zero value is not at all.
type Faults struct {
	// Refuse maps an HTTP code to the percentage of requests that are answered with it. 409 is for writes to objects that exist alone.
	Refuse map[int]int
	// Delay is the longest time for which a request is held back.
	Delay time.Duration
	// Away refuses everything.
	Away bool
	// Lag holds back what watches have to say.
	Lag bool
}

// faults are the Faults of the moment.
type faults struct {
	mu      sync.Mutex
	current Faults
	rng     *rand.Rand
	changed chan struct{}
}

func newFaults(seed uint64) faults {
	return faults{rng: rand.New(rand.NewPCG(seed, 1)), changed: make(chan struct{})}
}

// verdict is what happens to one request.
type verdict struct {
	delay time.Duration
	code  int
	cut   bool
}

// SetFaults sets how requests are treated from now on. With Away every watch ends as well.
func (p *Proxy) SetFaults(f Faults) {
	p.faults.mu.Lock()
	p.faults.current = f
	close(p.faults.changed)
	p.faults.changed = make(chan struct{})
	p.faults.mu.Unlock()
	if f.Away {
		p.CutWatches()
	}
}

func (f *faults) decide(r Request) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := verdict{cut: f.current.Away}
	if f.current.Delay > 0 {
		v.delay = time.Duration(f.rng.Int64N(int64(f.current.Delay)))
	}
	if r.isReview() {
		return v
	}
	for _, code := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusConflict} {
		if code == http.StatusConflict && !r.canConflict() {
			continue
		}
		if v.code == 0 && f.rng.IntN(100) < f.current.Refuse[code] {
			v.code = code
		}
	}
	return v
}

// lag reports whether watches are to be held back, and returns what is closed when that may have changed.
func (f *faults) lag() (bool, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current.Lag, f.changed
}

// canConflict reports whether the API server may answer the request with 409 Conflict.
func (r Request) canConflict() bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPatch || r.Method == http.MethodDelete || strings.HasSuffix(r.Path, "/binding")
}

// isReview reports whether the request asks who somebody is or what they may do. It changes nothing.
func (r Request) isReview() bool {
	return strings.HasPrefix(r.Path, "/apis/authentication.k8s.io/") || strings.HasPrefix(r.Path, "/apis/authorization.k8s.io/")
}
