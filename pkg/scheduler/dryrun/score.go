package dryrun

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// Score returns the weighted sum of the profile's Score plugins for each node, over just these nodes.
func (r *Run) Score(ctx context.Context, nodes []fwk.NodeInfo) ([]int64, error) {
	if err := r.PreScore(ctx, nodes); err != nil {
		return nil, err
	}
	scored, status := r.profile.handle.RunScorePlugins(ctx, r.state, r.pod, nodes)
	if !status.IsSuccess() {
		return nil, status.AsError()
	}
	scores := make([]int64, len(nodes))
	for i := range scored {
		scores[i] = scored[i].TotalScore
	}
	return scores, nil
}

// PreScore runs the PreScore plugins, which RawScores, CrossNodeScores and Normalize need.
func (r *Run) PreScore(ctx context.Context, nodes []fwk.NodeInfo) error {
	return r.profile.handle.RunPreScorePlugins(ctx, r.state, r.pod, nodes).AsError()
}

// RawScores returns what the Score plugins that read nothing but the node say of each node, before that is normalized.
func (r *Run) RawScores(ctx context.Context, nodes []fwk.NodeInfo) ([][]fwk.PluginScore, error) {
	local, _ := r.splitScores()
	errs := make([]error, len(nodes))
	scores := make([][]fwk.PluginScore, len(nodes))
	ask := func(j int) {
		raw, status := r.profile.handle.RunRawScorePlugins(ctx, local, r.pod, nodes[j])
		if !status.IsSuccess() {
			errs[j] = status.AsError()
			return
		}
		scores[j] = raw
	}
	if len(nodes) <= Sequential {
		for j := range nodes {
			ask(j)
		}
	} else {
		r.forEach(ctx, len(nodes), ask)
	}
	return scores, errors.Join(append(errs, ctx.Err())...)
}

// CrossNodeScores returns what the other Score plugins, for a pod without affinity to pods of its own, say of each
// node, normalized and raw; nil if there are none.
func (r *Run) CrossNodeScores(ctx context.Context, nodes []fwk.NodeInfo) ([]fwk.NodePluginScores, error) {
	_, crossNode := r.splitScores()
	if crossNode == nil {
		return nil, nil
	}
	scored, status := r.profile.handle.RunScorePlugins(ctx, crossNode, r.pod, nodes)
	if !status.IsSuccess() {
		return nil, status.AsError()
	}
	return scored, nil
}

// Normalize fills in the weighted sums of raw scores.
func (r *Run) Normalize(ctx context.Context, scored []fwk.NodePluginScores) error {
	return r.profile.handle.NormalizeScores(ctx, r.state, r.pod, scored).AsError()
}

// splitScores divides the Score plugins, whose PreScore has run, for a pod without affinity of its own: into those that
// read nothing but the node, and PodTopologySpread. The latter is nil if that has nothing to say.
func (r *Run) splitScores() (nodeLocal, crossNode fwk.CycleState) {
	skipped, scorers := r.state.GetSkipScorePlugins(), r.profile.scorers
	if skipped.Has(podtopologyspread.Name) || !scorers.Has(podtopologyspread.Name) {
		return r.state, nil
	}
	crossing := sets.New(podtopologyspread.Name)
	nodeLocal = &skipState{CycleState: r.state, skipped: skipped.Union(crossing)}
	crossNode = &skipState{CycleState: r.state, skipped: scorers.Difference(crossing)}
	return nodeLocal, crossNode
}
