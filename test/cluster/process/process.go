package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// pollEvery is how often WaitReady asks; a local question costs well below a millisecond.
const pollEvery = 25 * time.Millisecond

// Process is a program that was started in a Group.
type Process struct {
	spec    Spec
	cmd     *exec.Cmd
	stopped atomic.Bool
	done    chan struct{}
	err     error
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	close(p.done)
}

// Name as in the Spec.
func (p *Process) Name() string { return p.spec.Name }

// Log is the path of the file that holds stdout and stderr.
func (p *Process) Log() string { return p.spec.Log }

// PID of the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the program: SIGTERM, then SIGKILL when its grace period is over. It returns when the program has ended,
// and may be called again.
func (p *Process) Stop() {
	p.stopped.Store(true)
	if p.spec.Grace > 0 {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return
		case <-time.After(p.spec.Grace):
		}
	}
	p.Kill()
}

// Kill ends the program by SIGKILL, as a crash would, and returns when it has ended.
func (p *Process) Kill() {
	p.stopped.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Failure says in one sentence why the program ended by itself. It is nil while the program runs, and when Stop or
// Kill ended it.
func (p *Process) Failure() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	if p.stopped.Load() {
		return nil
	}
	how := "ended"
	if p.err != nil {
		how = "ended with " + p.err.Error()
	}
	log, err := os.ReadFile(p.spec.Log)
	if err != nil {
		return fmt.Errorf("%s %s, and its log cannot be read: %w", p.spec.Name, how, err)
	}
	if cause := errorCause(log); cause != "" {
		return fmt.Errorf("%s %s: %s (log: %s)", p.spec.Name, how, cause, p.spec.Log)
	}
	return fmt.Errorf("%s %s without a word (log: %s)", p.spec.Name, how, p.spec.Log)
}

// WaitReady asks ready until it returns nil. It gives up when the program ends or ctx does, and says why in one
// sentence.
func (p *Process) WaitReady(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errors.Join(p.Failure(), ctx.Err())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w (log: %s)", p.spec.Name, context.Cause(ctx), err, p.spec.Log)
		case <-tick.C:
		}
	}
}
