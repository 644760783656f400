package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
)

// rules is what the tests read of a PrometheusRule, and of promtool's files of rules.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert string `json:"alert"`
		} `json:"rules"`
	} `json:"groups"`
}

// cases is what they read of promtool's files of tests.
type cases struct {
	Tests []struct {
		AlertRuleTest []struct {
			AlertName string           `json:"alertname"`
			ExpAlerts []map[string]any `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

// TestAlerts has promtool evaluate the alerts that are shipped. testdata has the tests, in its format.
func TestAlerts(t *testing.T) {
	for _, component := range []string{"controller", "scheduler"} {
		t.Run(component, func(t *testing.T) {
			dir := t.TempDir()
			shipped := rulesOf(t, component)
			require.NoError(t, os.WriteFile(filepath.Join(dir, component+".rules.yaml"), shipped, 0o600))
			tests, err := os.ReadFile(filepath.Join("testdata", component+".test.yaml"))
			require.NoError(t, err)
			file := filepath.Join(dir, component+".test.yaml")
			require.NoError(t, os.WriteFile(file, tests, 0o600))
			requireEachAlertTested(t, shipped, tests)

			tools, err := cluster.FindTools()
			require.NoError(t, err)
			promtool, err := tools.Binary("promtool")
			require.NoError(t, err)
			output, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
			require.NoError(t, err, "%s", output)
		})
	}
}

// rulesOf returns the spec of the PrometheusRule of a component, which is a file of rules.
func rulesOf(t *testing.T, component string) []byte {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(root, "manifests", component, "components", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	var rule struct {
		Spec map[string]any `json:"spec"`
	}
	require.NoError(t, yaml.Unmarshal(data, &rule))
	spec, err := yaml.Marshal(rule.Spec)
	require.NoError(t, err)
	return spec
}

// requireEachAlertTested fails the test unless each alert is seen to fire and not to fire.
func requireEachAlertTested(t *testing.T, shipped, tests []byte) {
	t.Helper()
	var all rules
	require.NoError(t, yaml.Unmarshal(shipped, &all))
	var asked cases
	require.NoError(t, yaml.Unmarshal(tests, &asked))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range asked.Tests {
		for _, c := range test.AlertRuleTest {
			if len(c.ExpAlerts) > 0 {
				fires[c.AlertName] = true
			} else {
				silent[c.AlertName] = true
			}
		}
	}
	for _, group := range all.Groups {
		for _, rule := range group.Rules {
			require.True(t, fires[rule.Alert], "a test in which %s fires", rule.Alert)
			require.True(t, silent[rule.Alert], "a test in which %s does not fire", rule.Alert)
		}
	}
}
