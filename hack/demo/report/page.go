package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"

	"github.com/headroom-dev/headroom/hack/demo/scene"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

//go:embed page.html.tmpl
var pageTemplate string

// page is what the template is filled with.
type page struct {
	Title, Setting, Footnote, Version, Elapsed string
	Style                                      template.CSS
	Cards                                      []pageCard
	Curves, Spread, Left                       template.HTML
	Rows                                       []summary.Row
	Columns                                    int
	Grows, Stuck                               bool
}

type pageCard struct {
	Number                         int
	Role                           string
	Heading, Scheduler, Verdict    string
	Median, P99, Worst             string
	FirstAttempt, Pods, NodesAdded int
	Headroom                       bool
	Timeline                       template.HTML
}

// Page is the report as HTML that needs nothing from elsewhere.
func Page(d Demo) ([]byte, error) {
	parsed, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the report's template: %w", err)
	}
	drawing := func(s scene.Scene, label string) template.HTML {
		return template.HTML(s.SVG(label))
	}
	p := page{
		Title: title(d), Setting: setting(d), Footnote: footnote(d), Version: d.Version, Elapsed: summary.Short(d.Elapsed),
		Style:   template.CSS(scene.Style()),
		Curves:  drawing(Curves(d, 1060, 300), "Pods of the burst that run, over time, one line an act."),
		Spread:  drawing(Spread(d, 1060, 78), "Time from created to running of each pod, one row an act."),
		Left:    drawing(Left(d, 1060), "Headroom left by the burst in each zone, one column an act."),
		Columns: len(d.Acts) + 1,
		Grows:   d.Autoscaler != "",
	}
	verdicts, acts := verdict(d), make([]summary.Act, len(d.Acts))
	for i, act := range d.Acts {
		acts[i] = act.Act
		p.Stuck = p.Stuck || act.Running < act.Pods
		p.Cards = append(p.Cards, pageCard{
			Number: i + 1, Role: string(roles[i].strong), Heading: heading(d, i), Scheduler: act.Scheduler, Verdict: verdicts[i],
			Median: act.Median.String(), P99: act.P99.String(), Worst: act.Worst.String(),
			FirstAttempt: act.FirstAttempt, Pods: act.Pods, NodesAdded: act.NodesAdded, Headroom: act.Headroom,
			Timeline: drawing(Timeline(d, i, 350), "Act "+strconv.Itoa(i+1)+" over time: pods, headroom and nodes."),
		})
	}
	p.Rows = summary.Table(acts)
	var out bytes.Buffer
	if err := parsed.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return out.Bytes(), nil
}
