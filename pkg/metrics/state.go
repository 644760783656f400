package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Values of the label "state" of headroom_placeholders.
const (
	// StateBound is a placeholder that holds room on a node and can be taken there.
	StateBound = "bound"
	// StateUnavailable is a placeholder that holds room that no consumer could be bound to now: because of its node, or because it is
	// promised to a pod that waits.
	StateUnavailable = "unavailable"
	// StatePending is a placeholder that waits for room.
	StatePending = "pending"
)

// HeadroomState is what the state metrics tell of one Headroom.
type HeadroomState struct {
	types.NamespacedName
	// Desired is the number of placeholders that should exist; Bound, Unavailable and Pending are how many do.
	Desired, Bound, Unavailable, Pending int32
	// Outdated is how many of the bound and unavailable ones are not what spec and PriorityClass say.
	Outdated int32
	// Parked is the number of units that are not made because no room came for those that waited.
	Parked int32
	// Domains are how many of the bound ones are in each topology domain, by its name.
	Domains map[string]int32
	// Usage is that of its status.
	Usage v1alpha1.UsageStatus
	// Conditions are those of its status.
	Conditions []metav1.Condition
}

// StateCollector reads the state metrics at the time of a scrape, so that a Headroom that is gone is gone from them too.
type StateCollector struct {
	// List returns the state of every Headroom; nothing on a controller that does not lead.
	List func() []HeadroomState
}

var (
	desiredDesc = prometheus.NewDesc("headroom_desired", "Placeholders that should exist, by Headroom.",
		[]string{"namespace", "headroom"}, nil)
	placeholdersDesc = prometheus.NewDesc("headroom_placeholders",
		"Placeholders that exist, by Headroom and state (bound, unavailable, pending).",
		[]string{"namespace", "headroom", "state"}, nil)
	domainDesc = prometheus.NewDesc("headroom_domain_ready_placeholders",
		"Placeholders that can be taken, by Headroom and topology domain, as a rule the zone.",
		[]string{"namespace", "headroom", "domain"}, nil)
	outdatedDesc = prometheus.NewDesc("headroom_outdated",
		"Bound placeholders that are not what spec and PriorityClass say, by Headroom.",
		[]string{"namespace", "headroom"}, nil)
	parkedDesc = prometheus.NewDesc("headroom_parked",
		"Units that are not made for now, because no room came for those that waited, by Headroom.",
		[]string{"namespace", "headroom"}, nil)
	lowestDesc = prometheus.NewDesc("headroom_lowest_ready_placeholders",
		"Smallest number of placeholders that could be taken at any time of the last seven days, by Headroom.",
		[]string{"namespace", "headroom"}, nil)
	unusedDesc = prometheus.NewDesc("headroom_unused_units",
		"Units that could be taken at all times of the last seven days, by Headroom; absent until its account covers these.",
		[]string{"namespace", "headroom"}, nil)
	refillP90Desc = prometheus.NewDesc("headroom_refill_p90_seconds",
		"Time within which nine of ten units that went in the last seven days were replaced, by Headroom; absent if none was.",
		[]string{"namespace", "headroom"}, nil)
	savedDesc = prometheus.NewDesc("headroom_estimated_saved_seconds",
		"Estimate of how long pods would have waited for nodes in the last seven days without headroom, by Headroom; absent without evidence.",
		[]string{"namespace", "headroom"}, nil)
	unitCostDesc = prometheus.NewDesc("headroom_unit_hourly_cost",
		"What a unit costs an hour on the average of those that are held on nodes with a price, by Headroom, in the operator's currency; "+
			"absent if no price is known.",
		[]string{"namespace", "headroom"}, nil)
	heldCostDesc = prometheus.NewDesc("headroom_held_hourly_cost",
		"What the units cost an hour together that are held on nodes with a price, by Headroom, in the operator's currency; absent without "+
			"prices.",
		[]string{"namespace", "headroom"}, nil)
	unusedCostDesc = prometheus.NewDesc("headroom_unused_weekly_cost",
		"What the units cost in seven days that could be taken at all times of the last seven, by Headroom, in the operator's currency; "+
			"absent until that is known.",
		[]string{"namespace", "headroom"}, nil)
	unpricedDesc = prometheus.NewDesc("headroom_unpriced_units",
		"Units that are held on nodes without a price, which the costs leave out, by Headroom; absent without prices.",
		[]string{"namespace", "headroom"}, nil)
	conditionDesc = prometheus.NewDesc("headroom_condition",
		"Conditions of each Headroom, with status (True, False, Unknown) and reason; always 1.",
		[]string{"namespace", "headroom", "type", "status", "reason"}, nil)
)

// Describe sends the descriptions of the state metrics.
func (s StateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- desiredDesc
	descs <- placeholdersDesc
	descs <- domainDesc
	descs <- outdatedDesc
	descs <- parkedDesc
	descs <- lowestDesc
	descs <- unusedDesc
	descs <- refillP90Desc
	descs <- savedDesc
	descs <- unitCostDesc
	descs <- heldCostDesc
	descs <- unusedCostDesc
	descs <- unpricedDesc
	descs <- conditionDesc
}

// Collect sends the state metrics.
func (s StateCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int32, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	for _, h := range s.List() {
		gauge(desiredDesc, h.Desired, h.Namespace, h.Name)
		gauge(placeholdersDesc, h.Bound, h.Namespace, h.Name, StateBound)
		gauge(placeholdersDesc, h.Unavailable, h.Namespace, h.Name, StateUnavailable)
		gauge(placeholdersDesc, h.Pending, h.Namespace, h.Name, StatePending)
		for domain, ready := range h.Domains {
			gauge(domainDesc, ready, h.Namespace, h.Name, domain)
		}
		gauge(outdatedDesc, h.Outdated, h.Namespace, h.Name)
		gauge(parkedDesc, h.Parked, h.Namespace, h.Name)
		collectUsage(out, &h)
		for _, c := range h.Conditions {
			gauge(conditionDesc, 1, h.Namespace, h.Name, c.Type, string(c.Status), c.Reason)
		}
	}
}

// collectUsage sends what is known of the usage of a Headroom.
func collectUsage(out chan<- prometheus.Metric, h *HeadroomState) {
	optional := func(desc *prometheus.Desc, value float64, known bool) {
		if known {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, h.Namespace, h.Name)
		}
	}
	u := &h.Usage
	optional(lowestDesc, float64(ptr.Deref(u.LowestReadyReplicas, 0)), u.LowestReadyReplicas != nil)
	optional(unusedDesc, float64(ptr.Deref(u.UnusedReplicas, 0)), u.UnusedReplicas != nil)
	optional(refillP90Desc, float64(ptr.Deref(u.RefillSecondsP90, 0)), u.RefillSecondsP90 != nil)
	optional(savedDesc, float64(ptr.Deref(u.EstimatedSecondsSaved, 0)), u.EstimatedSecondsSaved != nil)
	if u.Cost == nil {
		return
	}
	amount := func(desc *prometheus.Desc, decimal string) {
		value, err := strconv.ParseFloat(decimal, 64)
		optional(desc, value, err == nil) // one that is not known is empty
	}
	amount(unitCostDesc, u.Cost.UnitPerHour)
	amount(heldCostDesc, u.Cost.HeldPerHour)
	amount(unusedCostDesc, u.Cost.UnusedPerWeek)
	optional(unpricedDesc, float64(u.Cost.UnpricedReplicas), true)
}
