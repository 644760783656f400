package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Request is one request of the component.
type Request struct {
	// At is when it came, Sent when it was passed on.
	At, Sent time.Time
	// Took is how long the API server took.
	Took time.Duration
	// Method and Path of it.
	Method, Path string
	// Code of the answer, 0 if there was none.
	Code int
	// Fault says what the proxy did to it, empty for nothing.
	Fault string
	// UID is the precondition of a deletion, empty for none.
	UID types.UID
}

// IsWrite reports whether the request would change an object. A review of rights changes none, and neither does a lease tell anybody
// anything.
func (r Request) IsWrite() bool {
	return r.Method != http.MethodGet && !r.isReview() && !strings.HasPrefix(r.Path, "/apis/coordination.k8s.io/")
}

// DeletedPod returns the pod that the request deletes, and whether it deletes one.
func (r Request) DeletedPod() (types.NamespacedName, bool) {
	parts := strings.Split(strings.TrimPrefix(r.Path, "/api/v1/namespaces/"), "/")
	if r.Method != http.MethodDelete || len(parts) != 3 || parts[1] != "pods" {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: parts[0], Name: parts[2]}, true
}

// String is the request on one line.
func (r Request) String() string {
	text := fmt.Sprintf("%s %-6s %s %d %s", r.At.Format("15:04:05.000"), r.Method, r.Path, r.Code, r.Took.Round(time.Millisecond))
	if r.UID != "" {
		text += " uid " + string(r.UID)
	}
	if r.Fault != "" {
		text += " " + r.Fault
	}
	return text
}

// record is what was written so far.
type record struct {
	mu     sync.Mutex
	writes []Request
	listen func(Request)
}

func (r *record) add(request Request) {
	if request.Method == http.MethodGet {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, request)
	if r.listen != nil {
		r.listen(request)
	}
}

// OnWrite has a function called for every request that is not a GET, when it is answered, one at a time.
func (p *Proxy) OnWrite(listen func(Request)) {
	p.record.mu.Lock()
	defer p.record.mu.Unlock()
	p.record.listen = listen
}

// Writes returns the requests since then that would change an object, in the order of their answers.
func (p *Proxy) Writes(since time.Time) []Request {
	p.record.mu.Lock()
	defer p.record.mu.Unlock()
	var writes []Request
	for _, request := range p.record.writes {
		if request.IsWrite() && !request.At.Before(since) {
			writes = append(writes, request)
		}
	}
	return writes
}
