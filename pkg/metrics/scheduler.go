// Package metrics holds every metric of the project, one file a binary. docs/reference/metrics.md describes them.
package metrics

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const schedulerSubsystem = "headroom_scheduler"

// Names of labels.
const (
	labelResult = "result"
	labelReason = "reason"
)

// SwapResult is how a swap ended, once its victims were chosen.
type SwapResult string

// The results of a swap.
const (
	// SwapBound: the victims went and the consumer was bound.
	SwapBound SwapResult = "bound"
	// SwapEvictionRefused: the API server refused to delete a victim.
	SwapEvictionRefused SwapResult = "eviction_refused"
	// SwapVictimStayed: a victim was not gone within victimWaitSeconds.
	SwapVictimStayed SwapResult = "victim_stayed"
	// SwapDevicesStayed: the victims went, but their devices were not free within 45 seconds.
	SwapDevicesStayed SwapResult = "devices_stayed"
	// SwapBindRefused: the victims went, but the consumer could not be bound.
	SwapBindRefused SwapResult = "bind_refused"
	// SwapUndone: the swap was given up before any victim was evicted.
	SwapUndone SwapResult = "undone"
	// GrowthTook: the victims went, and the kubelet can grow the pod. Only growth in place has this result.
	GrowthTook SwapResult = "took"
)

// swapResults returns all results of a swap.
func swapResults() []SwapResult {
	return []SwapResult{SwapBound, SwapEvictionRefused, SwapVictimStayed, SwapDevicesStayed, SwapBindRefused, SwapUndone}
}

// growthResults returns all results of growth in place.
func growthResults() []SwapResult {
	return []SwapResult{GrowthTook, SwapEvictionRefused, SwapVictimStayed, SwapUndone}
}

// MissReason is why no headroom could serve a pod that needed room while some node held headroom.
type MissReason string

// The reasons of a miss.
const (
	// MissConsumers: no Headroom with placeholders entitles the pod.
	MissConsumers MissReason = "consumers"
	// MissPriority: the pod's priority is not above that of the placeholders, or its preemptionPolicy is Never and no Headroom allows that.
	MissPriority MissReason = "priority"
	// MissTooSmall: no node holds enough headroom for the pod.
	MissTooSmall MissReason = "too_small"
	// MissFiltered: nodes hold enough headroom, but the pod cannot go there for another reason.
	MissFiltered MissReason = "filtered"
)

// missReasons returns all reasons of a miss.
func missReasons() []MissReason {
	return []MissReason{MissConsumers, MissPriority, MissTooSmall, MissFiltered}
}

// Exception is why a pod took placeholders of a Headroom that does not entitle it.
type Exception string

// The exceptions.
const (
	// ExceptionRunningPods: kube-scheduler's own preemption would have taken running pods otherwise.
	ExceptionRunningPods Exception = "running_pods"
	// ExceptionSystemCritical: the pod has a priority of 2,000,000,000 or more.
	ExceptionSystemCritical Exception = "system_critical"
)

// GuardResult is what became of the wish to keep other schedulers off the node of a swap.
type GuardResult string

// The results of that wish. Whatever they are, the swap goes on.
const (
	// GuardMade: a guard was made for it.
	GuardMade GuardResult = "made"
	// GuardShared: there was one already, for another swap on the node.
	GuardShared GuardResult = "shared"
	// GuardRefused: the API server refused to make one, or has done so within the last minute.
	GuardRefused GuardResult = "refused"
	// GuardFailed: the API server did not answer in time, or with an error of its own.
	GuardFailed GuardResult = "failed"
	// GuardNoSlot: the node may not have enough pods more.
	GuardNoSlot GuardResult = "no_slot"
	// GuardNoHostname: the node has no label kubernetes.io/hostname.
	GuardNoHostname GuardResult = "no_hostname"
)

// guardResults returns all of them.
func guardResults() []GuardResult {
	return []GuardResult{GuardMade, GuardShared, GuardRefused, GuardFailed, GuardNoSlot, GuardNoHostname}
}

var (
	swaps = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "swaps_total",
		Help: "Swaps by result: bound, eviction_refused, victim_stayed, devices_stayed, bind_refused, undone. " +
			"A swap evicts placeholders and binds their consumer in one scheduling cycle.",
		StabilityLevel: metrics.ALPHA,
	}, []string{labelResult})
	swapDuration = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem:      schedulerSubsystem,
		Name:           "swap_duration_seconds",
		Help:           "Time from the choice of the victims to the consumer's binding, of swaps that ended bound.",
		Buckets:        metrics.ExponentialBuckets(0.001, 2, 16),
		StabilityLevel: metrics.ALPHA,
	})
	swapVictims = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem: schedulerSubsystem,
		Name:      "swap_victims",
		Help: "Placeholders that were evicted by the decision of a swap, of swaps that ended bound; 0 where another pod's swap evicted all " +
			"that stood in the way.",
		Buckets:        []float64{0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64},
		StabilityLevel: metrics.ALPHA,
	})
	evictions = metrics.NewCounter(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "evictions_total",
		Help: "Placeholders that swaps deleted, whether the consumer was bound or not. What is missing from the sum of swap_victims was " +
			"evicted for a pod that was not bound there.",
		StabilityLevel: metrics.ALPHA,
	})
	swapWaste = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem:      schedulerSubsystem,
		Name:           "swap_waste_ratio",
		Help:           "Share of the node that a swap evicted beyond what the consumer lacked, of swaps that ended bound.",
		Buckets:        []float64{0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1},
		StabilityLevel: metrics.ALPHA,
	})
	misses = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "misses_total",
		Help: "Pods that no headroom could serve although some node held headroom, each counted once, by the reason at the time: " +
			"consumers, priority, too_small, filtered.",
		StabilityLevel: metrics.ALPHA,
	}, []string{labelReason})

	unentitled = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "unentitled_evictions_total",
		Help: "Placeholders that the plugin evicted for pods which their Headroom does not entitle, by reason: running_pods, " +
			"system_critical. Those that kube-scheduler's own preemption evicts beside running pods are not among them.",
		StabilityLevel: metrics.ALPHA,
	}, []string{labelReason})
	growths = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "growths_total",
		Help: "Deferred resizes in place for which placeholders of the node were to go, by result: took, eviction_refused, victim_stayed, " +
			"undone. What did not end as took is tried again.",
		StabilityLevel: metrics.ALPHA,
	}, []string{labelResult})
	growthEvictions = metrics.NewCounter(&metrics.CounterOpts{
		Subsystem:      schedulerSubsystem,
		Name:           "growth_evictions_total",
		Help:           "Placeholders that were deleted so that a running pod can grow in place.",
		StabilityLevel: metrics.ALPHA,
	})
	guards = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: schedulerSubsystem,
		Name:      "guards_total",
		Help: "Swaps for which other schedulers were to be kept off the node by a guard, by what came of it: made, shared, refused, failed, " +
			"no_slot, no_hostname.",
		StabilityLevel: metrics.ALPHA,
	}, []string{labelResult})

	registerScheduler sync.Once
)

// RegisterScheduler registers the scheduler's metrics in the registry that kube-scheduler serves, the first time that it is
// called, and makes every counter show from zero.
func RegisterScheduler() {
	registerScheduler.Do(func() {
		legacyregistry.MustRegister(
			swaps, swapDuration, swapVictims, evictions, swapWaste, misses, unentitled, growths, growthEvictions, guards)
		legacyregistry.RawMustRegister(build(componentScheduler))
		for _, result := range swapResults() {
			swaps.WithLabelValues(string(result))
		}
		for _, result := range growthResults() {
			growths.WithLabelValues(string(result))
		}
		for _, result := range guardResults() {
			guards.WithLabelValues(string(result))
		}
		for _, reason := range missReasons() {
			misses.WithLabelValues(string(reason))
		}
		for _, reason := range []Exception{ExceptionRunningPods, ExceptionSystemCritical} {
			unentitled.WithLabelValues(string(reason))
		}
	})
}

// ObserveSwap counts a swap that ended bound: seconds from the choice of the victims to the binding, how many placeholders were evicted
// by its decision, and the waste in millionths of the node.
func ObserveSwap(seconds float64, victims int, waste int64) {
	swaps.WithLabelValues(string(SwapBound)).Inc()
	swapDuration.Observe(seconds)
	swapVictims.Observe(float64(victims))
	swapWaste.Observe(float64(waste) / 1_000_000)
}

// CountEvictions counts placeholders that a swap deleted.
func CountEvictions(placeholders int) {
	evictions.Add(float64(placeholders))
}

// CountGrowth counts a resize for which placeholders were to go.
func CountGrowth(result SwapResult) {
	growths.WithLabelValues(string(result)).Inc()
}

// CountGrowthEvictions counts placeholders that were deleted for a resize.
func CountGrowthEvictions(placeholders int) {
	growthEvictions.Add(float64(placeholders))
}

// CountUnentitledEviction counts a placeholder that was evicted for a pod which its Headroom does not entitle.
func CountUnentitledEviction(why Exception) {
	unentitled.WithLabelValues(string(why)).Inc()
}

// CountFailedSwap counts a swap that did not end bound.
func CountFailedSwap(result SwapResult) {
	swaps.WithLabelValues(string(result)).Inc()
}

// CountMiss counts a pod that no headroom could serve, by the reason of its first attempt.
func CountMiss(reason MissReason) {
	misses.WithLabelValues(string(reason)).Inc()
}

// CountGuard counts a swap that was to have a guard.
func CountGuard(result GuardResult) {
	guards.WithLabelValues(string(result)).Inc()
}
