package recorder

import (
	"fmt"

	"k8s.io/component-base/metrics/legacyregistry"
)

// Counters are what the API server and the scheduler, both in this process, have counted.
type Counters struct {
	// Attempts is the number of scheduling attempts, whatever their result.
	Attempts float64
	// Binds, Deletes, StatusWrites and Events are write requests to the API server: pods bound, pods deleted, patches of
	// a pod's status (conditions, nominations), events created or patched. Nothing but the scheduler sends these in a
	// scenario; creations of pods are the load generator's and are left out.
	Binds, Deletes, StatusWrites, Events float64
}

// Writes is the number of write requests of the scheduler.
func (c Counters) Writes() float64 { return c.Binds + c.Deletes + c.StatusWrites + c.Events }

func (c Counters) minus(o Counters) Counters {
	return Counters{
		Attempts: c.Attempts - o.Attempts, Binds: c.Binds - o.Binds, Deletes: c.Deletes - o.Deletes,
		StatusWrites: c.StatusWrites - o.StatusWrites, Events: c.Events - o.Events,
	}
}

// readCounters gathers every metric of the process, which takes some milliseconds: call it outside of what is measured.
func readCounters() (Counters, error) {
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		return Counters{}, fmt.Errorf("gathering the process's metrics: %w", err)
	}
	var c Counters
	for _, family := range families {
		switch family.GetName() {
		case "scheduler_schedule_attempts_total":
			for _, series := range family.GetMetric() {
				c.Attempts += series.GetCounter().GetValue()
			}
		case "apiserver_request_total":
			for _, series := range family.GetMetric() {
				labels := map[string]string{}
				for _, pair := range series.GetLabel() {
					labels[pair.GetName()] = pair.GetValue()
				}
				if kind := c.kindOf(labels["verb"], labels["resource"], labels["subresource"]); kind != nil {
					*kind += series.GetCounter().GetValue()
				}
			}
		}
	}
	return c, nil
}

// kindOf returns the counter of a kind of request, nil for requests that are not counted.
func (c *Counters) kindOf(verb, resource, subresource string) *float64 {
	switch verb + " " + resource + "/" + subresource {
	case "POST pods/binding":
		return &c.Binds
	case "DELETE pods/":
		return &c.Deletes
	case "PATCH pods/status":
		return &c.StatusWrites
	case "POST events/", "PATCH events/":
		return &c.Events
	default:
		return nil
	}
}
