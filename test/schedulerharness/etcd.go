package schedulerharness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// envTools names the directory that holds the etcd binary. Default: bin/tools in the repository.
const envTools = "HEADROOM_TOOLS"

// etcdStart is how long etcd may take to listen. Generous: the machine may be building other things.
const etcdStart = time.Minute

// FindEtcd returns the path of the etcd binary: in the directory that HEADROOM_TOOLS names, else in bin/tools of the repository,
// else on the PATH. The error says where it looked and how to get one.
func FindEtcd() (string, error) {
	dirs := []string{filepath.Join(repositoryRoot(), "bin", "tools")}
	if dir := os.Getenv(envTools); dir != "" {
		dirs = []string{dir}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, "etcd")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	if path, err := exec.LookPath("etcd"); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("no etcd in %v or on the PATH: run 'make tools', or set %s to the directory that has it", dirs, envTools)
}

// repositoryRoot returns the directory that holds the repository's go.mod. It panics when the sources are not where the test
// binary was built.
func repositoryRoot() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("schedulerharness: the path of its own source is unknown") //nolint:forbidigo // no test can run, and the answer has no room for an error
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		//nolint:forbidigo // no test can run, and the answer has no room for an error
		panic(fmt.Sprintf("schedulerharness: no go.mod in %s: do not build tests with -trimpath", root))
	}
	return root
}

// startEtcd starts etcd on a unix socket in dir and returns its URL and a function that ends it. The kernel kills etcd when the
// test process dies, whatever it dies of: a test binary that runs into its timeout leaves nothing behind.
func startEtcd(dir string) (url string, stop func(), err error) {
	path, err := FindEtcd()
	if err != nil {
		return "", nil, err
	}
	socket := filepath.Join(dir, "etcd.sock")
	logPath := filepath.Join(dir, "etcd.log")
	log, err := os.Create(logPath)
	if err != nil {
		return "", nil, fmt.Errorf("creating the log of etcd: %w", err)
	}
	cmd := exec.Command(path,
		"--data-dir", filepath.Join(dir, "etcd"),
		"--listen-client-urls", "unix://"+socket,
		// Nobody asks etcd where it is, but it insists on an address with a port.
		"--advertise-client-urls", "http://127.0.0.111:0",
		"--listen-peer-urls", "http://127.0.0.1:0",
		"--unsafe-no-fsync",
		"--log-level", "warn")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited, err := startOnThread(cmd)
	if err != nil {
		return "", nil, fmt.Errorf("starting %s: %w", path, err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		<-exited
		_ = log.Close()
	}
	if err := waitForSocket(socket, exited); err != nil {
		stop()
		content, _ := os.ReadFile(logPath)
		return "", nil, fmt.Errorf("starting %s: %w; its log:\n%s", path, err, content)
	}
	return "unix://" + socket, stop, nil
}

// startOnThread starts the command from a thread that lives as long as the command does: the kernel sends the parent-death
// signal when the thread that forked ends, not the process.
func startOnThread(cmd *exec.Cmd) (exited chan struct{}, err error) {
	started := make(chan error)
	exited = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(exited)
	}()
	return exited, <-started
}

func waitForSocket(socket string, exited <-chan struct{}) error {
	deadline := time.After(etcdStart)
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
		select {
		case <-exited:
			return errors.New("it exited")
		case <-deadline:
			return fmt.Errorf("it did not listen within %s", etcdStart)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
