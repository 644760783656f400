package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parentEnv makes the test binary play a parent: it starts a group, prints folder and process group, and waits to be
// killed.
const parentEnv = "HEADROOM_TEST_PARENT"

// patience bounds every wait of these tests, which take moments on an idle machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		playParent(dir)
	}
	os.Exit(m.Run())
}

func playParent(dir string) {
	g, err := NewGroup(dir, "group-")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	// The child has a child of its own, and neither ends by SIGTERM.
	_, err = g.Start(Spec{Name: "deaf", Path: "/bin/sh", Log: filepath.Join(g.Dir, "log"),
		Args: []string{"-c", `trap "" TERM; (trap "" TERM; while :; do echo x >> more; sleep 0.05; done) & wait; sleep 600`}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	// Notify gives SIGINT its effect back where it is ignored from the start: in the background of a shell.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Printf("%s %d\n", g.Dir, g.pgid)
	<-interrupted
	os.Exit(1)
}

func TestNothingIsLeftOfAGroupHoweverItsParentEnds(t *testing.T) {
	for name, signal := range map[string]os.Signal{
		"killed": syscall.SIGKILL, "interrupted": syscall.SIGINT, "terminated": syscall.SIGTERM, "crashed": syscall.SIGABRT,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := exec.Command(os.Args[0])
			parent.Env = append(os.Environ(), parentEnv+"="+t.TempDir())
			stdout, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			dir, pgidText, _ := strings.Cut(strings.TrimSpace(line), " ")
			pgid, err := strconv.Atoi(pgidText)
			require.NoError(t, err)
			require.DirExists(t, dir)
			require.NotEmpty(t, alive(t, pgid))

			require.NoError(t, parent.Process.Signal(signal))
			_ = parent.Wait()

			require.Eventually(t, func() bool {
				_, err := os.Stat(dir)
				return errors.Is(err, os.ErrNotExist) && len(alive(t, pgid)) == 0
			}, patience, 20*time.Millisecond)
		})
	}
}

// alive lists the processes of a group that are not merely waiting to be reaped.
func alive(t *testing.T, pgid int) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,pgid=,stat=,args=").Output()
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[1] == strconv.Itoa(pgid) && !strings.HasPrefix(fields[2], "Z") {
			lines = append(lines, line)
		}
	}
	return lines
}

func newTestGroup(t *testing.T) *Group {
	t.Helper()
	g, err := NewGroup(t.TempDir(), "group-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

func shell(g *Group, script string, grace time.Duration) Spec {
	return Spec{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(g.Dir, "shell.log"), Grace: grace}
}

func TestCloseLeavesNothing(t *testing.T) {
	g := newTestGroup(t)
	_, err := g.Start(shell(g, "sleep 600", 0))
	require.NoError(t, err)
	require.NoError(t, g.Close())
	require.Empty(t, alive(t, g.pgid))
	require.NoDirExists(t, g.Dir)
	_, err = g.Start(shell(g, "true", 0))
	require.ErrorContains(t, err, "everything was stopped already")
}

func TestStopWaitsForAGracefulEnd(t *testing.T) {
	g := newTestGroup(t)
	p, err := g.Start(shell(g, `trap "echo bye; exit 0" TERM; echo hello; while :; do sleep 0.02; done`, time.Minute))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return readLog(t, p) == "hello\n" }, patience, 10*time.Millisecond)
	p.Stop()
	require.Equal(t, "hello\nbye\n", readLog(t, p))
	require.NoError(t, p.Failure(), "what was asked to end did not fail")
}

func readLog(t *testing.T, p *Process) string {
	t.Helper()
	data, err := os.ReadFile(p.Log())
	require.NoError(t, err)
	return string(data)
}

func TestAProgramThatEndsByItselfIsExplained(t *testing.T) {
	g := newTestGroup(t)
	p, err := g.Start(shell(g, `echo "Error: no such flag" >&2; exit 3`, 0))
	require.NoError(t, err)
	err = p.WaitReady(t.Context(), func(context.Context) error { return errors.New("not yet") })
	require.EqualError(t, err, "shell ended with exit status 3: Error: no such flag (log: "+p.Log()+")")
}

func TestAProgramThatCannotRunIsNamed(t *testing.T) {
	g := newTestGroup(t)
	spec := shell(g, "", 0)
	spec.Path = filepath.Join(g.Dir, "absent")
	_, err := g.Start(spec)
	require.ErrorContains(t, err, "starting shell: fork/exec "+spec.Path)
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	_, err := NewGroup(filepath.Join(t.TempDir(), "absent"), "group-")
	require.ErrorContains(t, err, "making a folder for temporary files (TMPDIR chooses another place): ")
}
