package growth

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/test/builders"
)

// gathered stands in for the metrics of a process.
type gathered []*dto.MetricFamily

func (g *gathered) Gather() ([]*dto.MetricFamily, error) { return *g, nil }

func status(value float64) gathered {
	return gathered{{Name: ptr.To(masterStatus), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: ptr.To(value)}}}}}
}

func TestOnlyTheReplicaThatLeadsServesResizes(t *testing.T) {
	clock := testingclock.NewFakePassiveClock(builders.Epoch())
	metrics, synced := gathered{}, false
	l := NewLeadership(&metrics, func() bool { return synced }, clock)
	require.False(t, l.Leads(), "it starts")
	clock.SetTime(clock.Now().Add(time.Hour))
	require.False(t, l.Leads(), "the election begins when all informers have synced, however long that takes")
	synced = true
	require.False(t, l.Leads())
	metrics = status(0)
	clock.SetTime(clock.Now().Add(time.Hour))
	require.False(t, l.Leads(), "another one leads")
	metrics = status(1)
	require.True(t, l.Leads())
	metrics = gathered{}
	require.True(t, l.Leads(), "until the process ends")
}

func TestWithoutAnElectionEveryReplicaLeads(t *testing.T) {
	clock, metrics := testingclock.NewFakePassiveClock(builders.Epoch()), gathered{}
	l := NewLeadership(&metrics, func() bool { return true }, clock)
	require.False(t, l.Leads())
	clock.SetTime(clock.Now().Add(unelectedFor))
	require.True(t, l.Leads())
}

func TestAnElectionThatIsSeenBeginsTheWaitAnew(t *testing.T) {
	clock, metrics := testingclock.NewFakePassiveClock(builders.Epoch()), gathered{}
	l := NewLeadership(&metrics, func() bool { return true }, clock)
	require.False(t, l.Leads())
	metrics = status(0)
	require.False(t, l.Leads())
	metrics = gathered{}
	clock.SetTime(clock.Now().Add(unelectedFor))
	require.False(t, l.Leads(), "it could not be gathered, for once")
	clock.SetTime(clock.Now().Add(unelectedFor))
	require.True(t, l.Leads())
}

func TestAReplicaThatSchedulesLeads(t *testing.T) {
	metrics := status(0)
	l := NewLeadership(&metrics, func() bool { return true }, testingclock.NewFakePassiveClock(builders.Epoch()))
	require.False(t, l.Leads())
	l.Schedules()
	require.True(t, l.Leads())
}
