package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// anchorScript leads the process group until the parent's end of the pipe is gone.
const anchorScript = `trap "" HUP INT TERM; read -r _`

// guardScript waits for the parent's end of the pipe to go, kills the group $1, waits at most five seconds until the
// group is empty (where nobody reaps the dead it never is) and removes the folder $2.
const guardScript = `trap "" HUP INT TERM
read -r _
kill -KILL "-$1" 2>/dev/null
i=0
while [ $i -lt 250 ] && kill -0 "-$1" 2>/dev/null; do sleep 0.02; i=$((i+1)); done
rm -rf "$2"`

// Group is a set of running programs and a temporary folder that end together, at the latest with the parent process.
// Its methods may be called from several goroutines.
type Group struct {
	// Dir is the absolute path of the temporary folder.
	Dir string

	pgid   int
	pipe   *os.File
	anchor *exec.Cmd
	guard  *exec.Cmd

	mu        sync.Mutex
	processes []*Process
	closed    bool
}

// NewGroup makes a folder whose name starts with prefix in the folder parent (empty: the system's folder for
// temporary files) and an empty group. It fails if the folder cannot be made or /bin/sh cannot be run.
func NewGroup(parent, prefix string) (*Group, error) {
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for temporary files (TMPDIR chooses another place): %w", err)
	}
	g := &Group{Dir: dir}
	if err := g.startShells(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the guard of %s: %w", dir, err), os.RemoveAll(dir))
	}
	return g, nil
}

func (g *Group) startShells() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	g.pipe = write
	if g.anchor, err = startShell(read, anchorScript); err != nil {
		return errors.Join(err, write.Close())
	}
	g.pgid = g.anchor.Process.Pid
	if g.guard, err = startShell(read, guardScript, strconv.Itoa(g.pgid), g.Dir); err != nil {
		return errors.Join(err, write.Close(), g.anchor.Wait())
	}
	go func() { _ = g.anchor.Wait() }()
	return nil
}

// startShell runs a script in a process group of its own, out of reach of the terminal's Ctrl-C.
func startShell(stdin *os.File, script string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "guard"}, args...)...)
	cmd.Stdin = stdin
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, cmd.Start()
}

// Close asks the programs to end, the last started first, those with a grace period of zero at once, and removes the
// folder. When it returns nothing is left. A second call does nothing.
func (g *Group) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	processes := g.processes
	g.mu.Unlock()

	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].Stop()
	}
	_ = g.pipe.Close()
	_ = g.guard.Wait()
	// Only needed when somebody killed the guard.
	_ = syscall.Kill(-g.pgid, syscall.SIGKILL)
	if err := os.RemoveAll(g.Dir); err != nil {
		return fmt.Errorf("removing the temporary folder: %w", err)
	}
	return nil
}

// Spec says how to run a program.
type Spec struct {
	// Name stands in messages and names the log file.
	Name string
	// Path of the program.
	Path string
	// Args after the program's name.
	Args []string
	// Env is added to the parent's environment, as NAME=value.
	Env []string
	// Log is the file that gets stdout and stderr; it is made, or appended to.
	Log string
	// Grace is how long the program has between SIGTERM and SIGKILL. Zero: SIGKILL at once.
	Grace time.Duration
}

// Start runs a program in the group, in the group's folder.
func (g *Group) Start(spec Spec) (*Process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("starting %s: everything was stopped already", spec.Name)
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", spec.Name, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.pgid}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	go p.wait()
	g.processes = append(g.processes, p)
	return p, nil
}
