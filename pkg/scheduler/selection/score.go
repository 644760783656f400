package selection

import (
	"context"
	"slices"

	fwk "k8s.io/kube-scheduler/framework"
)

// score runs the profile's Score plugins over just these nodes, and puts the weighted sums into the evidence about them. Scores
// that are known from earlier pods of the equivalence class are not asked for again.
func (ch *choice) score(ctx context.Context, nodes []int) error {
	if ch.cache.key == "" || ch.cache.podAffinity {
		return ch.scoreWithoutCache(ctx, nodes)
	}
	var unscored []int
	for _, i := range nodes {
		if ch.cache.nodes[i].raw == 0 {
			unscored = append(unscored, i)
		}
	}
	if !ch.cache.crossNodeScore && len(unscored) == 0 && ch.equallyScored(nodes) {
		return nil
	}
	if !ch.run.Start(ctx) {
		return nil
	}
	infos := ch.infos(nodes)
	if err := ch.run.PreScore(ctx, infos); err != nil {
		return err
	}
	raws, err := ch.run.RawScores(ctx, ch.infos(unscored))
	if err != nil {
		return err
	}
	for j, i := range unscored {
		ch.cache.setRaw(i, raws[j])
	}
	return ch.normalize(ctx, nodes, infos)
}

// normalize makes the weighted sums of the scores that are known now and those of plugins that read more than the node.
// Scores that are the same for all nodes are left out.
func (ch *choice) normalize(ctx context.Context, nodes []int, infos []fwk.NodeInfo) error {
	scored, err := ch.run.CrossNodeScores(ctx, infos)
	if err != nil {
		return err
	}
	if !ch.equallyScored(nodes) {
		scored = ch.withRaw(nodes, scored)
		if err := ch.run.Normalize(ctx, scored); err != nil {
			return err
		}
	}
	for j := range scored {
		ch.candidate(nodes[j]).evidence.Score = scored[j].TotalScore
	}
	return nil
}

// withRaw returns the scores of the nodes that are known, together with those in crossNode, if it has any, before they
// are normalized.
func (ch *choice) withRaw(nodes []int, crossNode []fwk.NodePluginScores) []fwk.NodePluginScores {
	s := &ch.selector.scratch
	s.raw = s.raw[:0]
	scored := make([]fwk.NodePluginScores, len(nodes))
	for j, i := range nodes {
		scored[j] = fwk.NodePluginScores{Name: ch.nodes[i].Name, RawScores: ch.cache.raw(i)}
		if crossNode != nil {
			start := len(s.raw)
			s.raw = append(append(s.raw, ch.cache.raw(i)...), crossNode[j].RawScores...)
			scored[j].RawScores = s.raw[start:]
		}
	}
	return scored
}

// scoreWithoutCache is for pods of whose scores nothing is kept.
func (ch *choice) scoreWithoutCache(ctx context.Context, nodes []int) error {
	if !ch.run.Start(ctx) {
		return nil
	}
	scores, err := ch.run.Score(ctx, ch.infos(nodes))
	for j, score := range scores {
		ch.candidate(nodes[j]).evidence.Score = score
	}
	return err
}

// equallyScored reports whether every plugin scores all nodes alike. Then they are alike after normalization, too.
func (ch *choice) equallyScored(nodes []int) bool {
	first := ch.cache.nodes[nodes[0]].raw
	for _, i := range nodes[1:] {
		if raw := ch.cache.nodes[i].raw; raw != first && !slices.Equal(ch.cache.raws[raw-1], ch.cache.raws[first-1]) {
			return false
		}
	}
	return true
}
