// Package ledger lists who took which unit, when, by which rule, and after how long it was refilled, as the accounts say. It is pure:
// model and text are made of objects and a time.
package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Input is what the ledger is made of.
type Input struct {
	// Accounts in any order.
	Accounts []v1alpha1.HeadroomAccount
	// Events of the namespaces of consumers: those that tell of swaps say by which rule. Others are left out.
	Events []corev1.Event
	// Since leaves out older takes; the zero time leaves out none.
	Since time.Time
	// Now is the time.
	Now time.Time
}

// Report is what is printed, also as JSON and YAML.
type Report struct {
	// Takes are the units that pods took, the newest first.
	Takes []Take `json:"takes"`
	// NotListed says of which Headrooms pods took more units than are listed one by one.
	NotListed []string `json:"notListed,omitempty"`
	// NotSeen says what could not be looked at, and what it would have told.
	NotSeen []string `json:"notSeen,omitempty"`
	now     time.Time
}

// Take is one unit that a pod took.
type Take struct {
	// Time is when the unit went.
	Time time.Time `json:"time"`
	// Namespace and Headroom are whose unit it was.
	Namespace string `json:"namespace"`
	Headroom  string `json:"headroom"`
	// Placeholder is the pod that held it, Node where it was.
	Placeholder string `json:"placeholder"`
	Node        string `json:"node,omitempty"`
	// ConsumerNamespace and Consumer are the pod that took it, empty if only its UID is known.
	ConsumerNamespace string `json:"consumerNamespace,omitempty"`
	Consumer          string `json:"consumer,omitempty"`
	ConsumerUID       string `json:"consumerUID,omitempty"`
	// Owner is its controller, for example ReplicaSet/web-5d9c.
	Owner string `json:"owner,omitempty"`
	// How is Swap or Preemption.
	How string `json:"how"`
	// Rule is why this unit, as the scheduler's event says. It is empty where the event is gone, as a rule after an hour.
	Rule string `json:"rule,omitempty"`
	// RefillSeconds is after how long a unit was bound in its place, absent if none was yet.
	RefillSeconds *float64 `json:"refillSeconds,omitempty"`
}

// New makes the ledger.
func New(in Input) Report {
	report := Report{Takes: []Take{}, now: in.Now}
	rules := rulesIn(in.Events)
	for i := range in.Accounts {
		stored := &in.Accounts[i]
		a, err := account.Decode(&stored.Record)
		if err != nil {
			report.NotSeen = append(report.NotSeen, fmt.Sprintf("the account of %s/%s cannot be read: %v", stored.Namespace, stored.Name, err))
			continue
		}
		takes := a.Takes()
		for j := range takes {
			if !takes[j].Time.Before(in.Since) {
				report.Takes = append(report.Takes, takeOf(stored, &takes[j], rules))
			}
		}
		if note := notListed(stored, a, in.Since); note != "" {
			report.NotListed = append(report.NotListed, note)
		}
	}
	slices.SortFunc(report.Takes, func(a, b Take) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Headroom, b.Headroom),
			cmp.Compare(a.Placeholder, b.Placeholder))
	})
	slices.Sort(report.NotListed)
	return report
}

func takeOf(stored *v1alpha1.HeadroomAccount, t *account.Take, rules map[types.UID]string) Take {
	take := Take{
		Time: t.Time, Namespace: stored.Namespace, Headroom: stored.Name, Placeholder: t.Placeholder, Node: t.Node,
		ConsumerNamespace: t.Consumer.Namespace, Consumer: t.Consumer.Name, ConsumerUID: string(t.Consumer.UID), Owner: t.Consumer.Owner,
		How: string(t.How), Rule: rules[t.Consumer.UID],
	}
	if t.Refilled > 0 {
		seconds := t.Refilled.Seconds()
		take.RefillSeconds = &seconds
	}
	return take
}

// rulesIn are the reasons that the scheduler gave, by the UID of the consumer.
func rulesIn(events []corev1.Event) map[types.UID]string {
	rules := map[types.UID]string{}
	for i := range events {
		if events[i].Reason != swapevent.Reason || events[i].InvolvedObject.UID == "" {
			continue
		}
		if swap, ok := swapevent.Parse(events[i].Message); ok {
			rules[events[i].InvolvedObject.UID] = swap.Why
		}
	}
	return rules
}

// notListed says how many takes of the time are missing, of which the account knows only the number. An account remembers the last ones
// only.
func notListed(stored *v1alpha1.HeadroomAccount, a *account.Account, since time.Time) string {
	takes := a.Takes()
	if a.Totals().Taken <= int64(len(takes)) || (len(takes) > 0 && takes[0].Time.Before(since)) {
		return ""
	}
	return fmt.Sprintf("%s/%s: of %d units taken since %s the last %d are listed", stored.Namespace, stored.Name, a.Totals().Taken,
		a.Opened().UTC().Format(time.RFC3339), len(takes))
}

// ConsumerNamespaces are the namespaces of the pods that took units, for whose events somebody has to ask.
func ConsumerNamespaces(accounts []v1alpha1.HeadroomAccount) []string {
	var found []string
	for i := range accounts {
		for j := range accounts[i].Record.Takes {
			if namespace, _, ok := strings.Cut(accounts[i].Record.Takes[j].Consumer, "/"); ok {
				found = append(found, namespace)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
