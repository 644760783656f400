package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

//go:embed page.html.tmpl
var pageTemplate string

// Sizes of the plots.
const (
	pageWidth  = 1060
	plotHeight = 170
	// maxWorkloads is how many workloads are listed.
	maxWorkloads = 20
)

// page is what the template is filled with.
type page struct {
	Where, At, Version, Resource string
	Days                         int
	Style                        template.CSS
	Wanted, Ready, Taken, Lacked int
	Short                        int
	Headrooms                    []headroom
	Zones                        template.HTML
	Workloads                    []workload
	Notes                        []string
	// Cost and Spare are the sums of those of the Headrooms of which they are known, if there are any.
	Priced      bool
	Cost, Spare string
	cost, spare float64
}

type headroom struct {
	status.Headroom
	// Full tells that all units can be taken.
	Full bool
	Plot template.HTML
	// Lowest, Refill, Saved and Missed, pods by reason, are what the account says of the days, empty where it says nothing.
	Lowest, Refill, Saved, Missed string
	// Needed says how many units were needed, Cost what all of them cost a month, and Spare what those do that were not needed; empty where
	// that is not known.
	Needed, Cost, Spare string
	Last                []take
}

type take struct{ Ago, Consumer, Node string }

type workload struct {
	ledger.Group
	Refill, Ago string
}

// Page is the report.
func Page(in *Input) ([]byte, error) {
	parsed, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the report's template: %w", err)
	}
	p := page{
		Where: in.Where, At: in.Now.UTC().Format("2006-01-02 15:04 UTC"), Version: in.Version, Days: in.hours() / 24,
		Style: template.CSS(drawing.Style()), //nolint:gosec // a style sheet of constants
		Notes: slices.Concat(in.Status.NotSeen, in.Ledger.NotSeen, in.Ledger.NotListed),
	}
	found := histories(in)
	for _, one := range worst(in.Status.Headrooms) {
		p.add(&one, found, in.Now)
		p.advise(in.Advice)
	}
	if p.Priced {
		p.Cost, p.Spare = fmt.Sprintf("%.2f", p.cost), fmt.Sprintf("%.2f", p.spare)
	}
	if in.Nodes != nil {
		p.Notes = append(p.Notes, in.Nodes.NotSeen...)
		p.Resource = string(in.Nodes.Resource)
		drawn := zones(in.Nodes, pageWidth)
		p.Zones = svg(&drawn, "Used, headroom and free of each zone.")
	}
	summary := in.Ledger.Summary(ledger.ByWorkload)
	for _, group := range summary.Groups[:min(maxWorkloads, len(summary.Groups))] {
		w := workload{Group: group, Ago: ago(in.Now, group.Last), Refill: "-"}
		if group.RefillSeconds != nil {
			w.Refill = short(time.Duration(*group.RefillSeconds * float64(time.Second)))
		}
		p.Workloads = append(p.Workloads, w)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return out.Bytes(), nil
}

// add adds one Headroom.
func (p *page) add(one *status.Headroom, found map[types.NamespacedName]history, now time.Time) {
	shown := headroom{Headroom: *one, Full: one.Reason == v1alpha1.ReasonFilled}
	p.Wanted, p.Ready = p.Wanted+int(one.Wanted), p.Ready+int(one.Ready)
	if !shown.Full {
		p.Short++
	}
	if one.Lately != nil {
		p.Taken, p.Lacked = p.Taken+one.Lately.Taken, p.Lacked+one.Lately.Lacked
		for _, t := range one.Lately.Takes {
			shown.Last = append(shown.Last, take{Ago: ago(now, t.Time), Consumer: t.Consumer, Node: t.Node})
		}
	}
	if h, ok := found[types.NamespacedName{Namespace: one.Namespace, Name: one.Name}]; ok {
		drawn := plot(&h, now, pageWidth, plotHeight)
		shown.Plot = svg(&drawn, "Units taken, lacked and ready of "+one.Namespace+"/"+one.Name+" by the hour.")
		if h.usage.LowestReady != nil {
			shown.Lowest = strconv.Itoa(*h.usage.LowestReady)
		}
		if h.usage.Refills > 0 {
			shown.Refill = short(h.usage.RefillP90)
		}
		if h.usage.Saved > 0 {
			shown.Saved = short(h.usage.Saved)
		}
		shown.Missed = missed(h.usage.Missed)
	}
	p.Headrooms = append(p.Headrooms, shown)
}

// advise adds to the last Headroom what is known of its needs.
func (p *page) advise(known []advice.Advice) {
	shown := &p.Headrooms[len(p.Headrooms)-1]
	i := slices.IndexFunc(known, func(a advice.Advice) bool { return a.Namespace == shown.Namespace && a.Name == shown.Name })
	if i < 0 {
		return
	}
	shown.Needed = known[i].Sentence
	if cost, spare := known[i].Cost, known[i].Spare; cost != nil && spare != nil {
		shown.Cost, shown.Spare = fmt.Sprintf("%.2f", *cost), fmt.Sprintf("%.2f", *spare)
		p.Priced, p.cost, p.spare = true, p.cost+*cost, p.spare+*spare
	}
}

// missed says how many pods were missed for which reason.
func missed(pods map[account.Miss]int) string {
	var parts []string
	for _, one := range account.MissedPods(pods) {
		parts = append(parts, fmt.Sprintf("%d %s", one.Pods, one.Reason))
	}
	return strings.Join(parts, ", ")
}

func svg(d *drawing.Drawing, label string) template.HTML {
	return template.HTML(d.SVG(label)) //nolint:gosec // the drawing escapes texts
}

func ago(now, at time.Time) string { return short(max(0, now.Sub(at))) + " ago" }

func short(d time.Duration) string {
	return strings.TrimSpace(duration.HumanDuration(d))
}
