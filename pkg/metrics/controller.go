package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// Values of the label "stage" of headroom_reconcile_errors_total.
const (
	// StageGather is reading what there is.
	StageGather = "gather"
	// StageApply is creating and deleting placeholders.
	StageApply = "apply"
	// StageStatus is writing the status.
	StageStatus = "status"
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

// Controller are the metrics that headroom-controller counts as it works.
type Controller struct {
	// Consumed counts placeholders that pods took.
	Consumed *prometheus.CounterVec
	// Lost counts placeholders that went otherwise, by reason.
	Lost *prometheus.CounterVec
	// Lacked counts units that entitled pods lacked.
	Lacked *prometheus.CounterVec
	// AccountStored is 1 if accounts are kept across restarts.
	AccountStored prometheus.Gauge
	// AccountWriteErrors counts writes of accounts that failed.
	AccountWriteErrors prometheus.Counter
	// AccountGaps counts restarts after which it is not known what happened before.
	AccountGaps prometheus.Counter
	// RefillDuration is how long units are missing.
	RefillDuration prometheus.Histogram
	// ReconcileErrors counts reconciles that failed and are tried again.
	ReconcileErrors *prometheus.CounterVec
	// Refused counts batches of placeholders that the API server refused, by the reason of the condition Ready.
	Refused *prometheus.CounterVec
	// Deleted counts placeholders that the controller deleted, by why.
	Deleted *prometheus.CounterVec
}

// NewController returns the metrics, registered.
func NewController(registry prometheus.Registerer) *Controller {
	c := &Controller{
		Consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_consumed_total",
			Help: "Placeholders that pods took, by Headroom.",
		}, []string{"namespace", "headroom"}),
		Lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_lost_total",
			Help: "Bound placeholders that went without being taken, by Headroom and reason.",
		}, []string{"namespace", "headroom", "reason"}),
		Lacked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_lacked_units_total",
			Help: "Units that entitled pods lacked when they were told that there is no room, each pod counted once, by Headroom.",
		}, []string{"namespace", "headroom"}),
		AccountStored: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headroom_account_stored",
			Help: "1 if the accounts of who took what are kept across restarts, 0 if the definition of HeadroomAccounts is not installed.",
		}),
		AccountWriteErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headroom_account_write_errors_total",
			Help: "Writes of HeadroomAccounts that failed and are tried again.",
		}),
		AccountGaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headroom_account_gaps_total",
			Help: "Times that the controller started and could not learn what happened to placeholders before.",
		}),
		RefillDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headroom_refill_duration_seconds",
			Help:    "Time from the loss of a bound placeholder until one is bound in its place.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 90, 120, 180, 300, 600, 1800},
		}),
		ReconcileErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_reconcile_errors_total",
			Help: "Reconciles that failed and are tried again, by stage (gather, apply, status).",
		}, []string{"stage"}),
		Refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_placeholders_refused_total",
			Help: "Attempts to create placeholders that the API server refused, by reason of the condition Ready.",
		}, []string{"reason"}),
		Deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_placeholders_deleted_total",
			Help: "Placeholders that the controller deleted, by reason (Surplus, Lost, Outdated, Nonconforming, GivenBack, HeldBack).",
		}, []string{"reason"}),
	}
	for _, stage := range []string{StageGather, StageApply, StageStatus} {
		c.ReconcileErrors.WithLabelValues(stage)
	}
	for _, reason := range deletionReasons() {
		c.Deleted.WithLabelValues(string(reason))
	}
	registry.MustRegister(c.Consumed, c.Lost, c.Lacked, c.AccountStored, c.AccountWriteErrors, c.AccountGaps,
		c.RefillDuration, c.ReconcileErrors, c.Refused, c.Deleted, build(componentController))
	return c
}

// deletionReasons are why the controller deletes placeholders.
func deletionReasons() []topup.Reason {
	return []topup.Reason{
		topup.ReasonSurplus, topup.ReasonLost, topup.ReasonOutdated, topup.ReasonNonconforming, topup.ReasonGivenBack,
		topup.ReasonHeldBack,
	}
}

// Show makes what is counted for a Headroom show from zero, so that the first increase is seen as one.
func (c *Controller) Show(headroom types.NamespacedName) {
	c.Consumed.WithLabelValues(headroom.Namespace, headroom.Name)
	c.Lacked.WithLabelValues(headroom.Namespace, headroom.Name)
	for _, why := range account.Losses() {
		c.Lost.WithLabelValues(headroom.Namespace, headroom.Name, string(why))
	}
}

// Forget removes what was counted for a Headroom that is gone.
func (c *Controller) Forget(headroom types.NamespacedName) {
	labels := prometheus.Labels{"namespace": headroom.Namespace, "headroom": headroom.Name}
	c.Consumed.DeletePartialMatch(labels)
	c.Lost.DeletePartialMatch(labels)
	c.Lacked.DeletePartialMatch(labels)
}

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
		for _, c := range h.Conditions {
			gauge(conditionDesc, 1, h.Namespace, h.Name, c.Type, string(c.Status), c.Reason)
		}
	}
}
