package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/process"
)

// faultsLinger is how long after a fault a component may still suffer from it.
const faultsLinger = 10 * time.Second

// program is what a component runs.
type program interface {
	Start(args ...string) (*process.Process, error)
}

// component is a program of the product behind a proxy of its own, which can be killed and started again.
type component struct {
	name    plan.Component
	program program
	proxy   *proxy.Proxy
	args    []string
	metrics string // URL
	token   string

	mu      sync.Mutex
	process *process.Process
	closed  bool
	faulted time.Time // until when it had faults
}

// Ports that components listen on: below those that the operating system hands out by itself, or a client would take the port of a component
// while it is down.
const firstPort, lastPort = 10000, 32000

// freePort returns a port of 127.0.0.1 that nobody listens on, and that nobody gets who asks for any port.
func freePort() (port int, err error) {
	for range 100 {
		port = firstPort + rand.IntN(lastPort-firstPort)
		var listener net.Listener
		if listener, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("looking for a free port: %w", err)
}

// deployed returns the component, not running yet.
func (r *run) deployed(ctx context.Context, name plan.Component) (*component, error) {
	p, err := proxy.Start(r.cluster.RESTConfig(), r.options.Seed)
	if err != nil {
		return nil, err
	}
	c := &component{name: name, proxy: p, token: r.cluster.RESTConfig().BearerToken}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c.metrics = "https://127.0.0.1:" + strconv.Itoa(port) + "/metrics"
	// Without leader election a component that was killed is there again at once. There is never a second one.
	switch name {
	case plan.Controller:
		c.args = []string{
			"--leader-elect=false", "--health-probe-bind-address=0", "--metrics-bind-address=127.0.0.1:" + strconv.Itoa(port),
			"--placeholder-scheduler-name=" + plan.HeadroomScheduler, "--allow-reserved",
		}
		c.program, err = r.cluster.DeployController(ctx, p.Server())
	case plan.Scheduler:
		c.args = []string{
			"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
			"--authorization-always-allow-paths=/metrics,/readyz", "--v=2",
		}
		way := cluster.MainScheduler
		if r.options.Way == Beside {
			way = cluster.SecondScheduler
		}
		c.program, err = r.cluster.DeployHeadroomScheduler(ctx, way, p.Server())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.OnWrite(func(request proxy.Request) { r.wrote(c.name, request) })
	p.SetSkew(r.plan.Skews[name])
	return c, nil
}

// start runs the component, unless the run is over or it runs already: one that is killed twice has two who start it.
func (c *component) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.runs() {
		return nil
	}
	var err error
	c.process, err = c.program.Start(c.args...)
	return err
}

func (c *component) runs() bool {
	if c.process == nil {
		return false
	}
	select {
	case <-c.process.Done():
		return false
	default:
		return true
	}
}

// kill ends the component as a crash would.
func (c *component) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process.Kill()
}

// failure says why the component ended by itself, and nil if it did not.
func (c *component) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return nil
	}
	return c.process.Failure()
}

// suffers reports whether the component has, or just had, faults.
func (c *component) suffers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.faulted) < faultsLinger
}

// fault treats the component badly for a while.
func (c *component) fault(f plan.Fault) {
	c.mu.Lock()
	c.faulted = time.Now().Add(f.For)
	c.mu.Unlock()
	var faults proxy.Faults
	switch f.Kind {
	case plan.CutWatches:
		c.proxy.CutWatches()
		return
	case plan.TooManyRequests:
		faults.Refuse = map[int]int{http.StatusTooManyRequests: f.Percent}
	case plan.Conflict:
		faults.Refuse = map[int]int{http.StatusConflict: f.Percent}
	case plan.ServerError:
		faults.Refuse = map[int]int{http.StatusInternalServerError: f.Percent}
	case plan.Slow:
		faults.Delay = f.Delay
	case plan.Away:
		faults.Away = true
	case plan.Lag:
		faults.Lag = true
	}
	c.proxy.SetFaults(faults)
}

// heal ends the fault that is due to end now, unless another one has come since.
func (c *component) heal() {
	c.mu.Lock()
	over := !time.Now().Before(c.faulted)
	c.mu.Unlock()
	if over {
		c.proxy.SetFaults(proxy.Faults{})
	}
}

// usage is what a component needs.
type usage struct {
	goroutines, memory float64
}

// measure reads what the component needs from its metrics.
func (c *component) measure(ctx context.Context) (usage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.metrics, nil)
	if err != nil {
		return usage{}, fmt.Errorf("asking for metrics: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // It signs its certificate itself.
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return usage{}, fmt.Errorf("reading the metrics of %s: %w", c.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return usage{}, fmt.Errorf("reading the metrics of %s: it answers %s", c.name, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return usage{}, fmt.Errorf("reading the metrics of %s: %w", c.name, err)
	}
	value := func(name string) float64 {
		if f := families[name]; f != nil && len(f.GetMetric()) > 0 {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
		return 0
	}
	u := usage{goroutines: value("go_goroutines"), memory: value("process_resident_memory_bytes")}
	if u.goroutines == 0 || u.memory == 0 {
		return usage{}, fmt.Errorf("the metrics of %s do not say what it needs", c.name)
	}
	return u, nil
}

// close ends the component and its proxy.
func (c *component) close() error {
	c.mu.Lock()
	c.closed = true
	running := c.process
	c.mu.Unlock()
	if running != nil {
		running.Stop()
	}
	return c.proxy.Close()
}
