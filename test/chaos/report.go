package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// tailLength is how many lines of the timeline a Finding shows.
const tailLength = 40

// Finding is one thing that should not have happened.
type Finding struct {
	// Property it is about, one of All.
	Property string
	// At is when it happened.
	At time.Time
	// Message says what happened.
	Message string
	// About are names of what it is about: pods, nodes, Headrooms, components.
	About []string
	// Tail is the part of the timeline that matters, oldest first.
	Tail []string
}

// String is the finding on one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s at %s: %s", f.Property, f.At.Format("15:04:05.000"), f.Message)
}

// Report is what came of a run.
type Report struct {
	Options Options
	// Findings in the order in which they were found.
	Findings []Finding
	// Numbers say how much happened, by name.
	Numbers map[string]int
}

// Failures are the findings about what must hold.
func (r *Report) Failures() []Finding {
	allowed := r.Races() <= r.Options.Races+r.Numbers["binds"]/racesAllowed
	must := func(property string) bool { return slices.Contains(r.Options.MustHold, property) }
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool {
		switch f.Property {
		case Race:
			return !must(Race) || allowed
		case Reserved:
			return !must(Reserved) && (!must(Race) || allowed)
		default:
			return !must(f.Property)
		}
	})
}

// Races are how many overcommits there were by pods of two schedulers.
func (r *Report) Races() int {
	races := 0
	for _, f := range r.Findings {
		if f.Property == Race || f.Property == Reserved {
			races++
		}
	}
	return races
}

// Summary is the report in a few lines.
func (r *Report) Summary() string {
	counts := map[string]int{}
	for _, f := range r.Findings {
		counts[f.Property]++
	}
	var found, numbers []string
	for _, property := range All() {
		if counts[property] > 0 {
			required := ""
			if !slices.Contains(r.Options.MustHold, property) {
				required = " (counted)"
			}
			found = append(found, fmt.Sprintf("%s %d%s", property, counts[property], required))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Numbers)) {
		numbers = append(numbers, fmt.Sprintf("%d %s", r.Numbers[name], name))
	}
	return fmt.Sprintf("seed %d, way %s, %s of traffic: %s\nfindings: %s", r.Options.Seed, r.Options.Way, r.Options.Length,
		strings.Join(numbers, ", "), cmp.Or(strings.Join(found, ", "), "none"))
}

// Failure is what a failed run tells: the seed, how to run it again, each failure with its tail, and where the logs are. It is empty if
// nothing failed.
func (r *Report) Failure() string {
	failures := r.Failures()
	if len(failures) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d failed; again: make chaos SEED=%d SECONDS=%d WAY=%s\n", r.Options.Seed, r.Options.Seed,
		int(r.Options.Length.Seconds()), r.Options.Way)
	if r.Options.Races > 0 {
		fmt.Fprintf(&b, "without Headrooms the seed had %d races; here are %d in %d binds\n", r.Options.Races, r.Races(), r.Numbers["binds"])
	}
	for i, f := range failures {
		if i == 10 {
			fmt.Fprintf(&b, "... and %d more\n", len(failures)-i)
			break
		}
		fmt.Fprintf(&b, "\n%s\n", f)
		for _, line := range f.Tail {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	fmt.Fprintf(&b, "\nthe logs are in %s\n", r.Options.LogDir)
	return b.String()
}
