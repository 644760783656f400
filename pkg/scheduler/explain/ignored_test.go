package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
)

func TestWhichResourcesTheSchedulerLeavesToSomebodyElse(t *testing.T) {
	managed := func(name string, ignored bool) schedulerconfig.Extender {
		return schedulerconfig.Extender{ManagedResources: []schedulerconfig.ExtenderManagedResource{{Name: name, IgnoredByScheduler: ignored}}}
	}
	fit := []schedulerconfig.PluginConfig{
		{Name: "NodeAffinity", Args: &schedulerconfig.NodeAffinityArgs{}},
		{Name: "NodeResourcesFit", Args: &schedulerconfig.NodeResourcesFitArgs{IgnoredResources: []string{"example.com/argument"}}},
	}
	for name, tc := range map[string]struct {
		extenders []schedulerconfig.Extender
		config    []schedulerconfig.PluginConfig
		want      []string
	}{
		"none":                          {},
		"those of the arguments":        {config: fit, want: []string{"example.com/argument"}},
		"those that extenders manage":   {extenders: []schedulerconfig.Extender{managed("example.com/a", true), managed("example.com/b", true)}, want: []string{"example.com/a", "example.com/b"}},
		"and then none of the argument": {extenders: []schedulerconfig.Extender{managed("example.com/a", true)}, config: fit, want: []string{"example.com/a"}},
		"but for those that the scheduler counts, too": {
			extenders: []schedulerconfig.Extender{managed("example.com/a", false)}, config: fit, want: []string{"example.com/argument"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := ignoredResources(&schedulerconfig.KubeSchedulerConfiguration{Extenders: tc.extenders},
				&schedulerconfig.KubeSchedulerProfile{PluginConfig: tc.config})
			require.Equal(t, tc.want, got)
		})
	}
}
