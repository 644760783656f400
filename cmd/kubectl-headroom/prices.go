package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/view/advice"
)

// prices are what the user says that nodes cost. Nothing is asked of any cloud.
type prices struct {
	node  float64
	label string
}

func (p *prices) addFlags(flags *pflag.FlagSet) {
	flags.Float64Var(&p.node, "node-price", 0, "what a node costs an hour, in your currency; 0 for not known")
	flags.StringVar(&p.label, "price-label", "",
		"the label or annotation of nodes that says what they cost an hour; it wins over --node-price")
}

func (p *prices) validate() error {
	if !(p.node >= 0) { // not a number is neither
		return errors.New("--node-price is not below 0")
	}
	return nil
}

// look returns the nodes of which the price is known, and otherwise why there are none. Without a price nothing is looked at.
func (p *prices) look(ctx context.Context, reader *reader) (known []advice.PricedNode, notSeen []string, err error) {
	if p.node == 0 && p.label == "" {
		return nil, nil, nil
	}
	var nodes corev1.NodeList
	switch err := reader.list(ctx, &nodes, "nodes", ""); {
	case lacking(err):
		return nil, []string{"costs are not shown: " + err.Error()}, nil
	case err != nil:
		return nil, nil, err
	}
	if known = p.of(nodes.Items); len(known) == 0 {
		notSeen = []string{fmt.Sprintf("costs are not shown: no node has the label or annotation %s with a price", p.label)}
	}
	return known, notSeen, nil
}

// of are the nodes of which the price is known.
func (p *prices) of(nodes []corev1.Node) []advice.PricedNode {
	var known []advice.PricedNode
	for i := range nodes {
		price := p.node
		if text, ok := labelOf(&nodes[i], p.label); ok {
			if said, err := strconv.ParseFloat(text, 64); err == nil && said >= 0 {
				price = said
			}
		}
		if price > 0 {
			known = append(known, advice.PricedNode{Allocatable: nodes[i].Status.Allocatable, Price: price})
		}
	}
	return known
}

// labelOf is the value of a label, or of an annotation.
func labelOf(node *corev1.Node, key string) (value string, ok bool) {
	if value, ok = node.Labels[key]; ok {
		return value, true
	}
	value, ok = node.Annotations[key]
	return value, ok
}
