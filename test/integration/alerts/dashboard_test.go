package alerts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
)

// The labels of a Headroom, and one of its domains.
const (
	web   = `namespace="default",headroom="web"`
	webIn = web + `,domain=`
)

// TestQueriesOfTheDashboard has promtool evaluate queries of the dashboard that are more than a sum, three minutes after the series began.
func TestQueriesOfTheDashboard(t *testing.T) {
	none := map[string]float64{}
	for name, tc := range map[string]struct {
		panel  string
		query  int
		price  string // that is typed in
		series map[string]string
		want   map[string]float64
	}{
		"a zone that has no unit any more is at 0": {
			panel: "Held in each zone",
			series: map[string]string{
				"headroom_desired{" + web + "}":                             "3x3",
				"headroom_domain_ready_placeholders{" + webIn + `"zone-a"}`: "2x3",
				"headroom_domain_ready_placeholders{" + webIn + `"zone-b"}`: "1 1 stale",
			},
			want: map[string]float64{"{" + webIn + `"zone-a"}`: 2, "{" + webIn + `"zone-b"}`: 0},
		},
		"a Headroom that is gone is in no zone": {
			panel: "Held in each zone",
			series: map[string]string{
				"headroom_desired{" + web + "}":                             "3 3 stale",
				"headroom_domain_ready_placeholders{" + webIn + `"zone-a"}`: "2 2 stale",
			},
			want: none,
		},
		"the cost is not 0 if nobody said what a unit costs": {
			panel:  "Cost a month, an estimate",
			series: map[string]string{"headroom_placeholders{" + web + `,state="bound"}`: "2x3"},
			want:   none,
		},
		"the cost is by what was typed in": {
			panel: "Cost a month, an estimate", price: "0.5",
			series: map[string]string{
				"headroom_placeholders{" + web + `,state="bound"}`:       "2x3",
				"headroom_placeholders{" + web + `,state="unavailable"}`: "1x3",
				"headroom_placeholders{" + web + `,state="pending"}`:     "8x3",
			},
			want: map[string]float64{"{}": 3 * 0.5 * 730},
		},
		"the prices of nodes go before what was typed in": {
			panel: "Cost a month, an estimate", price: "0.5",
			series: map[string]string{
				"headroom_placeholders{" + web + `,state="bound"}`: "2x3",
				"headroom_held_hourly_cost{" + web + "}":           "4x3",
			},
			want: map[string]float64{"{}": 4 * 730},
		},
		"what was not needed is a part of the month": {
			panel: "Cost a month, an estimate", query: 1,
			series: map[string]string{"headroom_unused_weekly_cost{" + web + "}": "168x3"},
			want:   map[string]float64{"{}": 730},
		},
	} {
		t.Run(name, func(t *testing.T) {
			price := tc.price
			if price == "" {
				price = "0"
			}
			variables := strings.NewReplacer("$namespace", ".*", "$headroom", ".*", "$unit_price", price)
			evaluate(t, variables.Replace(queryOf(t, tc.panel, tc.query)), tc.series, tc.want)
		})
	}
}

// evaluate fails the test unless an expression has such a result over such series, a sample a minute.
func evaluate(t *testing.T, expr string, series map[string]string, want map[string]float64) {
	t.Helper()
	input, samples := []any{}, []any{}
	for name, values := range series {
		input = append(input, map[string]any{"series": name, "values": values})
	}
	for labels, value := range want {
		samples = append(samples, map[string]any{"labels": labels, "value": value})
	}
	data, err := yaml.Marshal(map[string]any{"tests": []any{map[string]any{
		"interval": "1m", "input_series": input,
		"promql_expr_test": []any{map[string]any{"expr": expr, "eval_time": "3m", "exp_samples": samples}},
	}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dashboard.test.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	promtool, err := tools.Binary("promtool")
	require.NoError(t, err)
	output, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// queryOf returns a query of a panel of the dashboard that is shipped.
func queryOf(t *testing.T, panel string, query int) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(root, "manifests", "controller", "components", "dashboard", "headroom.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(data, &dashboard))
	for _, p := range dashboard.Panels {
		if p.Title == panel {
			require.Greater(t, len(p.Targets), query)
			return p.Targets[query].Expr
		}
	}
	require.Fail(t, "there is no such panel", panel)
	return ""
}
