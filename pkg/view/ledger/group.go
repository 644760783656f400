package ledger

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// By is what takes are grouped by.
type By string

// The groups.
const (
	// ByHeadroom groups by whose units they were.
	ByHeadroom By = "headroom"
	// ByNamespace groups by the namespace of the pods that took them.
	ByNamespace By = "namespace"
	// ByWorkload groups by the controller of these pods, all ReplicaSets of a Deployment and all Jobs of a CronJob being one.
	ByWorkload By = "workload"
)

// Groups returns all that takes can be grouped by.
func Groups() []By { return []By{ByHeadroom, ByNamespace, ByWorkload} }

// Group is the takes that have something in common.
type Group struct {
	// Name is what they have in common.
	Name string `json:"name"`
	// Units is their number, Pods that of the pods that took them.
	Units int `json:"units"`
	Pods  int `json:"pods"`
	// Refilled is how many of them were refilled, and RefillSeconds after how long nine of ten of these were; absent if none was.
	Refilled      int      `json:"refilled"`
	RefillSeconds *float64 `json:"refillSecondsP90,omitempty"`
	// First and Last are when the first and the last unit went.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Summary is groups of takes, the largest first.
type Summary struct {
	// By is what they are grouped by.
	By By `json:"by"`
	// Groups, the one with most units first.
	Groups []Group `json:"groups"`
	// NotListed and NotSeen are those of the report.
	NotListed []string `json:"notListed,omitempty"`
	NotSeen   []string `json:"notSeen,omitempty"`
	now       time.Time
}

// Summary groups the takes of the report.
func (r *Report) Summary(by By) Summary {
	takes := map[string][]*Take{}
	for i := range r.Takes {
		name := nameOf(&r.Takes[i], by)
		takes[name] = append(takes[name], &r.Takes[i])
	}
	summary := Summary{By: by, Groups: []Group{}, NotListed: r.NotListed, NotSeen: r.NotSeen, now: r.now}
	for name, of := range takes {
		summary.Groups = append(summary.Groups, groupOf(name, of))
	}
	slices.SortFunc(summary.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Units, a.Units), cmp.Compare(a.Name, b.Name))
	})
	return summary
}

// groupOf counts takes, of which there is one at least, the newest first.
func groupOf(name string, takes []*Take) Group {
	group := Group{Name: name, Units: len(takes), Last: takes[0].Time, First: takes[len(takes)-1].Time}
	pods := map[string]bool{}
	var refills []float64
	for _, take := range takes {
		pods[take.who()] = true
		if take.RefillSeconds != nil {
			refills = append(refills, *take.RefillSeconds)
		}
	}
	group.Pods, group.Refilled = len(pods), len(refills)
	if len(refills) > 0 {
		slices.Sort(refills)
		group.RefillSeconds = &refills[(len(refills)*9+9)/10-1]
	}
	return group
}

// unknown is the name of a group of which not more is known.
const unknown = "(not known)"

func nameOf(t *Take, by By) string {
	switch {
	case by == ByHeadroom:
		return t.Namespace + "/" + t.Headroom
	case t.ConsumerNamespace == "":
		return unknown
	case by == ByNamespace:
		return t.ConsumerNamespace
	case t.Owner == "":
		return fmt.Sprintf("%s/Pod/%s", t.ConsumerNamespace, t.Consumer)
	default:
		return t.ConsumerNamespace + "/" + workload(t.Owner)
	}
}

var (
	// replicaSet is how a Deployment calls its ReplicaSets, job how a CronJob calls its Jobs.
	replicaSet = regexp.MustCompile(`^(ReplicaSet/.+-)[bcdfghjklmnpqrstvwxz2456789]{6,10}$`)
	job        = regexp.MustCompile(`^(Job/.+-)[0-9]{8,10}$`)
)

// workload is the owner without what only tells revisions and runs apart: ReplicaSet/web-5d9c78 is ReplicaSet/web-*.
func workload(owner string) string {
	owner = replicaSet.ReplaceAllString(owner, "$1*")
	return job.ReplaceAllString(owner, "$1*")
}
