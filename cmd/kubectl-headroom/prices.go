package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/price"
)

// prices are what the user says that nodes cost. Nothing is asked of any cloud.
type prices struct{ price.Prices }

func (p *prices) addFlags(flags *pflag.FlagSet) {
	flags.Float64Var(&p.Node, "node-price", 0, "what a node costs an hour, in your currency; 0 for not known")
	flags.StringVar(&p.Label, "price-label", "",
		"the label or annotation of nodes that says what they cost an hour; it wins over --node-price")
}

func (p *prices) validate() error {
	switch {
	case !(p.Node >= 0): // not a number is neither
		return errors.New("--node-price is not below 0")
	case !price.IsPrice(p.Node):
		return fmt.Errorf("--node-price is at most %.0f", price.Max)
	}
	return nil
}

// look returns the nodes of which the price is known, and otherwise why there are none. Without a price nothing is looked at.
func (p *prices) look(ctx context.Context, reader *reader) (known []price.Node, notSeen []string, err error) {
	if !p.Any() {
		return nil, nil, nil
	}
	var nodes corev1.NodeList
	switch err := reader.list(ctx, &nodes, "nodes", ""); {
	case lacking(err):
		return nil, []string{"costs are not shown: " + err.Error()}, nil
	case err != nil:
		return nil, nil, err
	}
	known = p.of(nodes.Items)
	switch without := len(nodes.Items) - len(known); {
	case len(known) == 0:
		notSeen = []string{fmt.Sprintf("costs are not shown: no node has the label or annotation %s with a price", p.Label)}
	case without > 0:
		notSeen = []string{fmt.Sprintf("costs leave out %d of %d nodes, which have no price in the label or annotation %s", without,
			len(nodes.Items), p.Label)}
	}
	return known, notSeen, nil
}

// of are the nodes of which the price is known.
func (p *prices) of(nodes []corev1.Node) []price.Node {
	var known []price.Node
	for i := range nodes {
		if perHour := p.Of(&nodes[i]); perHour > 0 {
			known = append(known, price.Node{Allocatable: nodes[i].Status.Allocatable, PerHour: perHour})
		}
	}
	return known
}
