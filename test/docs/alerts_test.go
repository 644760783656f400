package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// runbook is the page that alerts lead to.
const runbook = "docs/how-to/alerts.md"

// alert is what is read of a rule of a PrometheusRule.
type alert struct {
	Alert       string            `json:"alert"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// shipped are the alerts of both components.
func shipped(t *testing.T) []alert {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "manifests/*/components/monitoring/alerts.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	var alerts []alert
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var rule struct {
			Spec struct {
				Groups []struct {
					Rules []alert `json:"rules"`
				} `json:"groups"`
			} `json:"spec"`
		}
		require.NoError(t, yaml.Unmarshal(data, &rule))
		for _, group := range rule.Spec.Groups {
			alerts = append(alerts, group.Rules...)
		}
	}
	return alerts
}

// sections are the lines of the sections of a page, by their headings.
func sections(p Page) map[string]string {
	texts, name := map[string]string{}, ""
	for _, line := range p.Lines {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			name = heading
		}
		texts[name] += line + "\n"
	}
	return texts
}

// An alert leads to the page of the version that it was shipped with: hack/release.sh puts the version of a release in the place of this one.
func TestEveryAlertLeadsToItsSectionOfTheRunbook(t *testing.T) {
	pages := repositoryPages(t)
	i := slices.IndexFunc(pages, func(p Page) bool { return p.Path == runbook })
	require.GreaterOrEqual(t, i, 0)
	chart, err := os.ReadFile(filepath.Join(root, "manifests/charts/headroom/Chart.yaml"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^appVersion: (\S+)$`).FindStringSubmatch(string(chart))
	require.Len(t, version, 2)
	texts := sections(pages[i])
	alerts := shipped(t)
	for _, a := range alerts {
		url := "https://github.com/headroom-dev/headroom/blob/" + version[1] + "/" + runbook + "#" + Anchor(a.Alert)
		require.Equal(t, url, a.Annotations["runbook_url"], a.Alert)
		text := texts[a.Alert]
		require.NotEmpty(t, text, "%s has no section %s", runbook, a.Alert)
		require.Contains(t, text, "Severity `"+a.Labels["severity"]+"`, after "+duration(a.For)+".", a.Alert)
		require.Contains(t, text, "**Do", "the section %s says what to do", a.Alert)
	}
	named := func(name string) bool {
		return slices.ContainsFunc(alerts, func(a alert) bool { return a.Alert == name })
	}
	for name := range texts {
		require.True(t, name == "" || named(name), "%s has a section for %s, which is no alert", runbook, name)
	}
}

// duration puts a duration of Prometheus into words.
func duration(d string) string {
	switch {
	case d == "1h":
		return "an hour"
	case strings.HasSuffix(d, "m"):
		return strings.TrimSuffix(d, "m") + " minutes"
	}
	return d
}
