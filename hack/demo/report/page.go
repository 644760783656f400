package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"

	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
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
	Heading, Scheduler, Outcome    string
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
	svg := func(d drawing.Drawing, label string) template.HTML {
		return template.HTML(d.SVG(label))
	}
	p := page{
		Title: title(d), Setting: setting(d), Footnote: footnote(d), Version: d.Version, Elapsed: summary.Short(d.Elapsed),
		Style:   template.CSS(drawing.Style()),
		Curves:  svg(drawCurves(d, 1060, 300), "Pods of the burst that run, over time, one line a run."),
		Spread:  svg(drawSpread(d, 1060, 78), "Time from created to running of each pod, one row a run."),
		Left:    svg(drawLeft(d, 1060), "Headroom left by the burst in each zone, one column a run."),
		Columns: len(d.Runs) + 1,
		Grows:   d.Autoscaler != "",
	}
	outcomes, runs := outcomes(d), make([]summary.Run, len(d.Runs))
	for i, run := range d.Runs {
		runs[i] = run.Run
		p.Stuck = p.Stuck || run.Running < run.Pods
		p.Cards = append(p.Cards, pageCard{
			Number: i + 1, Role: string(roles[i].strong), Heading: heading(d, i), Scheduler: run.Scheduler, Outcome: outcomes[i],
			Median: run.Median.String(), P99: run.P99.String(), Worst: run.Worst.String(),
			FirstAttempt: run.FirstAttempt, Pods: run.Pods, NodesAdded: run.NodesAdded, Headroom: run.Headroom,
			Timeline: svg(drawTimeline(d, i, 350), "Run "+strconv.Itoa(i+1)+" over time: pods, headroom and nodes."),
		})
	}
	p.Rows = summary.Table(runs)
	var out bytes.Buffer
	if err := parsed.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return out.Bytes(), nil
}
