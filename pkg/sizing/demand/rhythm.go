package demand

import "time"

// rhythm is how far the seasons foretell one another.
type rhythm struct {
	// judged is how many windows there are for which the same time of earlier seasons is known, and unforeseen how many
	// of them asked for more than that leads one to expect.
	judged, unforeseen int
	// length is how many windows overlap, and so may have the same cause.
	length int
}

// isNone reports whether more windows were unforeseen than the level and chance allow: the level has a mean, and how far chance goes beyond
// it is judged alike for all users, so that a higher level finds no rhythm where a lower one finds none.
func (r rhythm) isNone(served float64) bool {
	independent := float64(r.judged) / float64(r.length)
	mean := (1 - served) * independent
	return r.unforeseen > r.length*poissonQuantile(mean, DefaultServed, int(mean))
}

// halfHourPeak is the largest of the windows that end within half an hour, and how many of them were kept.
type halfHourPeak struct {
	most int32
	kept int
}

// rhythm compares the windows of each half hour with those around the same time of all earlier seasons. What asks for
// more than twice as much as they did, and more than their number leaves to chance, was not to be foreseen.
func (s *series) rhythm(length int, o *Options) rhythm {
	r := rhythm{length: length}
	if o.Season.days() == 0 || len(s.windows) == 0 {
		return r
	}
	peaks, first := s.peaks()
	earlier := make([]halfHourPeak, 7*halfHoursPerDay) // by the time of the season
	for i, p := range peaks {
		before := &earlier[timeOfSeason(first+int64(i), o)]
		if before.kept >= Slots {
			r.judged += p.kept
			if int(p.most) > 2*int(before.most) { // or there is nothing to find
				r.unforeseen += s.exceeding(first+int64(i), expectedOf(2*int(before.most), before.kept))
			}
		}
		for _, around := range peaks[max(0, i-1):min(len(peaks), i+2)] {
			before.most, before.kept = max(before.most, around.most), before.kept+around.kept
		}
	}
	return r
}

const halfHoursPerDay = 48

// peaks are those of all half hours, from the first on.
func (s *series) peaks() (peaks []halfHourPeak, first int64) {
	first = halfHourOf(s.first)
	peaks = make([]halfHourPeak, halfHourOf(s.first+int64(len(s.windows))-1)-first+1)
	for i := range s.windows {
		p := &peaks[halfHourOf(s.first+int64(i))-first]
		p.most, p.kept = max(p.most, s.windows[i].demand), p.kept+one(s.windows[i].kept)
	}
	return peaks, first
}

// halfHourOf numbers the half hours from 1970.
func halfHourOf(slot int64) int64 {
	number := slot / int64(halfHour)
	if slot%int64(halfHour) < 0 {
		number--
	}
	return number
}

// timeOfSeason numbers the half hours of a season, as clocks show them.
func timeOfSeason(number int64, o *Options) int {
	t := time.Unix(number*int64(halfHour)*secondsPerSlot, 0).In(o.Location)
	half := 2*t.Hour() + t.Minute()/30
	if o.Season == Week {
		half += int(t.Weekday()) * halfHoursPerDay
	}
	return half
}

// expectedOf is what chance makes of windows of which so many showed no more than that: see rule 5. The level is the
// same for all users, so that a higher one finds no rhythm where a lower one finds none.
func expectedOf(most, windows int) int {
	seen := sample{kept: windows}
	return seen.tail(most, DefaultServed)
}

// exceeding is how many of the windows of a half hour asked for more than that.
func (s *series) exceeding(number int64, units int) int {
	found := s.between(number*int64(halfHour), (number+1)*int64(halfHour))
	return found.exceeding(units)
}
