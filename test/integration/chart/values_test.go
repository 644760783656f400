package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongValuesAreRefusedByTheNameOfTheField(t *testing.T) {
	for name, tt := range map[string]struct {
		set  []string
		want []string
	}{
		"a field that does not exist":                  {[]string{"replicas=3"}, []string{"replicas"}},
		"a typo below the controller":                  {[]string{"controller.replica=3"}, []string{"/controller", "replica"}},
		"a typo in the image":                          {[]string{"scheduler.image.repo=x"}, []string{"/scheduler/image", "repo"}},
		"a number that is none":                        {[]string{"controller.replicas=two"}, []string{"/controller/replicas"}},
		"a switch that is neither on nor off":          {[]string{"scheduler.enabled=maybe"}, []string{"/scheduler/enabled"}},
		"a negative number of replicas":                {[]string{"scheduler.replicas=-1"}, []string{"/scheduler/replicas"}},
		"replicas that would all work at once":         {[]string{"controller.leaderElection=false"}, []string{"/controller/replicas"}},
		"a scope that does not exist":                  {[]string{"rbac.scope=Role"}, []string{"/rbac/scope"}},
		"a scope without its namespaces":               {[]string{"rbac.scope=Namespaced"}, []string{"/rbac/namespaces"}},
		"namespaces without the scope":                 {[]string{"rbac.namespaces={shop}"}, []string{"/rbac/namespaces"}},
		"a namespace that no namespace can be called":  {[]string{"rbac.scope=Namespaced", "rbac.namespaces={Shop}"}, []string{"/rbac/namespaces/0"}},
		"a PriorityClass without a value":              {[]string{"priorityClasses[0].name=low", "priorityClasses[0].value=null"}, []string{"/priorityClasses/0", "value"}},
		"a policy that does not exist":                 {[]string{"image.pullPolicy=Sometimes"}, []string{"/image/pullPolicy"}},
		"a digest that is none":                        {[]string{"controller.image.digest=latest"}, []string{"/controller/image/digest"}},
		"a pull secret without its name":               {[]string{"image.pullSecrets={registry}"}, []string{"/image/pullSecrets/0"}},
		"a flag without its dashes":                    {[]string{"controller.extraArgs={concurrent-reconciles=8}"}, []string{"/controller/extraArgs/0"}},
		"resources at the wrong level":                 {[]string{"controller.resources.cpu=1"}, []string{"/controller/resources", "cpu"}},
		"a quantity that is none":                      {[]string{"scheduler.resources.limits.memory=much"}, []string{"/scheduler/resources/limits/memory"}},
		"a budget that lets nothing go":                {[]string{"scheduler.podDisruptionBudget.maxUnavailable=0"}, []string{"/scheduler/podDisruptionBudget/maxUnavailable"}},
		"the cluster's own scheduler as the second":    {[]string{"scheduler.name=default-scheduler"}, []string{"/scheduler/name"}},
		"an argument of the plugin that doesn't exist": {[]string{"scheduler.args.victimWait=3"}, []string{"/scheduler/args", "victimWait"}},
		"an argument of the plugin out of bounds":      {[]string{"scheduler.args.victimWaitSeconds=601"}, []string{"/scheduler/args/victimWaitSeconds"}},
		"a rule that does not exist":                   {[]string{"scheduler.args.nodeRules[0].name=Oldest"}, []string{"/scheduler/args/nodeRules/0/name"}},
		"the plugin's arguments in the wrong place":    {[]string{"scheduler.pluginConfig[0].name=Headroom"}, []string{"/scheduler/pluginConfig/0"}},
		"a reader without a namespace":                 {[]string{"metrics.readers[0].name=prometheus"}, []string{"/metrics/readers/0", "namespace"}},
		"an interval without a unit":                   {[]string{"metrics.serviceMonitor.interval=30"}, []string{"/metrics/serviceMonitor/interval"}},
		"a version that is none":                       {[]string{"scheduler.emulatedVersion=v1.36"}, []string{"/scheduler/emulatedVersion"}},
		"a label that selects the pods":                {[]string{`controller.podLabels.app\.kubernetes\.io/name=x`}, []string{"app.kubernetes.io/name"}},
		"a quantity with two points":                   {[]string{"scheduler.resources.limits.memory=1.2.3"}, []string{"/scheduler/resources/limits/memory"}},
		"bounds of priorities that exclude each other": {[]string{"controller.placeholders.minPriority=0"}, []string{"controller.placeholders.minPriority", "maxPriority"}},
		"an image with an asterisk in its midst":       {[]string{"controller.placeholders.allowedImages={a.example*}"}, []string{"/controller/placeholders/allowedImages/0"}},
		"placeholders without Pod Security":            {[]string{"controller.placeholders.podSecurityLevel=privileged"}, []string{"/controller/placeholders/podSecurityLevel"}},
		"fewer than no units":                          {[]string{"controller.units.maxPending=-1"}, []string{"/controller/units/maxPending"}},
		"a port that is none":                          {[]string{"networkPolicy.apiServerPorts={https}"}, []string{"/networkPolicy/apiServerPorts/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"template", "headroom", chartDir(t)}
			for _, value := range tt.set {
				args = append(args, "--set", value)
			}
			_, err := tool(t, "", "helm", args...)
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
