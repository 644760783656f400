package growth

import (
	"errors"
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

// status says of each election that the process takes part in whether it has won.
func status(values ...float64) gathered {
	family := &dto.MetricFamily{Name: ptr.To(masterStatus)}
	for _, value := range values {
		family.Metric = append(family.Metric, &dto.Metric{Gauge: &dto.Gauge{Value: ptr.To(value)}})
	}
	return gathered{{Name: ptr.To("another")}, family}
}

// partly is what could be gathered beside what could not.
type partly struct{ gathered }

func (p *partly) Gather() ([]*dto.MetricFamily, error) {
	return p.gathered, errors.New("one collector failed")
}

func TestLeadershipIsReadFromWhateverElectionsAreKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		leads  bool
	}{
		"another one leads":                    {[]float64{0}, false},
		"this one does":                        {[]float64{1}, true},
		"it has won the first of several":      {[]float64{1, 0}, true},
		"it has won the last of several":       {[]float64{0, 0, 1}, true},
		"it has won none of several":           {[]float64{0, 0}, false},
		"there is the metric but no sample":    {nil, false},
		"a sample is there that says nothing ": {[]float64{0.5}, false},
	} {
		t.Run(name, func(t *testing.T) {
			metrics, synced, clock := status(tc.values...), func() bool { return true }, testingclock.NewFakePassiveClock(builders.Epoch())
			require.Equal(t, tc.leads, NewLeadership(&metrics, synced, clock).Leads())
			require.Equal(t, tc.leads, NewLeadership(&partly{metrics}, synced, clock).Leads(), "and when some metrics cannot be gathered")
		})
	}
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
