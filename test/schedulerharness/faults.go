package schedulerharness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Request is one request of a scheduler to the API server, as a fault sees it.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Path is the path of the URL, for example /api/v1/namespaces/ns/pods/web/binding.
	Path string
}

// IsWrite reports whether the request changes something. Events do not count: nothing depends on them.
func (r Request) IsWrite() bool {
	return r.Method != http.MethodGet && !strings.Contains(r.Path, "/events")
}

// IsEviction reports whether the request deletes a pod.
func (r Request) IsEviction() bool {
	return r.Method == http.MethodDelete && strings.Contains(r.Path, "/pods/")
}

// IsBind reports whether the request binds a pod to a node.
func (r Request) IsBind() bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/binding")
}

// Fault is what happens to one request.
type Fault struct {
	// Before runs before the request is sent. An error is returned to the scheduler, and nothing is sent; an error of
	// k8s.io/apimachinery/pkg/api/errors looks as if the API server had answered with it.
	Before func() error
	// After runs when the API server has answered. An error is returned to the scheduler in place of the answer.
	After func() error
}

// Faults injects faults into the requests of a scheduler, and records its writes.
type Faults struct {
	severed atomic.Pointer[error]

	mu     sync.Mutex
	inject func(Request) *Fault
	writes []Request
}

// NewFaults returns Faults that touch nothing until told so.
func NewFaults() *Faults { return &Faults{} }

// Inject sets the function that decides what happens to a request; nil results, and a nil function, leave it alone. The function is
// called for one request at a time, and not with reads.
func (f *Faults) Inject(decide func(Request) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = decide
}

// Sever makes every request from now on fail with the error, and those under way fail when they return.
func (f *Faults) Sever(err error) { f.severed.CompareAndSwap(nil, &err) }

// Writes returns the writes the scheduler has tried so far, in order, events left out.
func (f *Faults) Writes() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Request(nil), f.writes...)
}

func (f *Faults) decide(request Request) *Fault {
	if !request.IsWrite() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = append(f.writes, request)
	if f.inject == nil {
		return nil
	}
	return f.inject(request)
}

func (f *Faults) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := f.severed.Load(); err != nil {
			return nil, *err
		}
		fault := f.decide(Request{Method: r.Method, Path: r.URL.Path})
		if fault != nil && fault.Before != nil {
			if err := fault.Before(); err != nil {
				return answer(r, err)
			}
		}
		response, err := next.RoundTrip(r)
		if fault != nil && fault.After != nil && err == nil {
			if err := fault.After(); err != nil {
				_ = response.Body.Close()
				return nil, err
			}
		}
		if severed := f.severed.Load(); severed != nil && err == nil {
			_ = response.Body.Close()
			return nil, fmt.Errorf("answer lost: %w", *severed)
		}
		return response, err
	})
}

// answer is what the scheduler gets in place of the API server's answer.
func answer(r *http.Request, err error) (*http.Response, error) {
	var refused *apierrors.StatusError
	if !errors.As(err, &refused) {
		return nil, err
	}
	body, marshalErr := json.Marshal(refused.ErrStatus)
	if marshalErr != nil {
		return nil, fmt.Errorf("writing the answer of the API server: %w", marshalErr)
	}
	return &http.Response{
		StatusCode: int(refused.ErrStatus.Code), Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
