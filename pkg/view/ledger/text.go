package ledger

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// Text is the ledger as a table. With a width of 0 times are exact and rules are whole; on a terminal times are ages, and rules their
// names.
func (r *Report) Text(style table.Style) string {
	if len(r.Takes) == 0 {
		return ""
	}
	exact := style.Width == 0
	when := table.Column{Header: "AGE"}
	if exact {
		when.Header = "TIME"
	}
	t := table.Table{Columns: []table.Column{
		when, {Header: "HEADROOM", Shrink: true}, {Header: "TAKEN BY", Shrink: true}, {Header: "OWNER", Drop: 3, Shrink: true},
		{Header: "NODE", Drop: 2}, {Header: "HOW", Drop: 4}, {Header: "REFILLED", Right: true, Drop: 1}, {Header: "RULE", Drop: 5},
	}}
	for i := range r.Takes {
		take := &r.Takes[i]
		age, rule := duration.HumanDuration(max(0, r.now.Sub(take.Time))), ruleName(take.Rule)
		if exact {
			age, rule = take.Time.UTC().Format(time.RFC3339), take.Rule
		}
		t.Rows = append(t.Rows, table.Row{Cells: []table.Cell{
			table.Of(age), table.Of(take.Namespace + "/" + take.Headroom), table.Of(take.who()), table.Of(take.Owner), table.Of(take.Node),
			table.Of(take.How), refilled(take), table.Of(rule),
		}})
	}
	return t.Text(style)
}

// who is the pod that took the unit.
func (t *Take) who() string {
	switch {
	case t.Consumer != "":
		return t.ConsumerNamespace + "/" + t.Consumer
	case t.ConsumerUID != "":
		return "UID " + t.ConsumerUID
	default:
		return unknown
	}
}

func refilled(t *Take) table.Cell {
	if t.RefillSeconds == nil {
		return table.In(table.Warn, "not yet")
	}
	return table.Of(seconds(*t.RefillSeconds))
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.1fs", s)
	}
	return duration.HumanDuration(time.Duration(s * float64(time.Second)))
}

// ruleName is the beginning of an explanation: "rule 2 Spread".
func ruleName(rule string) string {
	name, _, _ := strings.Cut(rule, ":")
	return name
}

// Text is the summary as a table.
func (s *Summary) Text(style table.Style) string {
	if len(s.Groups) == 0 {
		return ""
	}
	t := table.Table{Columns: []table.Column{
		{Header: strings.ToUpper(string(s.By)), Shrink: true}, {Header: "UNITS", Right: true}, {Header: "PODS", Right: true, Drop: 3},
		{Header: "REFILLED", Right: true, Drop: 2}, {Header: "REFILL P90", Right: true, Drop: 1}, {Header: "LAST"},
	}}
	for i := range s.Groups {
		group := &s.Groups[i]
		p90 := "-"
		if group.RefillSeconds != nil {
			p90 = seconds(*group.RefillSeconds)
		}
		last := duration.HumanDuration(max(0, s.now.Sub(group.Last))) + " ago"
		if style.Width == 0 {
			last = group.Last.UTC().Format(time.RFC3339)
		}
		t.Rows = append(t.Rows, table.Row{Cells: []table.Cell{
			table.Of(group.Name), table.Of(strconv.Itoa(group.Units)), table.Of(strconv.Itoa(group.Pods)), table.Of(strconv.Itoa(group.Refilled)),
			table.Of(p90), table.Of(last),
		}})
	}
	return t.Text(style)
}

// CSV writes the ledger with a line of headers, which stay as they are.
func (r *Report) CSV(out io.Writer) error {
	lines := csv.NewWriter(out)
	records := [][]string{{
		"time", "namespace", "headroom", "placeholder", "node", "consumer_namespace", "consumer", "consumer_uid", "owner", "how", "rule",
		"refill_seconds",
	}}
	for i := range r.Takes {
		t := &r.Takes[i]
		records = append(records, []string{
			t.Time.UTC().Format(time.RFC3339Nano), t.Namespace, t.Headroom, t.Placeholder, t.Node, t.ConsumerNamespace, t.Consumer, t.ConsumerUID,
			t.Owner, t.How, t.Rule, optional(t.RefillSeconds),
		})
	}
	return lines.WriteAll(records)
}

// CSV writes the summary with a line of headers, which stay as they are.
func (s *Summary) CSV(out io.Writer) error {
	lines := csv.NewWriter(out)
	records := [][]string{{string(s.By), "units", "pods", "refilled", "refill_seconds_p90", "first", "last"}}
	for i := range s.Groups {
		g := &s.Groups[i]
		records = append(records, []string{
			g.Name, strconv.Itoa(g.Units), strconv.Itoa(g.Pods), strconv.Itoa(g.Refilled), optional(g.RefillSeconds),
			g.First.UTC().Format(time.RFC3339Nano), g.Last.UTC().Format(time.RFC3339Nano),
		})
	}
	return lines.WriteAll(records)
}

func optional(value *float64) string {
	if value == nil {
		return ""
	}
	return strconv.FormatFloat(*value, 'f', 3, 64)
}
