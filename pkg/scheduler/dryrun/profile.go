package dryrun

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkplugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins"
)

// Profile is what dry runs need to know of the scheduler's profile. Its methods may be called concurrently.
type Profile struct {
	handle framework.Framework
	// plugin is the name of the plugin that makes dry runs from its PreFilter.
	plugin string

	once              sync.Once
	inTreeOnly        bool
	preFilterReusable bool
	// filters and scorers are the names of the Filter and Score plugins.
	filters, scorers sets.Set[string]
}

// NewProfile returns the profile of a framework, for dry runs that the named plugin makes from its PreFilter.
func NewProfile(handle framework.Framework, plugin string) *Profile {
	return &Profile{handle: handle, plugin: plugin}
}

// InTreeOnly reports whether the profile has no plugins but kube-scheduler's own and the one that makes dry runs where
// they say something of a node, and the scheduler no extenders.
func (p *Profile) InTreeOnly() bool {
	p.inspect()
	return p.inTreeOnly
}

// PreFilterReusable reports whether the plugins whose PreFilter counts pods have run when the plugin's own PreFilter
// runs, and no other plugin could miss what withoutConstraints takes from a pod. Dry runs then copy what was counted.
func (p *Profile) PreFilterReusable() bool {
	p.inspect()
	return p.preFilterReusable
}

// inspect looks at the profile once. Only the first pod finds all its plugins there, so that NewProfile cannot.
func (p *Profile) inspect() {
	p.once.Do(func() {
		plugins := p.handle.ListPlugins()
		p.inTreeOnly = len(p.handle.Extenders()) == 0 && inTree(p.plugin, slices.Concat(
			plugins.PreFilter.Enabled, plugins.Filter.Enabled, plugins.PreScore.Enabled, plugins.Score.Enabled))
		p.preFilterReusable = p.inTreeOnly && runsAfter(plugins.PreFilter.Enabled, p.plugin, countingPlugins)
		p.filters, p.scorers = namesOf(plugins.Filter.Enabled), namesOf(plugins.Score.Enabled)
	})
}

func namesOf(plugins []schedulerconfig.Plugin) sets.Set[string] {
	names := sets.New[string]()
	for _, plugin := range plugins {
		names.Insert(plugin.Name)
	}
	return names
}

// inTree reports whether some plugins are all kube-scheduler's own, or the named one.
func inTree(name string, plugins []schedulerconfig.Plugin) bool {
	registry := frameworkplugins.NewInTreeRegistry()
	return !slices.ContainsFunc(plugins, func(plugin schedulerconfig.Plugin) bool {
		_, known := registry[plugin.Name]
		return !known && plugin.Name != name
	})
}

// runsAfter reports whether a plugin comes after all of some others that are enabled.
func runsAfter(enabled []schedulerconfig.Plugin, name string, others []string) bool {
	own := slices.IndexFunc(enabled, func(p schedulerconfig.Plugin) bool { return p.Name == name })
	return own >= 0 && !slices.ContainsFunc(enabled[own:], func(p schedulerconfig.Plugin) bool { return slices.Contains(others, p.Name) })
}
