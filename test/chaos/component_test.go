package chaos

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/chaos/plan"
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

// TestEachComponentThatDeletesAPodIsToldOf: a pod that goes at once can be deleted twice, and both requests succeed.
func TestEachComponentThatDeletesAPodIsToldOf(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "unit", UID: "1"}}
	r := &run{deletions: map[types.NamespacedName][]deletion{{Namespace: "shop", Name: "unit"}: {
		{by: plan.Controller, at: time.Now(), uid: "of another pod"}, {by: stockScheduler, at: time.Now()}, {by: plan.Scheduler, at: time.Now(), uid: "1"},
	}}}
	require.Equal(t, []plan.Component{stockScheduler, plan.Scheduler}, r.deletersOf(pod))
	require.Equal(t, stockScheduler, r.deletedBy(pod))
	require.True(t, r.rules().Evicted(pod))
}
