package recorder

import (
	"math"
	"slices"
	"time"
)

// Timeline keeps what is worth knowing of the pods of one namespace, in the order in which a watch tells it.
type Timeline struct {
	pods map[string]*moments
}

// moments are the instants at which one pod was first seen in each of its states; zero if it never was.
type moments struct {
	created, refused, bound time.Time
}

// Sight is one sight of a pod.
type Sight struct {
	// Pod is the name of the pod, which is unique within the timeline's namespace.
	Pod string
	// Bound reports whether the pod has a node.
	Bound bool
	// Refused reports whether the pod carries PodScheduled=False, which is what makes an autoscaler add a node for it.
	Refused bool
	// At is when it was seen.
	At time.Time
}

// See takes a sight in. created reports whether it is the pod's first, answered whether the scheduler's answer to the pod is new in it:
// bound, or refused for the first time. A pod that is bound at first sight was created so: it belongs to the set-up and is left out.
func (t *Timeline) See(s Sight) (created, answered bool) {
	if t.pods == nil {
		t.pods = map[string]*moments{}
	}
	pod := t.pods[s.Pod]
	if pod == nil {
		if s.Bound {
			return false, false
		}
		pod = &moments{created: s.At}
		t.pods[s.Pod] = pod
		created = true
	}
	if s.Refused && pod.refused.IsZero() {
		pod.refused = s.At
		answered = true
	}
	if s.Bound && pod.bound.IsZero() {
		pod.bound = s.At
		answered = true
	}
	return created, answered
}

// Summary is what a timeline says of its pods.
type Summary struct {
	// Pods, Bound and Refused count the pods: all, those that got a node, those that were ever marked PodScheduled=False.
	Pods, Bound, Refused int
	// Duration is from the first creation to the last binding. Zero without any.
	Duration time.Duration
	// Median and P99 are of the time from creation to binding, over the pods that got a node.
	Median, P99 time.Duration
	// RefusedP99 is of the time from creation to the first PodScheduled=False, over the pods that never got a node.
	RefusedP99 time.Duration
}

// Summary sums the timeline up.
func (t *Timeline) Summary() Summary {
	s := Summary{Pods: len(t.pods)}
	var first, last time.Time
	var waits, refusals []time.Duration
	for _, pod := range t.pods {
		if first.IsZero() || pod.created.Before(first) {
			first = pod.created
		}
		if pod.bound.After(last) {
			last = pod.bound
		}
		if !pod.refused.IsZero() {
			s.Refused++
		}
		switch {
		case !pod.bound.IsZero():
			waits = append(waits, pod.bound.Sub(pod.created))
		case !pod.refused.IsZero():
			refusals = append(refusals, pod.refused.Sub(pod.created))
		}
	}
	s.Bound = len(waits)
	if s.Bound > 0 {
		s.Duration = last.Sub(first)
	}
	s.Median, s.P99 = quantile(waits, 0.5), quantile(waits, 0.99)
	s.RefusedP99 = quantile(refusals, 0.99)
	return s
}

// quantile returns the smallest of the values that at least the share q of them does not exceed; 0 for no values.
// It sorts them in place.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
}
