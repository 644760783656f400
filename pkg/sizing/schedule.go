package sizing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule is a window of the week in a time zone.
type Schedule struct {
	// Days are those on which it starts; empty: every day.
	Days []time.Weekday
	// Start and End are times of day, as the time since midnight that a clock shows: from 0 to 24 h. If End is not after Start, it is on
	// the next day.
	Start, End time.Duration
	// Zone is where the clock is.
	Zone *time.Location
	// Lead is how long before Start the units should begin to be there.
	Lead time.Duration
}

// Window is one occurrence of a Schedule. Where clocks are put forward over an edge, the edge is when they are; where they are put back,
// so that they show it twice, a window starts at the first and ends at the second.
type Window struct {
	// Ready is Start without the lead.
	Ready, Start, End time.Time
}

// lookAhead is for how many days windows are looked for: a week, and what a change of a zone's rules may skip.
const lookAhead = 15

// At returns the window that it is in now, from its lead on, or the next one. ok is false if there is none within two weeks.
func (s Schedule) At(now time.Time) (window Window, active, ok bool) {
	local := now.In(s.Zone)
	// A day before, since a window may last over midnight, and another for zones that skip a day.
	for i := -2; i <= lookAhead; i++ {
		day := time.Date(local.Year(), local.Month(), local.Day()+i, 0, 0, 0, 0, time.UTC) // a date; the zone does not matter
		if len(s.Days) > 0 && !slices.Contains(s.Days, day.Weekday()) {
			continue
		}
		w := s.on(day)
		if !w.Start.Before(w.End) || !now.Before(w.End) {
			continue // a day that does not exist in this zone, or the past
		}
		return w, !now.Before(w.Ready), true // windows of later days begin and end later
	}
	return Window{}, false, false
}

// on is the window that starts on a date.
func (s Schedule) on(day time.Time) Window {
	first, _ := instants(day.Add(s.Start), s.Zone)
	end := day.Add(s.End)
	if s.End <= s.Start {
		end = end.AddDate(0, 0, 1)
	}
	_, last := instants(end, s.Zone)
	return Window{Ready: first.Add(-s.Lead), Start: first, End: last}
}

// instants are the first and the last time at which clocks in a zone show a date and time, which is given as one of UTC. They are the
// same but where clocks are put back. Where clocks are put forward over it, both are when they are.
func instants(shown time.Time, zone *time.Location) (first, last time.Time) {
	// The time is one of these two if a zone changes its offset at most once within two days.
	const around = 26 * time.Hour
	before, after := offset(shown.Add(-around), zone), offset(shown.Add(around), zone)
	early, late := shown.Add(-before), shown.Add(-after)
	earlyIs, lateIs := offset(early, zone) == before, offset(late, zone) == after
	switch {
	case earlyIs && lateIs:
		return early, late
	case earlyIs:
		return early, early
	case lateIs:
		return late, late
	default:
		_, change := late.In(zone).ZoneBounds()
		return change, change
	}
}

// offset is what a clock in the zone shows more than one in UTC.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// Units is what a schedule comes to now, with the reason, and after how long that may be another number.
func (s Schedule) Units(units int, now time.Time) (count int, message string, recheck time.Duration) {
	window, active, ok := s.At(now)
	if !ok {
		return 0, fmt.Sprintf("It is not within %s, nor for the next two weeks.", s), lookAhead * 24 * time.Hour / 2
	}
	show := func(t time.Time) string { return t.In(s.Zone).Format("Mon 2006-01-02 15:04 MST") }
	lead := ""
	if s.Lead > 0 {
		lead = ", ready from " + show(window.Ready)
	}
	if active {
		return units, fmt.Sprintf("%s until %s, within %s%s.", Units(units), show(window.End), s, lead), window.End.Sub(now)
	}
	message = fmt.Sprintf("It is not within %s; the next is %s to %s%s.", s, show(window.Start), show(window.End), lead)
	return 0, message, window.Ready.Sub(now)
}

// String is for example "Mon, Tue 08:00-19:00 Europe/Berlin".
func (s Schedule) String() string {
	days := "every day"
	if len(s.Days) > 0 {
		var names []string
		for _, day := range s.Days {
			names = append(names, day.String()[:3])
		}
		days = strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s %s-%s %s", days, clock(s.Start), clock(s.End), s.Zone)
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// TimeOfDay reads a time of day such as 08:00, from 00:00 to 24:00.
func TimeOfDay(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("%q is no time of day from 00:00 to 24:00", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// Weekday is the day of a name such as Mon.
func Weekday(name string) (time.Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if day.String()[:3] == name {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%q is no day from Mon to Sun", name)
}
