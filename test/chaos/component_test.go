package chaos

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

// sleeper is a program that does nothing.
type sleeper struct {
	group  *process.Group
	starts int
}

func (s *sleeper) Start(...string) (*process.Process, error) {
	s.starts++
	return s.group.Start(process.Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}, Log: filepath.Join(s.group.Dir, "log")})
}

func TestAComponentThatIsKilledTwiceIsStartedOnce(t *testing.T) {
	group, err := process.NewGroup("", "headroom-chaos-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, group.Close()) })
	program := &sleeper{group: group}
	c := &component{program: program}
	require.NoError(t, c.start())
	c.kill()
	c.kill() // before it was started again
	require.NoError(t, c.start())
	require.NoError(t, c.start())
	require.Equal(t, 2, program.starts, "the second who starts it finds it running")
	require.NoError(t, c.failure())
	c.kill()
	require.NoError(t, c.start())
	require.Equal(t, 3, program.starts)
}

func TestFaultsExcuseNoEndOverANameThatWasUsedAnew(t *testing.T) {
	require.True(t, isExcused(errors.New("headroom-scheduler: failed to get delegated authentication kubeconfig")))
	require.False(t, isExcused(errors.New(
		`cache.go:662] "Pod updated on a different node than previously added to. Scheduler cache is corrupted" pod="shop/web-headroom-0"`)))
}
