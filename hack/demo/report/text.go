package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// heading names a run in two words.
func heading(d Demo, i int) string { return fmt.Sprintf("%d · %s", i+1, d.Runs[i].Title) }

// title is the demo in one line.
func title(d Demo) string {
	return fmt.Sprintf("%d pods at once, in a cluster that is full", d.Burst)
}

// setting is what the cluster was like, in one sentence.
func setting(d Demo) string {
	nodes := fmt.Sprintf("%d full nodes in %d zones", d.Nodes, d.Zones)
	if d.Autoscaler == "" {
		return fmt.Sprintf("%s, no autoscaler. For the runs with headroom more nodes were added before, which hold room for %d pods.",
			nodes, d.Headroom)
	}
	return fmt.Sprintf("%s; %s adds nodes, which take %s s to come. With headroom: room for %d pods was held before the burst.",
		nodes, d.Autoscaler, plain(d.Delay.Seconds()), d.Headroom)
}

// outcomes say in a sentence for each run what became of its pods.
func outcomes(d Demo) []string {
	sentences := make([]string, 0, len(d.Runs))
	for _, run := range d.Runs {
		text := fmt.Sprintf("Half of the pods ran within %s of being created, the slowest within %s", run.Median, run.Worst)
		switch {
		case run.Running == 0:
			text = "Not one pod ran in " + summary.Short(run.Worst.Duration)
		case run.Running < run.Pods:
			text = fmt.Sprintf("%d of %d pods ran, the others not in %s", run.Running, run.Pods, summary.Short(run.Worst.Duration))
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
