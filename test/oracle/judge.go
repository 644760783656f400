package oracle

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// judgeName is the name of the profile that judges; no pod asks for it.
const judgeName = "judge"

// scheduling is a Judge that asks Kubernetes' own plugins, over the snapshot of a scheduling cycle.
type scheduling struct {
	ctx   context.Context
	fw    framework.Framework
	nodes map[string]fwk.NodeInfo
	pod   *corev1.Pod
}

func newJudge(ctx context.Context, fw framework.Framework, snapshot *internalcache.Snapshot, pod *corev1.Pod) *scheduling {
	judge := &scheduling{ctx: ctx, fw: fw, nodes: map[string]fwk.NodeInfo{}, pod: pod}
	all, err := snapshot.NodeInfos().List()
	if err != nil {
		panic(err) //nolint:forbidigo // the lister of a snapshot returns no error
	}
	for _, info := range all {
		judge.nodes[info.Node().Name] = info
	}
	return judge
}

// Accepts runs the PreFilter and Filter plugins.
func (j *scheduling) Accepts(node string) bool {
	state := framework.NewCycleState()
	only, status, _ := j.fw.RunPreFilterPlugins(j.ctx, state, j.pod)
	if !status.IsSuccess() || (!only.AllNodes() && !only.NodeNames.Has(node)) {
		return false
	}
	return j.fw.RunFilterPlugins(j.ctx, state, j.pod, j.nodes[node]).IsSuccess()
}

// AcceptsWithout runs them as a dry run of preemption does.
func (j *scheduling) AcceptsWithout(node string, gone []string) bool {
	state := framework.NewCycleState()
	only, status, _ := j.fw.RunPreFilterPlugins(j.ctx, state, j.pod)
	if !status.IsSuccess() || (!only.AllNodes() && !only.NodeNames.Has(node)) {
		return false
	}
	info := j.nodes[node].Snapshot()
	for _, pod := range j.nodes[node].GetPods() {
		if !slices.Contains(gone, pod.GetPod().Name) {
			continue
		}
		if err := info.RemovePod(klog.FromContext(j.ctx), pod.GetPod()); err != nil {
			return false
		}
		if !j.fw.RunPreFilterExtensionRemovePod(j.ctx, state, j.pod, pod, info).IsSuccess() {
			return false
		}
	}
	return j.fw.RunFilterPlugins(j.ctx, state, j.pod, info).IsSuccess()
}

// Scores runs the PreScore and Score plugins.
func (j *scheduling) Scores(nodes []string) map[string]int64 {
	state := framework.NewCycleState()
	scores := map[string]int64{}
	if _, status, _ := j.fw.RunPreFilterPlugins(j.ctx, state, j.pod); !status.IsSuccess() {
		return scores
	}
	var feasible []fwk.NodeInfo
	for _, node := range nodes {
		feasible = append(feasible, j.nodes[node])
	}
	if status := j.fw.RunPreScorePlugins(j.ctx, state, j.pod, feasible); !status.IsSuccess() {
		return scores
	}
	all, status := j.fw.RunScorePlugins(j.ctx, state, j.pod, feasible)
	if !status.IsSuccess() {
		return scores
	}
	for _, node := range all {
		scores[node.Name] = node.TotalScore
	}
	return scores
}

// judgeProfile is the profile without the Headroom plugin and without the Filter for resources: what is left is what the oracle asks
// Kubernetes about. It scores as the profile does.
func judgeProfile(of config.KubeSchedulerProfile) config.KubeSchedulerProfile {
	judge := *of.DeepCopy()
	judge.SchedulerName = judgeName
	for _, set := range pluginSets(judge.Plugins) {
		set.Enabled = slices.DeleteFunc(set.Enabled, func(p config.Plugin) bool { return p.Name == pluginName })
	}
	judge.PluginConfig = slices.DeleteFunc(judge.PluginConfig, func(c config.PluginConfig) bool { return c.Name == pluginName })
	judge.Plugins.Filter.Enabled = slices.DeleteFunc(judge.Plugins.Filter.Enabled, func(p config.Plugin) bool {
		return p.Name == names.NodeResourcesFit
	})
	judge.Plugins.Filter.Disabled = append(judge.Plugins.Filter.Disabled, config.Plugin{Name: names.NodeResourcesFit})
	return judge
}

// pluginName is the name of the plugin under test, spelt out: the oracle shares nothing with it.
const pluginName = "Headroom"

// pluginSets are the places where a profile can name a plugin.
func pluginSets(p *config.Plugins) []*config.PluginSet {
	return []*config.PluginSet{
		&p.PreEnqueue, &p.QueueSort, &p.PreFilter, &p.Filter, &p.PostFilter, &p.PreScore, &p.Score, &p.Reserve, &p.Permit, &p.PreBind, &p.Bind,
		&p.PostBind, &p.MultiPoint,
	}
}

// withoutOtherScores returns the profile with only the Score plugins named here and no other.
func withoutOtherScores(profile config.KubeSchedulerProfile, keep ...string) config.KubeSchedulerProfile {
	p := *profile.DeepCopy()
	p.Plugins.Score.Enabled = slices.DeleteFunc(p.Plugins.Score.Enabled, func(s config.Plugin) bool { return !slices.Contains(keep, s.Name) })
	p.Plugins.Score.Disabled = []config.Plugin{{Name: "*"}}
	return p
}
