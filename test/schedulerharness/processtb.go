package schedulerharness

import (
	"fmt"
	"os"
	"sync"

	"k8s.io/kubernetes/test/utils/ktesting"
)

// processTB stands for the test process where the test server asks for a test: the API server outlives every single test of a
// package. Methods that the test server does not use are left to the nil interface and would panic.
type processTB struct {
	ktesting.TB

	mu       sync.Mutex
	cleanups []func()
	failed   bool
}

func (p *processTB) Helper()                      {}
func (p *processTB) Name() string                 { return "schedulerharness" }
func (p *processTB) Log(...any)                   {}
func (p *processTB) Logf(string, ...any)          {}
func (p *processTB) Attr(string, string)          {}
func (p *processTB) Error(args ...any)            { p.fail(fmt.Sprint(args...)) }
func (p *processTB) Errorf(f string, args ...any) { p.fail(fmt.Sprintf(f, args...)) }
func (p *processTB) Fatalf(f string, args ...any) { p.Fatal(fmt.Sprintf(f, args...)) }
func (p *processTB) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}
func (p *processTB) Fail()        { p.mu.Lock(); defer p.mu.Unlock(); p.failed = true }
func (p *processTB) Failed() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.failed }

// Fatal ends the goroutine, as a test's does, in the only way that is left without a test.
func (p *processTB) Fatal(args ...any) {
	p.fail(fmt.Sprint(args...))
	panic("the test server failed") //nolint:forbidigo // the test server does not return after Fatal
}

func (p *processTB) fail(message string) {
	p.Fail()
	fmt.Fprintln(os.Stderr, "schedulerharness:", message)
}

// runCleanups runs what was registered, last first, as a test does at its end.
func (p *processTB) runCleanups() {
	for {
		p.mu.Lock()
		if len(p.cleanups) == 0 {
			p.mu.Unlock()
			return
		}
		last := p.cleanups[len(p.cleanups)-1]
		p.cleanups = p.cleanups[:len(p.cleanups)-1]
		p.mu.Unlock()
		last()
	}
}
