// Command dashboard writes the Grafana dashboard of the project: panels.go says what is on it, and this is the form that Grafana wants.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		_, _ = fmt.Fprintln(os.Stderr, "dashboard: name the file to write")
		os.Exit(2)
	}
	data, err := Dashboard()
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o600)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "dashboard: "+err.Error())
		os.Exit(1)
	}
}

// Grafana's grid is 24 columns wide.
const (
	gridWidth  = 24
	panelWidth = gridWidth / 2
	statWidth  = gridWidth / 4
	height     = 8
	statHeight = 4
)

type object = map[string]any

// Dashboard is the dashboard as Grafana imports it.
func Dashboard() ([]byte, error) {
	g := grid{}
	for _, row := range rows() {
		g.addRow(row)
	}
	dashboard := object{
		"uid": "headroom", "title": "Headroom", "tags": []string{"headroom", "kubernetes"}, "schemaVersion": 39, "editable": true,
		"description": "What headroom there is, who takes it, how fast it comes back, and whether scheduler and controller are well.",
		"time":        object{"from": "now-6h", "to": "now"}, "refresh": "30s", "timezone": "browser", "graphTooltip": 1,
		"templating": object{"list": variables()}, "panels": g.panels,
	}
	data, err := json.MarshalIndent(dashboard, "", "  ")
	return append(data, '\n'), err
}

// variables are the selections above the panels.
func variables() []object {
	query := func(name, label, expr string) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": datasource(), "query": object{"query": expr, "refId": name},
			"definition": expr, "refresh": 2, "includeAll": true, "multi": true, "allValue": ".*", "sort": 1,
			"current": object{"text": "All", "value": "$__all"},
		}
	}
	return []object{
		{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
		query("namespace", "Namespace", "label_values(headroom_desired, namespace)"),
		query("headroom", "Headroom", `label_values(headroom_desired{namespace=~"$namespace"}, headroom)`),
		{
			"name": "unit_price", "label": "Price of a unit an hour", "type": "textbox", "query": "0",
			"current": object{"text": "0", "value": "0"}, "options": []object{{"text": "0", "value": "0", "selected": true}},
		},
	}
}

func datasource() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// grid puts panels side by side.
type grid struct {
	panels []object
	x, y   int
	tall   int
}

func (g *grid) addRow(r row) {
	g.newLine()
	g.panels = append(g.panels, object{
		"id": len(g.panels) + 1, "type": "row", "title": r.title, "collapsed": false, "panels": []object{},
		"gridPos": object{"x": 0, "y": g.y, "w": gridWidth, "h": 1},
	})
	g.y++
	for _, p := range r.panels {
		g.add(p)
	}
}

func (g *grid) newLine() {
	g.y += g.tall
	g.x, g.tall = 0, 0
}

func (g *grid) add(p panel) {
	kind, w, h := "timeseries", panelWidth, height
	if p.stat {
		kind, w, h = "stat", statWidth, statHeight
	}
	if g.x+w > gridWidth {
		g.newLine()
	}
	targets := make([]object, 0, len(p.queries))
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "expr": q.expr, "legendFormat": q.legend, "datasource": datasource(),
			"range": !p.stat, "instant": p.stat,
		})
	}
	defaults := object{"unit": p.unit, "min": 0}
	if p.empty != "" {
		defaults["noValue"] = p.empty
	}
	options := object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	if p.stat {
		options = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "none"}
		steps := []object{{"color": cmp.Or(p.under, "green"), "value": nil}, {"color": p.over, "value": p.above}}
		defaults["thresholds"] = object{"mode": "absolute", "steps": steps}
	}
	g.panels = append(g.panels, object{
		"id": len(g.panels) + 1, "type": kind, "title": p.title, "description": p.description, "datasource": datasource(), "targets": targets,
		"gridPos": object{"x": g.x, "y": g.y, "w": w, "h": h}, "fieldConfig": object{"defaults": defaults, "overrides": []object{}},
		"options": options,
	})
	g.x, g.tall = g.x+w, max(g.tall, h)
}
