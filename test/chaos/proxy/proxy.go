package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
)

// Proxy stands between one component and the API server.
type Proxy struct {
	server   *http.Server
	ca       []byte
	listener net.Listener
	reverse  *httputil.ReverseProxy
	faults   faults
	record   record
	// skew is how far the component's clock is ahead, in nanoseconds.
	skew atomic.Int64

	mu      sync.Mutex
	watches map[*watch]bool
}

// Start starts a proxy in front of the API server that config leads to. seed chooses which requests are spoilt, as far as the order in
// which they come allows. Close ends it.
func Start(config *rest.Config, seed uint64) (*Proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(config.CAData) {
		return nil, errors.New("starting a proxy: the API server's CA is no certificate")
	}
	p := &Proxy{watches: map[*watch]bool{}, faults: newFaults(seed)}
	p.reverse = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding") // What comes back is looked at.
		},
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: pool, ServerName: config.ServerName},
			ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 100,
		},
		FlushInterval:  -1,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ModifyResponse: p.modify,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, //nolint:forbidigo // how net/http cuts a connection
	}
	if err := p.serve(); err != nil {
		return nil, fmt.Errorf("starting a proxy: %w", err)
	}
	return p, nil
}

// serve starts the server, with a certificate that signs itself: without TLS, clients would not send their credentials.
func (p *Proxy) serve() (err error) {
	var key []byte
	if p.ca, key, err = cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(p.ca, key)
	if err != nil {
		return err
	}
	if p.listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return err
	}
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // Clients that are killed leave broken connections.
	}
	go func() { _ = p.server.ServeTLS(p.listener, "", "") }()
	return nil
}

// Server is how the component finds the API server: its address and its CA. Credentials are the component's own.
func (p *Proxy) Server() *rest.Config {
	return &rest.Config{Host: "https://" + p.listener.Addr().String(), TLSClientConfig: rest.TLSClientConfig{CAData: p.ca}}
}

// Close ends the proxy and every request that is under way.
func (p *Proxy) Close() error { return p.server.Close() }

// SetSkew sets how far the component's clock is ahead, in whole seconds. Change it while the component does not run: clocks do not jump.
func (p *Proxy) SetSkew(skew time.Duration) { p.skew.Store(int64(skew.Truncate(time.Second))) }

func (p *Proxy) clockAhead() time.Duration { return time.Duration(p.skew.Load()) }

// ServeHTTP passes a request on, or not.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := Request{At: time.Now(), Method: r.Method, Path: r.URL.Path}
	if err := p.readBody(r, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	what := p.faults.decide(request)
	if !sleep(r.Context(), what.delay) {
		return // Whoever asked is gone, and the API server never hears of it.
	}
	answer := &recorder{ResponseWriter: w}
	request.Sent = time.Now()
	switch {
	case what.cut:
		request.Fault = "away"
		p.record.add(request)
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http cuts a connection
	case what.code != 0:
		request.Fault, request.Code = "spoilt", what.code
		p.record.add(request)
		refuse(w, what.code)
		return
	}
	defer func() {
		request.Code, request.Took = answer.code, time.Since(request.Sent)
		p.record.add(request)
	}()
	p.reverse.ServeHTTP(answer, r)
}

// sleep reports whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// recorder keeps the code of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// refuse answers in the API server's place.
func refuse(w http.ResponseWriter, code int) {
	reason := map[int]string{
		http.StatusTooManyRequests: "TooManyRequests", http.StatusConflict: "Conflict", http.StatusInternalServerError: "InternalError",
	}[code]
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"refused by the chaos proxy","code":%d}`,
		reason, code)
}

// modify has the component see the answer by its own clock, and takes hold of watches.
func (p *Proxy) modify(response *http.Response) error {
	ahead := p.clockAhead()
	if isWatch(response.Request) && response.StatusCode == http.StatusOK {
		response.Body = p.hold(response.Body, -ahead)
		return nil
	}
	if ahead == 0 || !isJSON(response.Header) {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(strings.NewReader(string(shift(body, -ahead))))
	return nil
}

func isWatch(r *http.Request) bool {
	value := r.URL.Query().Get("watch")
	return value == "true" || value == "1"
}

func isJSON(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/json")
}
