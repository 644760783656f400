package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

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

// Controller are the metrics that headroom-controller counts as it works.
type Controller struct {
	// Consumed counts placeholders that pods took.
	Consumed *prometheus.CounterVec
	// Lost counts placeholders that went otherwise, by reason.
	Lost *prometheus.CounterVec
	// Lacked counts units that entitled pods lacked.
	Lacked *prometheus.CounterVec
	// Missed counts entitled pods that no unit served, by reason.
	Missed *prometheus.CounterVec
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
		Missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_missed_pods_total",
			Help: "Entitled pods that no unit served, each counted once, by Headroom and reason (priority, filtered, preemption, none_ready, " +
				"too_small, other).",
		}, []string{"namespace", "headroom", "reason"}),
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
	registry.MustRegister(c.Consumed, c.Lost, c.Lacked, c.Missed, c.AccountStored, c.AccountWriteErrors, c.AccountGaps,
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
	for _, why := range account.Misses() {
		c.Missed.WithLabelValues(headroom.Namespace, headroom.Name, string(why))
	}
}

// CountMiss counts a pod that no unit of a Headroom served, and the units that it lacked.
func (c *Controller) CountMiss(headroom types.NamespacedName, why account.Miss, units int) {
	c.Missed.WithLabelValues(headroom.Namespace, headroom.Name, string(why)).Inc()
	c.Lacked.WithLabelValues(headroom.Namespace, headroom.Name).Add(float64(units))
}

// Forget removes what was counted for a Headroom that is gone.
func (c *Controller) Forget(headroom types.NamespacedName) {
	labels := prometheus.Labels{"namespace": headroom.Namespace, "headroom": headroom.Name}
	c.Consumed.DeletePartialMatch(labels)
	c.Lost.DeletePartialMatch(labels)
	c.Lacked.DeletePartialMatch(labels)
	c.Missed.DeletePartialMatch(labels)
}
