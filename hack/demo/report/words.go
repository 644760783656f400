package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// heading names an act in two words.
func heading(d Demo, i int) string { return fmt.Sprintf("%d · %s", i+1, d.Acts[i].Title) }

// title is the demo in one line.
func title(d Demo) string {
	return fmt.Sprintf("%d pods at once, in a cluster that is full", d.Burst)
}

// setting is where it was played, in one sentence.
func setting(d Demo) string {
	nodes := fmt.Sprintf("%d full nodes in %d zones", d.Nodes, d.Zones)
	if d.Autoscaler == "" {
		return fmt.Sprintf("%s, no autoscaler. For the acts with headroom more nodes were added before, which hold room for %d pods.",
			nodes, d.Headroom)
	}
	return fmt.Sprintf("%s; %s adds nodes, which take %s s to come. With headroom: room for %d pods was held before the burst.",
		nodes, d.Autoscaler, plain(d.Delay.Seconds()), d.Headroom)
}

// verdict is what came of it, in a sentence an act.
func verdict(d Demo) []string {
	sentences := make([]string, 0, len(d.Acts))
	for _, act := range d.Acts {
		text := fmt.Sprintf("Half of the pods ran within %s of being created, the slowest within %s", act.Median, act.Worst)
		switch {
		case act.Running == 0:
			text = "Not one pod ran in " + summary.Short(act.Worst.Duration)
		case act.Running < act.Pods:
			text = fmt.Sprintf("%d of %d pods ran, the others not in %s", act.Running, act.Pods, summary.Short(act.Worst.Duration))
		}
		sentences = append(sentences, text)
	}
	return sentences
}

// footnote says where the numbers come from.
func footnote(d Demo) string {
	text := "What was measured is from the API server's history of pods and nodes. " + d.Started.UTC().Format("2 January 2006") + "."
	if d.Machine != "" {
		text += " " + d.Machine + "."
	}
	return text
}
