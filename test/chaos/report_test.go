package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFailureTellsItsSeedItsTailAndWhereTheLogsAre(t *testing.T) {
	r := Report{Options: Options{Seed: 7, Way: Alone, Length: time.Minute, LogDir: "/logs", MustHold: []string{P5}}}
	r.Findings = []Finding{
		{Property: P15, Message: "this is counted"},
		{Property: P5, Message: "node n is overcommitted", Tail: []string{"12:00:00.000 pod a on n"}},
	}
	text := r.Failure()
	require.Contains(t, text, "make chaos SEED=7 SECONDS=60 WAY=C")
	require.Contains(t, text, "node n is overcommitted\n    12:00:00.000 pod a on n")
	require.Contains(t, text, "/logs")
	require.NotContains(t, text, "this is counted")
	require.Contains(t, r.Summary(), "P5 1, P15 1 (counted)")
}

func TestWhatNeedNotHoldIsNoFailure(t *testing.T) {
	r := Report{Options: Options{MustHold: []string{P1}}, Findings: []Finding{{Property: P15}}}
	require.Empty(t, r.Failure())
	require.Empty(t, r.Failures())
}

func TestRacesAreFailuresBeyondThoseWithoutHeadroomsAndOneInAThousandBinds(t *testing.T) {
	r := Report{Options: Options{Races: 2, MustHold: []string{Race}}, Numbers: map[string]int{"binds": 1999}}
	for range 3 {
		r.Findings = append(r.Findings, Finding{Property: Race})
		require.Empty(t, r.Failures())
	}
	r.Findings = append(r.Findings, Finding{Property: Race})
	require.Len(t, r.Failures(), 4)
	r.Numbers["binds"]++
	require.Empty(t, r.Failures())
	r.Findings = append(r.Findings, Finding{Property: Reserved})
	require.Len(t, r.Failures(), 5, "one over the room of a reserved unit counts like any other")
}

func TestTheSameTrafficWithoutHeadroomsIsJudgedForNothing(t *testing.T) {
	with := Options{Seed: 7, Way: Beside, Length: time.Minute, Idle: time.Minute, LogDir: "/logs", MustHold: []string{P5}}
	without := with.withoutHeadrooms()
	require.True(t, without.Without)
	require.Empty(t, without.MustHold)
	require.NotNil(t, without.MustHold)
	require.Zero(t, without.Idle)
	require.NotEqual(t, with.LogDir, without.LogDir)
	require.Equal(t, []any{with.Seed, with.Way, with.Length}, []any{without.Seed, without.Way, without.Length})
	compared := with.beside(&Report{Findings: []Finding{{Property: Race}, {Property: P12}, {Property: Race}}})
	require.Equal(t, 2, compared.Races)
	require.Equal(t, []string{P5, Race}, compared.MustHold)
	require.Equal(t, []string{P5}, with.MustHold)
	require.Equal(t, []string{P5, Race}, compared.beside(&Report{}).MustHold, "named once")
}

func TestATailHasTheLinesThatMatterInOrder(t *testing.T) {
	dir := t.TempDir()
	line, err := newTimeline(dir)
	require.NoError(t, err)
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	line.add(at(2), "pod web-1 on node-1")
	line.add(at(1), "pod web-1 is there")
	line.add(at(3), "pod web-11 on node-12")
	line.add(at(4), "DO kill headroom-scheduler")
	line.add(at(5), "headroom-scheduler: DELETE /api/v1/namespaces/a/pods/web-1 200")
	line.add(at(9), "pod web-1 is gone")
	require.Equal(t, []string{
		"00:00:01.000 pod web-1 is there", "00:00:02.000 pod web-1 on node-1", "00:00:04.000 DO kill headroom-scheduler",
		"00:00:05.000 headroom-scheduler: DELETE /api/v1/namespaces/a/pods/web-1 200",
	}, line.tail(at(8), []string{"web-1", "node-1"}))
	require.NoError(t, line.close())
	written, err := os.ReadFile(filepath.Join(dir, "timeline.log"))
	require.NoError(t, err)
	require.Contains(t, string(written), "00:00:03.000 pod web-11 on node-12\n")
}
