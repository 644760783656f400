package headroom

import (
	"context"
	"errors"
	"slices"

	fwk "k8s.io/kube-scheduler/framework"
)

// score runs the profile's Score plugins over just these nodes, and puts the weighted sums into the evidence about them. Scores
// that are known from earlier pods alike are not asked for again.
func (ch *choice) score(ctx context.Context, nodes []int) error {
	if ch.memo.key == "" || ch.memo.affine {
		return ch.scoreAfresh(ctx, nodes)
	}
	var unscored []int
	for _, i := range nodes {
		if ch.memo.nodes[i].raw == 0 {
			unscored = append(unscored, i)
		}
	}
	if !ch.memo.prefers && len(unscored) == 0 && ch.equallyScored(nodes) {
		return nil
	}
	if !ch.trial.start(ctx) {
		return nil
	}
	t := ch.trial
	infos := ch.infos(nodes)
	if status := t.plugin.handle.RunPreScorePlugins(ctx, t.state, t.pod, infos); !status.IsSuccess() {
		return status.AsError()
	}
	local, beyond := t.splitScores()
	if err := ch.scoreRaw(ctx, local, unscored); err != nil {
		return err
	}
	return ch.normalize(ctx, beyond, nodes, infos)
}

// normalize makes of the scores of the plugins that do not reach beyond a node, which are known now, and of the others', if beyond has
// any, the weighted sums. Scores that are the same for all nodes are left out.
func (ch *choice) normalize(ctx context.Context, beyond fwk.CycleState, nodes []int, infos []fwk.NodeInfo) error {
	t, equally := ch.trial, ch.equallyScored(nodes)
	var scored []fwk.NodePluginScores
	if beyond != nil {
		var status *fwk.Status
		if scored, status = t.plugin.handle.RunScorePlugins(ctx, beyond, t.pod, infos); !status.IsSuccess() {
			return status.AsError()
		}
	}
	if !equally {
		scored = ch.withRaw(nodes, scored)
		if status := t.plugin.handle.NormalizeScores(ctx, t.state, t.pod, scored); !status.IsSuccess() {
			return status.AsError()
		}
	}
	for j := range scored {
		ch.candidate(nodes[j]).evidence.Score = scored[j].TotalScore
	}
	return nil
}

// withRaw returns the scores of the nodes that are known, together with those in beyond, if it has any, before they are normalized.
func (ch *choice) withRaw(nodes []int, beyond []fwk.NodePluginScores) []fwk.NodePluginScores {
	s := &ch.plugin.scratch
	s.raw = s.raw[:0]
	scored := make([]fwk.NodePluginScores, len(nodes))
	for j, i := range nodes {
		scored[j] = fwk.NodePluginScores{Name: ch.nodes[i].Name, RawScores: ch.memo.raw(i)}
		if beyond != nil {
			start := len(s.raw)
			s.raw = append(append(s.raw, ch.memo.raw(i)...), beyond[j].RawScores...)
			scored[j].RawScores = s.raw[start:]
		}
	}
	return scored
}

// scoreAfresh is for pods of whose scores nothing is kept.
func (ch *choice) scoreAfresh(ctx context.Context, nodes []int) error {
	if !ch.trial.start(ctx) {
		return nil
	}
	scores, err := ch.trial.score(ctx, ch.infos(nodes))
	for j, score := range scores {
		ch.candidate(nodes[j]).evidence.Score = score
	}
	return err
}

// scoreRaw asks for the scores that are not known yet.
func (ch *choice) scoreRaw(ctx context.Context, local fwk.CycleState, unscored []int) error {
	t := ch.trial
	errs := make([]error, len(unscored))
	scores := make([][]fwk.PluginScore, len(unscored))
	ask := func(j int) {
		i := unscored[j]
		raw, status := t.plugin.handle.RunRawScorePlugins(ctx, local, t.pod, ch.nodes[i].Info)
		if !status.IsSuccess() {
			errs[j] = status.AsError()
			return
		}
		scores[j] = raw
	}
	if len(unscored) <= sequentially {
		for j := range unscored {
			ask(j)
		}
	} else {
		t.plugin.handle.Parallelizer().Until(ctx, len(unscored), ask, Name)
	}
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	for j, i := range unscored {
		ch.memo.setRaw(i, scores[j])
	}
	return nil
}

// equallyScored reports whether every plugin scores all nodes alike. Then they are alike after normalization, too.
func (ch *choice) equallyScored(nodes []int) bool {
	first := ch.memo.nodes[nodes[0]].raw
	for _, i := range nodes[1:] {
		if raw := ch.memo.nodes[i].raw; raw != first && !slices.Equal(ch.memo.raws[raw-1], ch.memo.raws[first-1]) {
			return false
		}
	}
	return true
}

func (ch *choice) infos(nodes []int) []fwk.NodeInfo {
	infos := make([]fwk.NodeInfo, len(nodes))
	for j, i := range nodes {
		infos[j] = ch.nodes[i].Info
	}
	return infos
}
