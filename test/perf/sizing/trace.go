package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// warmup is how much of each trace no number is about: two seasons of a week.
	warmup = 2 * week
)

// epoch is when generated traces begin: a Monday.
var epoch = time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)

// arrival is pods that are created at the same time.
type arrival struct {
	at   time.Duration // since the trace's start
	pods int
	life time.Duration
}

// trace is arrivals in order of time.
type trace struct {
	name, about string
	// rhythmic says which goal holds.
	rhythmic bool
	start    time.Time
	length   time.Duration
	// measured is when the numbers begin.
	measured time.Duration
	arrivals []arrival
}

// readTrace reads arrivals of a CSV file.
func readTrace(in io.Reader, name string, lifetime time.Duration) (*trace, error) {
	t := &trace{name: name, about: "arrivals of a file"}
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = 2
	rows.TrimLeadingSpace = true
	type row struct {
		at   time.Time
		pods int
	}
	var all []row
	for line := 1; ; line++ {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		at, err := parseTime(fields[0])
		if err != nil && line == 1 {
			continue // a heading
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %q is neither a time as RFC 3339 has it nor a number of seconds", name, line, fields[0])
		}
		pods, err := strconv.Atoi(strings.TrimSpace(fields[1]))
		if err != nil || pods < 0 {
			return nil, fmt.Errorf("%s, line %d: %q is no number of pods", name, line, fields[1])
		}
		all = append(all, row{at, pods})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no arrivals", name)
	}
	slices.SortStableFunc(all, func(a, b row) int { return a.at.Compare(b.at) })
	random := rand.New(rand.NewPCG(1, 0))
	t.start = all[0].at.UTC().Truncate(time.Hour)
	for _, r := range all {
		t.arrivals = append(t.arrivals, arrival{r.at.Sub(t.start), r.pods, lives(random, lifetime)})
	}
	t.length = all[len(all)-1].at.Sub(t.start) + time.Hour
	t.measured = min(warmup, (t.length / 2).Truncate(time.Hour))
	return t, nil
}

func parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(seconds * 1000)).UTC(), nil
	}
	return time.Parse(time.RFC3339, text)
}

// lives draws a lifetime.
func lives(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}
