// Package advice says how many units each Headroom needed by its own history, and what those cost that it did not need. It is pure.
package advice

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/price"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// enough is how old an account has to be before fewer units are advised: what has not been seen yet may still come.
const enough = 7 * 24 * time.Hour

// Input is what the advice is made of.
type Input struct {
	// Headrooms and their Accounts, as far as there are any.
	Headrooms []v1alpha1.Headroom
	Accounts  []v1alpha1.HeadroomAccount
	// Nodes have the prices; none: no costs are told.
	Nodes []price.Node
	// Served is the share of demand that is to be served at once, for example 0.999.
	Served float64
	// Now is the time.
	Now time.Time
}

// Report is what is printed, also as JSON and YAML.
type Report struct {
	// Headrooms in the order of what they could save, then of namespace and name.
	Headrooms []Advice `json:"headrooms"`
	// NotSeen says what could not be looked at, and what it would have told.
	NotSeen []string `json:"notSeen,omitempty"`
}

// Advice is about one Headroom.
type Advice struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Wanted is how many units it asks for, and Needed how many it needed.
	Wanted int `json:"wanted"`
	Needed int `json:"needed"`
	// Known is how long its account has been kept, in seconds. Below seven days Needed is told, but fewer units are not advised.
	Known int64 `json:"knownSeconds"`
	// Taken and Lacked are the units of that time, at most of fourteen days.
	Taken  int `json:"taken"`
	Lacked int `json:"lacked"`
	// LowestReady is the smallest number of ready units in that time, absent if nobody looked.
	LowestReady *int `json:"lowestReady,omitempty"`
	// Evidence says why it is this number and not one less.
	Evidence string `json:"evidence"`
	// Sentence is the advice.
	Sentence string `json:"sentence"`
	// UnitPrice is what a unit costs an hour, and Cost what all wanted ones cost a month, and Spare what those cost a month that were not
	// needed; absent where no price is known. They are estimates: a unit is charged the share of its node that it takes.
	UnitPrice *float64 `json:"unitPricePerHour,omitempty"`
	Cost      *float64 `json:"costPerMonth,omitempty"`
	Spare     *float64 `json:"spareCostPerMonth,omitempty"`
}

// New makes the report.
func New(in *Input) Report {
	accounts := map[types.NamespacedName]*v1alpha1.HeadroomAccount{}
	for i := range in.Accounts {
		accounts[types.NamespacedName{Namespace: in.Accounts[i].Namespace, Name: in.Accounts[i].Name}] = &in.Accounts[i]
	}
	report := Report{Headrooms: []Advice{}}
	for i := range in.Headrooms {
		h := &in.Headrooms[i]
		stored := accounts[types.NamespacedName{Namespace: h.Namespace, Name: h.Name}]
		if stored == nil {
			report.NotSeen = append(report.NotSeen, fmt.Sprintf("%s/%s has no account yet: nothing is known of its history", h.Namespace, h.Name))
			continue
		}
		a, err := account.Decode(&stored.Record)
		if err != nil {
			report.NotSeen = append(report.NotSeen, fmt.Sprintf("the account of %s/%s cannot be read: %v", h.Namespace, h.Name, err))
			continue
		}
		report.Headrooms = append(report.Headrooms, advise(h, a, in))
	}
	slices.SortFunc(report.Headrooms, func(a, b Advice) int {
		return cmp.Or(cmp.Compare(value(b.Spare), value(a.Spare)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return report
}

func value(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

func advise(h *v1alpha1.Headroom, a *account.Account, in *Input) Advice {
	usage := a.Usage(in.Now, account.Days*24*time.Hour)
	size := demand.Size(a.Demand(h.Status.ParkedReplicas > 0), in.Now, demand.Options{Served: in.Served, Season: demand.None})
	one := Advice{
		Namespace: h.Namespace, Name: h.Name, Wanted: int(h.Status.DesiredReplicas), Needed: size.Replicas, Evidence: size.Why,
		Known: int64(in.Now.Sub(a.Opened()) / time.Second), Taken: usage.Taken, Lacked: usage.Lacked, LowestReady: usage.LowestReady,
	}
	if perHour, ok := price.PerUnit(h.Shaped(h.Status.Shape).Spec.Requests, in.Nodes); ok {
		perMonth := perHour * price.HoursPerMonth
		cost, spare := perMonth*float64(one.Wanted), perMonth*float64(max(0, one.Wanted-one.Needed))
		one.UnitPrice, one.Cost, one.Spare = &perHour, &cost, &spare
	}
	one.Sentence = one.sentence()
	return one
}

// sentence is the advice in words.
func (a *Advice) sentence() string {
	known := time.Duration(a.Known) * time.Second
	switch spare := a.Wanted - a.Needed; {
	case spare < 0:
		return fmt.Sprintf("It needed %d units, %d more than the %d that it asks for.", a.Needed, -spare, a.Wanted)
	case spare == 0:
		return fmt.Sprintf("It needed the %d units that it asks for.", a.Wanted)
	case known < enough:
		return fmt.Sprintf(
			"It needed %d of its %d units so far, but its account is only %s old: wait until it is seven days.", a.Needed, a.Wanted,
			duration.HumanDuration(known))
	case a.Spare != nil:
		return fmt.Sprintf(
			"It needed %d units: %d fewer than the %d that it asks for would do, which cost about %.2f a month.", a.Needed, spare,
			a.Wanted, *a.Spare)
	default:
		return fmt.Sprintf("It needed %d units: %d fewer than the %d that it asks for would do.", a.Needed, spare, a.Wanted)
	}
}
