package headroom

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
)

// facts are what the plugin needs to know of the profile that it is in.
type facts struct {
	// known says that the profile has no plugins but kube-scheduler's own where they say something of a node, and the scheduler no
	// extenders.
	known bool
	// counted says that the counting plugins have run when the plugin's own PreFilter runs, and that no other plugin could miss what
	// uncounted takes from a pod.
	counted bool
	// filters and scorers are the names of the Filter and Score plugins.
	filters, scorers sets.Set[string]
}

// learn looks at the profile. Only the first pod finds all its plugins there, so that New cannot.
func (p *Plugin) learn() *facts {
	p.learnOnce.Do(func() {
		plugins := p.handle.ListPlugins()
		p.facts.known = len(p.handle.Extenders()) == 0 && ownOnly(slices.Concat(
			plugins.PreFilter.Enabled, plugins.Filter.Enabled, plugins.PreScore.Enabled, plugins.Score.Enabled))
		p.facts.counted = p.facts.known && runsAfter(plugins.PreFilter.Enabled, Name, counting)
		p.facts.filters, p.facts.scorers = namesOf(plugins.Filter.Enabled), namesOf(plugins.Score.Enabled)
	})
	return &p.facts
}

func namesOf(plugins []schedulerconfig.Plugin) sets.Set[string] {
	names := sets.New[string]()
	for _, plugin := range plugins {
		names.Insert(plugin.Name)
	}
	return names
}

// ownOnly reports whether some plugins are all kube-scheduler's own, or this one.
func ownOnly(plugins []schedulerconfig.Plugin) bool {
	own := frameworkplugins.NewInTreeRegistry()
	return !slices.ContainsFunc(plugins, func(plugin schedulerconfig.Plugin) bool {
		_, known := own[plugin.Name]
		return !known && plugin.Name != Name
	})
}

// runsAfter reports whether a plugin comes after all of some others that are enabled.
func runsAfter(enabled []schedulerconfig.Plugin, name string, others []string) bool {
	own := slices.IndexFunc(enabled, func(p schedulerconfig.Plugin) bool { return p.Name == name })
	return own >= 0 && !slices.ContainsFunc(enabled[own:], func(p schedulerconfig.Plugin) bool { return slices.Contains(others, p.Name) })
}
