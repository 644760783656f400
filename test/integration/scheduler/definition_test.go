package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// Without the CustomResourceDefinition nobody can say whom a placeholder admits. None can be made then, but some may be left over.

func TestWithoutTheDefinitionTheSchedulerWorksAndTakesNoHeadroom(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	leftOver := w.hold(t, "n0")
	w.DeleteDefinition(t)
	w.StartHeadroom(t, withoutDefaultPreemption(schedulerharness.SecondScheduler(t)), nil)

	w.CreatePods(t, consumer("fits", cpu("1")).Obj())
	w.WaitBound(t, "fits")
	w.CreatePods(t, consumer("web", cpu("1")).Obj())
	w.WaitUnschedulable(t, "web")
	require.Equal(t, leftOver, w.remaining(t, leftOver))

	w.CreateDefinition(t)
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	unit := w.place(t, builders.Placeholder(spare, 9).Node("n1"))
	w.CreateNodes(t, builders.Node("n1", "a", cpu("1")).Obj())
	w.WaitBound(t, "web") // without a restart
	require.Empty(t, w.remaining(t, []string{unit}))
	require.Equal(t, leftOver, w.remaining(t, leftOver), "what is left of a Headroom before is not that of the next one of its name")
}

func TestWhatIsLeftOverWhenTheDefinitionGoesIsAPodOfLowPriorityLikeAnyOther(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "b")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("web")).Obj())
	leftOver := w.fill(t, spare, "n0", "n1")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Label("app", "web").Obj())
	w.WaitBound(t, "web") // the scheduler knows the Headroom by now
	w.CreatePods(t, consumer("db", cpu("1")).Label("app", "db").Obj())
	w.WaitUnschedulable(t, "db")
	require.Len(t, w.remaining(t, leftOver), 1)

	w.DeleteDefinition(t)

	w.WaitBound(t, "db")
	require.Empty(t, w.remaining(t, leftOver), "kube-scheduler's own preemption has taken it")
}
