package headroom

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/price"
)

// usageWithin is how far back status.usage looks.
const usageWithin = 7 * 24 * time.Hour

// usage is what the account of a Headroom says of the last days, and what the units cost that it holds.
func (r *Reconciler) usage(headroom types.NamespacedName, desired int32, held price.Held, now time.Time) v1alpha1.UsageStatus {
	var usage v1alpha1.UsageStatus
	r.Accounts.Read(headroom, func(a *account.Account) {
		if a != nil {
			usage = usageOf(a.Usage(now, usageWithin), desired, now)
		}
	})
	if r.Prices.Any() {
		usage.Cost = costOf(held, usage.UnusedReplicas)
	}
	return usage
}

// costOf is what units cost that are held, and what those of them cost that nothing would have missed. Units without a price are counted,
// and not guessed at.
func costOf(held price.Held, unused *int32) *v1alpha1.UsageCost {
	cost := &v1alpha1.UsageCost{UnpricedReplicas: int32(held.Unpriced)} //nolint:gosec // as many pods as fit a cluster
	perUnit, ok := held.PerUnit()
	if ok {
		cost.UnitPerHour = price.Decimal(perUnit)
	}
	if !ok && held.Unpriced > 0 {
		return cost
	}
	cost.HeldPerHour = price.Decimal(held.PerHour)
	if unused != nil {
		cost.UnusedPerWeek = price.Decimal(float64(min(int(*unused), held.Priced)) * perUnit * price.HoursPerWeek)
	}
	return cost
}

// usageOf puts what an account says of the last days into the form of the status. Units that were scaled down or replaced are not lost.
func usageOf(u account.Usage, desired int32, now time.Time) v1alpha1.UsageStatus {
	status := v1alpha1.UsageStatus{
		ObservedTime: &metav1.Time{Time: now.Truncate(time.Second)}, SinceTime: &metav1.Time{Time: u.Since.Truncate(time.Second)},
		Taken: int64(u.Taken), Lacked: int64(u.Lacked), Missed: account.MissedPods(u.Missed),
	}
	for why, units := range u.Lost {
		if why != account.LossScaledDown && why != account.LossReplaced {
			status.Lost += int64(units)
		}
	}
	if u.Refills > 0 {
		status.RefillSecondsP90 = ptr.To(int64(u.RefillP90 / time.Second))
	}
	if u.LowestReady != nil {
		lowest := int32(*u.LowestReady) //nolint:gosec // as many pods as fit a cluster
		status.LowestReadyReplicas = &lowest
		if u.Whole {
			status.UnusedReplicas = ptr.To(min(lowest, desired))
		}
	}
	if u.Saved > 0 {
		status.EstimatedSecondsSaved = ptr.To(int64(u.Saved / time.Second))
	}
	return status
}

// usageDue reports whether a status has to be written for its usage alone: once an hour.
func usageDue(of *v1alpha1.UsageStatus, now time.Time) bool {
	return of.ObservedTime == nil || of.ObservedTime.Time.Before(now.Truncate(time.Hour))
}
