package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
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
	// StateBound is a placeholder that holds room on a node.
	StateBound = "bound"
	// StatePending is a placeholder that waits for room.
	StatePending = "pending"
)

// Controller are the metrics that headroom-controller counts as it works.
type Controller struct {
	// Consumed counts placeholders that pods took.
	Consumed *prometheus.CounterVec
	// RefillDuration is how long units are missing.
	RefillDuration prometheus.Histogram
	// ReconcileErrors counts reconciles that failed and are tried again.
	ReconcileErrors *prometheus.CounterVec
	// Refused counts batches of placeholders that the API server refused, by the reason of the condition Ready.
	Refused *prometheus.CounterVec
}

// NewController returns the metrics, registered.
func NewController(registry prometheus.Registerer) *Controller {
	c := &Controller{
		Consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_consumed_total",
			Help: "Placeholders that pods took, by Headroom.",
		}, []string{"namespace", "headroom"}),
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
	}
	registry.MustRegister(c.Consumed, c.RefillDuration, c.ReconcileErrors, c.Refused, build(componentController))
	return c
}

// Forget removes what was counted for a Headroom that is gone.
func (c *Controller) Forget(headroom types.NamespacedName) {
	c.Consumed.DeleteLabelValues(headroom.Namespace, headroom.Name)
}

// HeadroomState is what the state metrics tell of one Headroom.
type HeadroomState struct {
	types.NamespacedName
	// Desired is the number of placeholders that should exist; Bound and Pending are how many do.
	Desired, Bound, Pending int32
}

// StateCollector reads the state metrics at the time of a scrape, so that a Headroom that is gone is gone from them too.
type StateCollector struct {
	// List returns the state of every Headroom; nothing on a controller that does not lead.
	List func() []HeadroomState
}

var (
	desiredDesc = prometheus.NewDesc("headroom_desired", "Placeholders that should exist, by Headroom.",
		[]string{"namespace", "headroom"}, nil)
	placeholdersDesc = prometheus.NewDesc("headroom_placeholders", "Placeholders that exist, by Headroom and state (bound, pending).",
		[]string{"namespace", "headroom", "state"}, nil)
)

// Describe sends the descriptions of the state metrics.
func (s StateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- desiredDesc
	descs <- placeholdersDesc
}

// Collect sends the state metrics.
func (s StateCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int32, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	for _, h := range s.List() {
		gauge(desiredDesc, h.Desired, h.Namespace, h.Name)
		gauge(placeholdersDesc, h.Bound, h.Namespace, h.Name, StateBound)
		gauge(placeholdersDesc, h.Pending, h.Namespace, h.Name, StatePending)
	}
}
