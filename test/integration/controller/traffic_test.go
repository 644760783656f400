package controller

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// traffic counts a controller's requests and can spoil them.
type traffic struct {
	next http.RoundTripper
	// away makes every request fail as if the API server were not there.
	away atomic.Bool
	// answer, if set, may answer a request in the API server's place.
	answer atomic.Pointer[func(*http.Request) *http.Response]

	mu        sync.Mutex
	counts    map[string]int
	lastWrite time.Time
}

func (t *traffic) wrap(next http.RoundTripper) http.RoundTripper {
	t.next, t.counts = next, map[string]int{}
	return t
}

var errAway = errors.New("connection refused, says the test")

// roundTripper is a function that sends requests.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// RoundTrip passes a request on, or not.
func (t *traffic) RoundTrip(request *http.Request) (*http.Response, error) {
	t.mu.Lock()
	t.counts[request.Method]++
	t.counts[request.Method+" "+resourceOf(request)]++
	if request.Method != http.MethodGet {
		t.lastWrite = time.Now()
	}
	t.mu.Unlock()
	if t.away.Load() {
		return nil, errAway
	}
	if answer := t.answer.Load(); answer != nil {
		if response := (*answer)(request); response != nil {
			return response, nil
		}
	}
	response, err := t.next.RoundTrip(request)
	if err == nil && request.URL.Query().Get("watch") == "true" {
		response.Body = &breakable{ReadCloser: response.Body, away: &t.away}
	}
	return response, err
}

// breakable is a watch that ends when the API server goes away.
type breakable struct {
	io.ReadCloser
	away *atomic.Bool
}

// Read fails once the API server is away.
func (b *breakable) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.away.Load() {
		return 0, errAway
	}
	return n, err
}

// resourceOf is the last fixed part of a request's path: the resource that it is about, with the subresource.
func resourceOf(request *http.Request) string {
	for _, resource := range []string{"headrooms", "headroomaccounts", "pods", "daemonsets", "events", "nodes"} {
		if strings.Contains(request.URL.Path, "/"+resource) {
			if strings.HasSuffix(request.URL.Path, "/status") {
				return resource + "/status"
			}
			return resource
		}
	}
	return "others"
}

// count is how many requests of this method, or of this method and resource, were made.
func (t *traffic) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

// writes is the number of requests that were no reads.
func (t *traffic) writes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := 0
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		sum += t.counts[method]
	}
	return sum
}

// quietFor returns an error unless there was no write for so long.
func (t *traffic) quietFor(d time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if quiet := time.Since(t.lastWrite); quiet < d {
		return fmt.Errorf("the last write was %s ago", quiet)
	}
	return nil
}

// answerWith answers as an API server that is overloaded or finds a conflict.
func answerWith(code int, reason string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"the test says so","code":%d}`, reason, code)
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, reason), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}
