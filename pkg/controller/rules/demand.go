package rules

import (
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/sizing"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

const (
	// readAgain is when to look again for accounts that are not read yet.
	readAgain = 5 * time.Second
	// late is how much younger than its Headroom an account may be at most that was not lost.
	late = 10 * time.Minute
)

// Accounts tell what became of the units of Headrooms.
type Accounts interface {
	// Demand calls use with what the account of a Headroom remembers of the demand, and since when the account is kept, while nothing changes
	// it. It reports false, without a call, as long as the stored accounts are not read.
	Demand(headroom types.NamespacedName, parked bool, use func(history demand.History, since time.Time)) bool
}

// demand is the base-stock rule on the account of the Headroom. What it came to last, if anything, counts on while too little is known
// because the account was lost: nobody asked for less.
func (e evaluation) demand(rule *v1alpha1.Demand, last *v1alpha1.SizingRuleStatus) (finding, *workload.Problem) {
	options, problem := e.demandOptions(rule)
	if problem == nil {
		problem = e.bounded()
	}
	if problem != nil {
		return finding{}, problem
	}
	var result demand.Result
	var since time.Time
	parked := e.headroom.Status.ParkedReplicas > 0
	read := e.look.Demand(client.ObjectKeyFromObject(e.headroom), parked, func(history demand.History, kept time.Time) {
		result, since = demand.Size(history, e.now, options), kept
	})
	if !read {
		return finding{recheck: readAgain}, &workload.Problem{
			Reason: v1alpha1.ReasonReading, Message: "the account of the Headroom is not read yet",
		}
	}
	found := finding{Units: result.Wanted, recheck: demand.Slot}
	found.message = fmt.Sprintf("%s: %s.", sizing.Units(found.Units), result.Why)
	lost := since.After(e.headroom.CreationTimestamp.Add(late))
	if lost && result.PooledBy == demand.PooledByMaximum && last != nil && int(last.Replicas) > found.Units {
		found.Units = int(last.Replicas)
		found.message = fmt.Sprintf("It keeps the %s that it came to last, because the account is kept only since %s: %s.",
			sizing.Units(found.Units), since.UTC().Format(time.RFC3339), result.Why)
	}
	return found, nil
}

// demandOptions are what the rule says, and the limits of the Headroom: one window counts no more than they leave.
func (e evaluation) demandOptions(rule *v1alpha1.Demand) (demand.Options, *workload.Problem) {
	options := demand.Options{Season: demand.Season(rule.Season)}
	if rule.Season == "" {
		options.Season = demand.Week
	}
	if rule.History != nil {
		options.History = rule.History.Duration
	}
	if rule.Served != "" {
		percent, err := strconv.ParseFloat(rule.Served, 64)
		if err != nil {
			return options, invalid("demand.served: %q is no share in percent, such as 99.9", rule.Served)
		}
		options.Served = percent / 100
	}
	if rule.TimeZone != "" {
		zone, err := sizing.Zone(rule.TimeZone)
		if err != nil {
			return options, &workload.Problem{Reason: v1alpha1.ReasonUnknownTimeZone, Message: err.Error()}
		}
		options.Location = zone
	}
	bounds := boundsOf(e.headroom, e.floor)
	options.Max = min(bounds.Max, sizing.MaxUnits)
	if bounds.Fit >= 0 {
		options.Max = min(options.Max, bounds.Fit)
	}
	options.Max = max(options.Max, 1) // zero would be no limit
	return options, nil
}
