package sizing

import (
	"fmt"
	"strings"
	"time"
)

// MaxUnits is the largest number of units that a Headroom may have, as in the API.
const MaxUnits = 10000

// Proposal is what one rule comes to.
type Proposal struct {
	// Rule is its name.
	Rule string
	// Units is the number of units that it asks for.
	Units int
	// Message says why, in one sentence.
	Message string
}

// Limit is what a number of units was cut off by.
type Limit string

// The limits; their values are those of the API.
const (
	LimitNone         Limit = ""
	LimitMax          Limit = "Max"
	LimitMaxResources Limit = "MaxResources"
)

// Bounds are what the rules have no say in.
type Bounds struct {
	// Floor is spec.replicas.
	Floor int
	// Max is the largest number of units; MaxUnits where there is no other.
	Max int
	// Fit is how many units fit into maxResources, negative if there is no such limit. FitMessage says how that was found.
	Fit        int
	FitMessage string
	// Window is the stabilization window.
	Window time.Duration
}

// Result is what sizing comes to.
type Result struct {
	// Units is the number of units.
	Units int
	// Rule asks, or asked within the window, for the most; empty if the floor is as large.
	Rule string
	// LimitedBy is what cut the number off.
	LimitedBy Limit
	// Message says why it is this number and not one more.
	Message string
	// Memory has to be given to the next call.
	Memory Memory
	// Recheck is after how long the result may be another one although nothing changed; zero: never.
	Recheck time.Duration
}

// Decide says how many units there should be, from what the rules come to now and what they came to before.
func Decide(proposals []Proposal, before Memory, bounds Bounds, now time.Time) Result {
	asked, why, less := Asked{}, "", ""
	for i, p := range proposals {
		if (p.Units > asked.Units || i == 0) && p.Message != "" {
			less = fmt.Sprintf(" Rule %s: %s", p.Rule, p.Message)
		}
		if p.Units > asked.Units {
			asked, why = Asked{Rule: p.Rule, Units: p.Units}, " "+p.Message
		}
	}
	r := Result{Memory: before.Next(asked, bounds.Window, now)}
	largest, held := r.Memory.Largest()
	reason := ""
	switch {
	case largest.Units <= bounds.Floor:
		r.Units, reason = bounds.Floor, fmt.Sprintf("spec.replicas asks for %d and no rule for more", bounds.Floor)
		why = less // that is why no rule asks for more
	case held:
		r.Units, r.Rule = largest.Units, largest.Rule
		reason = fmt.Sprintf("rule %s came to %d until %s, which counts for %s (scaleDown.stabilizationWindow); now %s",
			largest.Rule, largest.Units, largest.Until.UTC().Format(time.RFC3339), Duration(bounds.Window), asked)
	default:
		r.Units, r.Rule = largest.Units, largest.Rule
		reason = fmt.Sprintf("rule %s asks for %d and no rule for more", largest.Rule, largest.Units)
	}
	limit := ""
	r.Units, r.LimitedBy, limit = bounds.cut(r.Units)
	if limit != "" {
		reason = limit + "; " + reason
	}
	r.Message = strings.TrimSpace(fmt.Sprintf("%s: %s.%s", Units(r.Units), reason, why))
	r.Recheck = r.Memory.expiry(bounds.Window, now)
	return r
}

// cut returns the number of units that the limits leave of some, and which of them it was that took any away.
func (b Bounds) cut(units int) (left int, by Limit, reason string) {
	left = units
	if most := min(max(b.Max, 0), MaxUnits); left > most {
		left, by, reason = most, LimitMax, fmt.Sprintf("max is %d", most)
	}
	if b.Fit >= 0 && left > b.Fit {
		left, by, reason = b.Fit, LimitMaxResources, b.FitMessage
	}
	return left, by, reason
}

// Units is a number of units in words.
func Units(n int) string {
	if n == 1 {
		return "1 unit"
	}
	return fmt.Sprintf("%d units", n)
}

// Duration is a time in words without parts that are zero: 10m and not 10m0s.
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
