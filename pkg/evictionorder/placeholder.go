package evictionorder

import (
	"cmp"
	"fmt"
	"time"
)

// Placeholder is the evidence about one placeholder that the pod in question may take.
type Placeholder struct {
	// UID of the placeholder pod.
	UID string
	// Name of the placeholder pod. It is read by Explain only.
	Name string
	// Headroom is the caller's index of the Headroom that the placeholder belongs to. It is read by Left only.
	Headroom int
	// Index is the caller's own, to find the pod again after Pick has reordered. It is never read.
	Index int
	// Requests of the placeholder; Requests[Pods] is 1.
	Requests Resources
	// Surplus is what the placeholder, taken alone, holds beyond the shortfall: Waste of its requests. SetSurplus and
	// Pick fill it in.
	Surplus int64
	// Created is when the placeholder was created, in nanoseconds since 1970.
	Created int64
	// Priority of the placeholder pod.
	Priority int32
	// Leaving says that the placeholder is being deleted already, or reserved for another consumer.
	Leaving bool
	// NamesConsumer says that the placeholder's Headroom has consumers set, and that they name the pod in question.
	NamesConsumer bool
	// Unentitled says that the placeholder's Headroom does not entitle the pod in question, which may take the placeholder all the same, by
	// its priority.
	Unentitled bool
}

// VictimRule is a rule of the order among the placeholders of one node.
type VictimRule int

// The victim rules, by their number in the package documentation.
const (
	VictimLeaving VictimRule = iota + 1
	VictimNamed
	VictimPriority
	VictimSurplus
	VictimAge
	VictimUID
)

// String returns the rule's name in the package documentation.
func (r VictimRule) String() string {
	switch r {
	case VictimLeaving:
		return "leaving"
	case VictimNamed:
		return "named"
	case VictimPriority:
		return "priority"
	case VictimSurplus:
		return "surplus"
	case VictimAge:
		return "age"
	case VictimUID:
		return "uid"
	default:
		return fmt.Sprintf("VictimRule(%d)", int(r))
	}
}

// Compare returns a negative number if a goes before b, a positive one if b goes before a, and zero only for one UID.
func Compare(a, b Placeholder) int {
	_, order := decide(&a, &b)
	return order
}

// decide returns the rule that tells a from b, and the order it puts them in.
func decide(a, b *Placeholder) (VictimRule, int) {
	if order := trueFirst(a.Leaving, b.Leaving); order != 0 {
		return VictimLeaving, order
	}
	if order := cmp.Or(trueFirst(a.NamesConsumer, b.NamesConsumer), trueFirst(b.Unentitled, a.Unentitled)); order != 0 {
		return VictimNamed, order
	}
	if order := cmp.Compare(a.Priority, b.Priority); order != 0 {
		return VictimPriority, order
	}
	if order := cmp.Compare(a.Surplus, b.Surplus); order != 0 {
		return VictimSurplus, order
	}
	if order := cmp.Compare(b.Created, a.Created); order != 0 {
		return VictimAge, order
	}
	return VictimUID, cmp.Compare(a.UID, b.UID)
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// Explain names the rule that puts one of two placeholders first, and says why in terms of the one that goes first.
func Explain(a, b Placeholder) Explanation {
	rule, order := decide(&a, &b)
	if order > 0 {
		a, b = b, a
	}
	return Explanation{Kind: "victim rule", Number: int(rule), Rule: rule.String(), Text: rule.text(&a, &b)}
}

// text says why a goes before b.
func (r VictimRule) text(a, b *Placeholder) string {
	switch r {
	case VictimLeaving:
		return fmt.Sprintf("%s is being deleted already, %s is not", a.Name, b.Name)
	case VictimNamed:
		return fmt.Sprintf("the Headroom of %s %s, that of %s %s", a.Name, a.entitlement(), b.Name, b.entitlement())
	case VictimPriority:
		return fmt.Sprintf("%s has priority %d, %s %d", a.Name, a.Priority, b.Name, b.Priority)
	case VictimSurplus:
		return fmt.Sprintf("%s holds %s of the node more than is missing, %s %s", a.Name, percent(a.Surplus), b.Name, percent(b.Surplus))
	case VictimAge:
		return fmt.Sprintf("%s was created at %s, %s at %s", a.Name, timestamp(a.Created), b.Name, timestamp(b.Created))
	default:
		return fmt.Sprintf("%s has UID %s, %s %s", a.Name, a.UID, b.Name, b.UID)
	}
}

// entitlement words what the placeholder's Headroom is to the pod.
func (p *Placeholder) entitlement() string {
	switch {
	case p.NamesConsumer:
		return "names the consumer"
	case p.Unentitled:
		return "does not entitle it"
	default:
		return "is open to all"
	}
}

func timestamp(nanoseconds int64) string {
	return time.Unix(0, nanoseconds).UTC().Format(time.RFC3339Nano)
}
