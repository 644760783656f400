package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCommittedDashboardIsTheGeneratedOne(t *testing.T) {
	generated, err := Dashboard()
	require.NoError(t, err)
	for _, path := range []string{"controller/components/dashboard/headroom.json", "charts/headroom/files/dashboard.json"} {
		committed, err := os.ReadFile(filepath.Join("..", "..", "manifests", path))
		require.NoError(t, err)
		require.Equal(t, string(generated), string(committed), "make update writes it")
	}
}

// The page about metrics is held against the binaries by other tests.
func TestTheDashboardAsksForMetricsThatAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "metrics.md"))
	require.NoError(t, err)
	generated, err := Dashboard()
	require.NoError(t, err)
	names := regexp.MustCompile(`headroom_[a-z_]+`).FindAllString(string(generated), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, string(page), "| `"+strings.TrimSuffix(name, "_bucket")+"` |")
	}
}

// Of a panel that may be empty, a reader has to know whether that is right.
func TestPanelsSayWhyTheyAreEmptyIfTheirMetricsMayBeAbsent(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "metrics.md"))
	require.NoError(t, err)
	absent := map[string]bool{}
	for _, line := range regexp.MustCompile("(?m)^\\| `(headroom_[a-z_]+)` \\|.*$").FindAllStringSubmatch(string(page), -1) {
		absent[line[1]] = strings.Contains(strings.ToLower(line[0]), "absent ")
	}
	looked := 0
	for _, row := range rows() {
		for _, p := range row.panels {
			for _, q := range p.queries {
				first := regexp.MustCompile(`headroom_[a-z_]+`).FindString(q.expr)
				if absent[first] || strings.HasSuffix(q.expr, "> 0") {
					looked++
					require.NotEmpty(t, p.empty, p.title)
				}
			}
		}
	}
	require.NotZero(t, looked)
}

func TestPanelsLieBesideEachOtherOnTheGrid(t *testing.T) {
	generated, err := Dashboard()
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			ID          int
			Title       string
			Type        string
			Description string
			Targets     []struct{ Expr string }
			GridPos     struct{ X, Y, W, H int }
		}
	}
	require.NoError(t, json.Unmarshal(generated, &dashboard))
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range dashboard.Panels {
		require.False(t, ids[p.ID], "the ID of %s is another's", p.Title)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, gridWidth, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over it", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" {
			require.NotEmpty(t, p.Description, p.Title)
			require.NotEmpty(t, p.Targets, p.Title)
		}
	}
}
