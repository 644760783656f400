// Package price says what units cost, by the prices of nodes that an operator names. Nothing is asked of any cloud. It is pure.
package price

import (
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	// HoursPerMonth turns a price per hour into one per month: a twelfth of 365 days.
	HoursPerMonth = 730
	// HoursPerWeek turns a price per hour into one of seven days.
	HoursPerWeek = 7 * 24
	// Max is the highest price of a node that is believed, an hour: what is above is taken for a mistake, and the price for not known.
	Max = 1e9
)

// Prices are what an operator says that nodes cost an hour, in whatever currency.
type Prices struct {
	// Node is what every node costs, from 0 to Max; 0: not known.
	Node float64
	// Label is the label of nodes, or else the annotation, whose value is what a node costs; it wins over Node. Empty: none.
	Label string
}

// Any reports whether there are prices at all.
func (p Prices) Any() bool { return p.Node > 0 || p.Label != "" }

// IsPrice reports whether a number can be the price of a node.
func IsPrice(perHour float64) bool { return perHour >= 0 && perHour <= Max } // not a number is neither

// Of is what a node costs an hour; 0: not known. A value of the label that is no price counts as none.
func (p Prices) Of(node *corev1.Node) float64 {
	if p.Label == "" {
		return p.Node
	}
	text, ok := node.Labels[p.Label]
	if !ok {
		text, ok = node.Annotations[p.Label]
	}
	if !ok {
		return p.Node
	}
	perHour, err := strconv.ParseFloat(text, 64)
	if err != nil || !IsPrice(perHour) {
		return p.Node
	}
	return perHour
}

// Share is the part of a node that a unit takes, by the resource of which it takes most: above 1 if the node is too small for it.
func Share(requests, allocatable corev1.ResourceList) float64 {
	share := 0.0
	for name, requested := range requests {
		if requested.Sign() <= 0 {
			continue
		}
		held := allocatable[name]
		if held.Sign() <= 0 {
			return math.Inf(1)
		}
		share = max(share, requested.AsApproximateFloat64()/held.AsApproximateFloat64())
	}
	return share
}

// Node is a node of which the price is known.
type Node struct {
	// Allocatable is what pods may request of it.
	Allocatable corev1.ResourceList
	// PerHour is what it costs.
	PerHour float64
}

// PerUnit is what a unit costs an hour: its share of a node, on the average of the nodes that are large enough for one. It reports false if
// there is none, or nothing is requested.
func PerUnit(requests corev1.ResourceList, nodes []Node) (perHour float64, ok bool) {
	sum, fitting := 0.0, 0
	for i := range nodes {
		if share := Share(requests, nodes[i].Allocatable); share > 0 && share <= 1 {
			sum += share * nodes[i].PerHour
			fitting++
		}
	}
	if fitting == 0 {
		return 0, false
	}
	return sum / float64(fitting), true
}

// Held is what units that are held cost, each at the price of the node that it is on. The zero value is of none.
type Held struct {
	// PerHour is what those cost an hour together that have a price.
	PerHour float64
	// Priced units are on nodes of which the price is known, Unpriced ones on others.
	Priced, Unpriced int
}

// Add adds a unit of these requests that is on a node. On a node that says nothing of what it has of a resource, a unit has no price.
func (h *Held) Add(requests corev1.ResourceList, node *corev1.Node, prices Prices) {
	perHour, share := prices.Of(node), Share(requests, node.Status.Allocatable)
	if perHour == 0 || math.IsInf(share, 1) {
		h.Unpriced++
		return
	}
	h.Priced++
	h.PerHour += min(1, share) * perHour // a unit costs no more than its node
}

// Plus adds others.
func (h *Held) Plus(others Held) {
	h.PerHour += others.PerHour
	h.Priced += others.Priced
	h.Unpriced += others.Unpriced
}

// PerUnit is what one of the units that have a price costs an hour, on the average. It reports false if none has.
func (h *Held) PerUnit() (perHour float64, ok bool) {
	if h.Priced == 0 {
		return 0, false
	}
	return h.PerHour / float64(h.Priced), true
}

// decimals is how many digits an amount has after its point, at most.
const decimals = 6

// Decimal writes an amount, which is not below 0, as a decimal number without an exponent: exact to a millionth, without zeros at the end.
func Decimal(amount float64) string {
	text := strconv.FormatFloat(amount, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
