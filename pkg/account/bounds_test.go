package account

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestTheUnitsThatAreMissingForLongestAreKept(t *testing.T) {
	a := New(epoch)
	for i := range Missing + 3 {
		a.Went(epoch.Add(time.Duration(i) * time.Second))
	}
	require.Len(t, a.Missing(), Missing)
	require.Equal(t, epoch, a.Missing()[0])
}

// TestWhatIsOlderThanAnAccountCountsForItsFirstHour: a clock that was set back has taken it out of all hours.
func TestWhatIsOlderThanAnAccountCountsForItsFirstHour(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "first"))
	a.Take(take(epoch.Add((Days*24-1)*time.Hour), "last"))
	a.Take(take(epoch.Add(-31*time.Minute), "before"))
	require.Equal(t, epoch, a.Hours()[0].Start())
	require.Equal(t, []int{2}, a.Hours()[0].TakenIn, "in its first slot")
}

func TestHoursThatAreTooOldGoAlsoFromAnAccountOfFew(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "first"))
	a.Take(take(epoch.Add(time.Hour), "second"))
	a.Take(take(epoch.Add(Days*24*time.Hour), "last"))
	require.Len(t, a.Hours(), 2)
	require.Equal(t, epoch.Add(time.Hour), a.Hours()[0].Start())
}

func TestHoursBefore1970BeginBeforeTheyEnd(t *testing.T) {
	a := New(time.Time{})
	a.Take(take(time.Unix(-1, 0), "a"))
	require.Equal(t, time.Unix(-3600, 0).UTC(), a.Hours()[0].Start())
	require.Equal(t, 1, a.Hours()[0].TakenIn[Slots-1])
}

// TestUsageLeavesOutHoursThatAreToCome: what a clock recorded before it was set back is not of the last seven days.
func TestUsageLeavesOutHoursThatAreToCome(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch.Add(2*time.Hour), "to come"))
	a.Take(take(epoch.Add(time.Hour), "now"))
	a.Take(take(epoch.Add(-week), "at the beginning"))
	a.Take(take(epoch.Add(-week-time.Second), "before"))
	require.Equal(t, 2, a.Usage(epoch.Add(time.Hour), week+time.Hour).Taken)
	require.Equal(t, 1, a.Usage(epoch, week).Taken)
	require.True(t, a.Usage(epoch.Add(week), week).Whole, "opened when the time began")
	require.False(t, a.Usage(epoch.Add(week-time.Hour), week).Whole)

	a = New(epoch.Add(30 * time.Minute))
	usage := a.Usage(epoch.Add(week+45*time.Minute), week)
	require.False(t, usage.Whole, "the first of the full hours is not covered to its beginning")
	require.Equal(t, epoch.Add(30*time.Minute), usage.Since)
}

func TestDecodeRefusesMoreThanAnAccountCanBe(t *testing.T) {
	for name, hour := range map[string]Hour{
		"of what was taken": {TakenIn: make([]int, Slots+1)}, "of what was lacked": {LackedIn: make([]int, Slots+1)},
		"of what counts twice": {AgainIn: make([]int, Slots+1)},
	} {
		packed, err := pack([]Hour{hour})
		require.NoError(t, err)
		_, err = Decode(&v1alpha1.AccountRecord{Hours: packed})
		require.ErrorContains(t, err, "more than 30 slots", name)
	}
	packed, err := pack([]Hour{{TakenIn: make([]int, Slots), LackedIn: make([]int, Slots), AgainIn: make([]int, Slots)}})
	require.NoError(t, err)
	_, err = Decode(&v1alpha1.AccountRecord{Hours: packed})
	require.NoError(t, err)

	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, err = w.Write([]byte("[" + strings.Repeat(" ", maxUnpacked) + "]"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = Decode(&v1alpha1.AccountRecord{Hours: bomb.Bytes()})
	require.Error(t, err)
}

func TestAUnitThatIsBoundBeforeAnyWentRefillsNone(t *testing.T) {
	a := New(epoch)
	a.Went(epoch.Add(time.Minute))
	_, ok := a.Bound(epoch.Add(time.Minute-time.Nanosecond), epoch)
	require.False(t, ok)
	require.Len(t, a.Missing(), 1)
	refill, ok := a.Bound(epoch.Add(time.Minute), epoch)
	require.True(t, ok)
	require.Zero(t, refill)
	require.Empty(t, a.Missing())
	_, ok = a.Bound(epoch.Add(time.Hour), epoch)
	require.False(t, ok)
}

// TestTheBoundsAreThoseThatTheDocumentationNames since who sizes etcd, or reads the last takes, relies on them.
func TestTheBoundsAreThoseThatTheDocumentationNames(t *testing.T) {
	const object, metadata = 64 << 10, 4 << 10
	require.Equal(t, object-metadata, MaxBytes)
	require.Equal(t, 100, Takes)
	require.Equal(t, 14, Days-1, "beside the day that is under way")
}
