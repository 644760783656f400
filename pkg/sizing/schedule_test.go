package sizing

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func zone(t require.TestingT, name string) *time.Location {
	z, err := Zone(name)
	require.NoError(t, err)
	return z
}

func schedule(t require.TestingT, zoneName, start, end string, days ...time.Weekday) Schedule {
	s := Schedule{Days: days, Zone: zone(t, zoneName)}
	var err error
	s.Start, err = TimeOfDay(start)
	require.NoError(t, err)
	s.End, err = TimeOfDay(end)
	require.NoError(t, err)
	return s
}

// at reads a time of UTC.
func at(t require.TestingT, text string) time.Time {
	moment, err := time.Parse("2006-01-02 15:04", text)
	require.NoError(t, err)
	return moment
}

var workdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

func TestScheduleThroughTheWeek(t *testing.T) {
	office := schedule(t, "Europe/Berlin", "08:00", "19:00", workdays...)
	office.Lead = 10 * time.Minute
	night := schedule(t, "Etc/UTC", "22:00", "06:00", time.Friday)
	whole := schedule(t, "Etc/UTC", "00:00", "24:00", time.Saturday)
	round := schedule(t, "Etc/UTC", "08:30", "08:30", time.Saturday)
	for name, tc := range map[string]struct {
		Schedule
		now  string // UTC; Berlin is an hour ahead in winter
		want bool
		next string // when it ends or, if it is not, when it is ready
	}{
		"before the lead":             {office, "2026-11-26 06:49", false, "2026-11-26 06:50"},
		"within the lead":             {office, "2026-11-26 06:50", true, "2026-11-26 18:00"},
		"the last minute":             {office, "2026-11-26 17:59", true, "2026-11-26 18:00"},
		"the end is not within":       {office, "2026-11-26 18:00", false, "2026-11-27 06:50"},
		"friday evening":              {office, "2026-11-27 18:00", false, "2026-11-30 06:50"},
		"sunday":                      {office, "2026-11-29 12:00", false, "2026-11-30 06:50"},
		"over midnight, before it":    {night, "2026-11-27 23:00", true, "2026-11-28 06:00"},
		"over midnight, after it":     {night, "2026-11-28 05:59", true, "2026-11-28 06:00"},
		"over midnight, over":         {night, "2026-11-28 06:00", false, "2026-12-04 22:00"},
		"not the night before":        {night, "2026-11-27 05:00", false, "2026-11-27 22:00"},
		"a whole day, its first":      {whole, "2026-11-28 00:00", true, "2026-11-29 00:00"},
		"round the clock, its first":  {round, "2026-11-28 08:30", true, "2026-11-29 08:30"},
		"round the clock, its last":   {round, "2026-11-29 08:29", true, "2026-11-29 08:30"},
		"a whole day, the day before": {whole, "2026-11-27 23:59", false, "2026-11-28 00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			window, active, ok := tc.At(at(t, tc.now))
			require.True(t, ok)
			require.Equal(t, tc.want, active)
			edge := window.Ready
			if active {
				edge = window.End
			}
			require.Equal(t, tc.next, edge.UTC().Format("2006-01-02 15:04"))
		})
	}
}

func TestScheduleOnDaylightSavingDays(t *testing.T) {
	// In Berlin clocks go from 02:00 to 03:00 on 2026-03-29 at 01:00 UTC, and from 03:00 back to 02:00 on 2026-10-25 at 01:00 UTC. In Cairo
	// they go from 00:00 to 01:00 on 2026-04-24, at 22:00 UTC of the day before: that day has no midnight.
	for name, tc := range map[string]struct {
		zone, start, end, day string
		wantStart, wantEnd    string // UTC
	}{
		"a day of 23 hours":                       {"Europe/Berlin", "00:00", "24:00", "2026-03-29", "2026-03-28 23:00", "2026-03-29 22:00"},
		"a day of 25 hours":                       {"Europe/Berlin", "00:00", "24:00", "2026-10-25", "2026-10-24 22:00", "2026-10-25 23:00"},
		"office hours keep to the clock, spring":  {"Europe/Berlin", "08:00", "19:00", "2026-03-30", "2026-03-30 06:00", "2026-03-30 17:00"},
		"office hours keep to the clock, autumn":  {"Europe/Berlin", "08:00", "19:00", "2026-10-26", "2026-10-26 07:00", "2026-10-26 18:00"},
		"a start that is skipped":                 {"Europe/Berlin", "02:30", "06:00", "2026-03-29", "2026-03-29 01:00", "2026-03-29 04:00"},
		"an end that is skipped":                  {"Europe/Berlin", "01:00", "02:30", "2026-03-29", "2026-03-29 00:00", "2026-03-29 01:00"},
		"a start that comes twice is the first":   {"Europe/Berlin", "02:30", "06:00", "2026-10-25", "2026-10-25 00:30", "2026-10-25 05:00"},
		"an end that comes twice is the second":   {"Europe/Berlin", "01:00", "02:30", "2026-10-25", "2026-10-24 23:00", "2026-10-25 01:30"},
		"both come twice":                         {"Europe/Berlin", "02:00", "02:30", "2026-10-25", "2026-10-25 00:00", "2026-10-25 01:30"},
		"over the midnight of the night, spring":  {"Europe/Berlin", "22:00", "06:00", "2026-03-28", "2026-03-28 21:00", "2026-03-29 04:00"},
		"a midnight that does not exist, start":   {"Africa/Cairo", "00:00", "06:00", "2026-04-24", "2026-04-23 22:00", "2026-04-24 03:00"},
		"a midnight that does not exist, the end": {"Africa/Cairo", "20:00", "24:00", "2026-04-23", "2026-04-23 18:00", "2026-04-23 22:00"},
		"the day before, spring":                  {"Europe/Berlin", "08:00", "19:00", "2026-03-28", "2026-03-28 07:00", "2026-03-28 18:00"},
		"the day before, autumn":                  {"Europe/Berlin", "08:00", "19:00", "2026-10-24", "2026-10-24 06:00", "2026-10-24 17:00"},
		"the day itself, after it":                {"Europe/Berlin", "08:00", "19:00", "2026-03-29", "2026-03-29 06:00", "2026-03-29 17:00"},
		"half an hour in Lord Howe":               {"Australia/Lord_Howe", "01:45", "05:00", "2026-04-05", "2026-04-04 14:45", "2026-04-04 18:30"},
	} {
		t.Run(name, func(t *testing.T) {
			day, err := time.Parse(time.DateOnly, tc.day)
			require.NoError(t, err)
			s := schedule(t, tc.zone, tc.start, tc.end, day.Weekday())
			start, end := at(t, tc.wantStart), at(t, tc.wantEnd)
			for moment, want := range map[time.Time]bool{
				start.Add(-time.Second): false, start: true, end.Add(-time.Second): true, end: false,
			} {
				_, active, _ := s.At(moment)
				require.Equal(t, want, active, "%s", moment)
			}
			window, _, _ := s.At(start)
			require.Equal(t, tc.wantStart, window.Start.UTC().Format("2006-01-02 15:04"))
			require.Equal(t, tc.wantEnd, window.End.UTC().Format("2006-01-02 15:04"))
		})
	}
}

func TestScheduleWhereAZoneChangesItsRules(t *testing.T) {
	// Mexico gave up daylight saving in 2022: the last change was on 2022-10-30, and in April 2023 there was none.
	office := schedule(t, "America/Mexico_City", "08:00", "18:00")
	for day, want := range map[string]string{"2022-07-01": "2022-07-01 13:00", "2022-12-01": "2022-12-01 14:00", "2023-07-01": "2023-07-01 14:00"} {
		window, _, _ := office.At(at(t, day+" 15:00"))
		require.Equal(t, want, window.Start.UTC().Format("2006-01-02 15:04"))
	}
	// Samoa went over the date line: after Thursday 2011-12-29 came Saturday 2011-12-31.
	friday := schedule(t, "Pacific/Apia", "08:00", "18:00", time.Friday)
	friday.Lead = time.Hour
	window, active, ok := friday.At(at(t, "2011-12-30 09:30")) // Thursday evening there
	require.True(t, ok)
	require.False(t, active)
	require.Equal(t, "Fri 2012-01-06 08:00", window.Start.In(friday.Zone).Format("Mon 2006-01-02 15:04"), "the Friday that was not is left out")
	saturday := schedule(t, "Pacific/Apia", "08:00", "18:00", time.Saturday)
	window, _, _ = saturday.At(at(t, "2011-12-30 09:30"))
	require.Equal(t, "2011-12-30 18:00", window.Start.UTC().Format("2006-01-02 15:04"))
}

// In every zone, through every change of its clock: the window that At gives is the one that the clock on the wall shows, apart from the
// hours in which that jumps.
func TestScheduleFollowsTheClockOnTheWall(t *testing.T) {
	zones := []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Pacific/Chatham", "Etc/UTC"}
	rapid.Check(t, func(t *rapid.T) {
		s := schedule(t, rapid.SampledFrom(zones).Draw(t, "zone"), "00:00", "00:00")
		s.Start = time.Duration(rapid.IntRange(0, 24*60-1).Draw(t, "start")) * time.Minute
		s.End = time.Duration(rapid.IntRange(0, 24*60).Draw(t, "end")) * time.Minute
		if s.Start == s.End {
			t.Skip("refused by the API")
		}
		now := time.Unix(rapid.Int64Range(1_767_225_600, 1_798_761_600).Draw(t, "now"), 0) // in 2026
		_, before := now.Add(-4 * time.Hour).In(s.Zone).Zone()
		_, after := now.Add(4 * time.Hour).In(s.Zone).Zone()
		if before != after {
			t.Skip("near a change of the clock")
		}
		local := now.In(s.Zone)
		wall := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second
		want := s.Start <= wall && wall < s.End
		if s.End <= s.Start {
			want = wall >= s.Start || wall < s.End
		}
		window, active, ok := s.At(now)
		require.True(t, ok)
		require.Equal(t, want, active)
		require.Equal(t, active, !now.Before(window.Ready) && now.Before(window.End))
		_, _, recheck := s.Units(1, now)
		require.Positive(t, recheck)
		later, activeLater, _ := s.At(now.Add(recheck))
		require.False(t, active == activeLater && window == later, "what is rechecked has changed")
	})
}

func TestScheduleSaysWhy(t *testing.T) {
	office := schedule(t, "Europe/Berlin", "08:00", "19:00", workdays...)
	office.Lead = 10 * time.Minute
	units, message, recheck := office.Units(20, at(t, "2026-11-26 12:00"))
	require.Equal(t, 20, units)
	require.Equal(t, 6*time.Hour, recheck)
	require.Equal(t, "20 units until Thu 2026-11-26 19:00 CET, within Mon, Tue, Wed, Thu, Fri 08:00-19:00 Europe/Berlin, "+
		"ready from Thu 2026-11-26 07:50 CET.", message)
	units, message, recheck = office.Units(20, at(t, "2026-11-27 18:00"))
	require.Zero(t, units)
	require.Equal(t, 60*time.Hour+50*time.Minute, recheck)
	require.Equal(t, "It is not within Mon, Tue, Wed, Thu, Fri 08:00-19:00 Europe/Berlin; the next is Mon 2026-11-30 08:00 CET to "+
		"Mon 2026-11-30 19:00 CET, ready from Mon 2026-11-30 07:50 CET.", message)
	units, message, _ = schedule(t, "Etc/UTC", "22:05", "23:30").Units(1, at(t, "2026-11-27 23:00"))
	require.Equal(t, 1, units)
	require.Equal(t, "1 unit until Fri 2026-11-27 23:30 UTC, within every day 22:05-23:30 Etc/UTC.", message)
	units, message, _ = schedule(t, "Etc/UTC", "22:00", "24:00").Units(1, at(t, "2026-11-27 23:00"))
	require.Equal(t, 1, units)
	require.Equal(t, "1 unit until Sat 2026-11-28 00:00 UTC, within every day 22:00-24:00 Etc/UTC.", message)
}

func TestWhatIsNoTimeDayOrZoneIsRefused(t *testing.T) {
	for _, text := range []string{"", "8:00", "24:01", "25:00", "08:60", "08:00:00", "noon"} {
		_, err := TimeOfDay(text)
		require.ErrorContains(t, err, "is no time of day", text)
	}
	for _, name := range []string{"", "Local", "Europe/Atlantis", "../etc/passwd", "CEST+2"} {
		_, err := Zone(name)
		require.ErrorContains(t, err, "is none of the IANA Time Zone Database", name)
	}
	_, err := Weekday("Monday")
	require.ErrorContains(t, err, "is no day from Mon to Sun")
}

func TestEachDayOfTheWeekHasItsName(t *testing.T) {
	for name, want := range map[string]time.Weekday{
		"Sun": time.Sunday, "Mon": time.Monday, "Tue": time.Tuesday, "Wed": time.Wednesday, "Thu": time.Thursday, "Fri": time.Friday,
		"Sat": time.Saturday,
	} {
		day, err := Weekday(name)
		require.NoError(t, err)
		require.Equal(t, want, day)
	}
}

func TestAScheduleThatNeverComesIsLookedAtAgainInAWeek(t *testing.T) {
	never := schedule(t, "Etc/UTC", "08:00", "19:00", time.Saturday+1)
	units, message, recheck := never.Units(3, at(t, "2026-11-26 12:00"))
	require.Zero(t, units)
	require.Contains(t, message, "nor for the next two weeks")
	require.Equal(t, lookAhead*12*time.Hour, recheck)
}
