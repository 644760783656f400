package consumption

import (
	"regexp"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// preemptedBy reads the note of kube-scheduler's event: "Preempted by pod 0d6ab9b6-... on node node-1", without the kind before v1.35.
var preemptedBy = regexp.MustCompile(`^Preempted by (?:[a-z]+ )?([0-9A-Za-z-]{1,64}) on node `)

// preemptionOf returns the pod that an event says was preempted, and the UID of the pod for which. A name that the event gives that pod,
// as before v1.37, is not taken: whoever writes events could write any. Pods are named by what they are found to be.
func preemptionOf(event *eventsv1.Event) (victim Victim, preemptor types.UID, ok bool) {
	victim.Namespace, victim.Name, victim.UID = event.Regarding.Namespace, event.Regarding.Name, event.Regarding.UID
	if event.Related != nil {
		preemptor = event.Related.UID
	}
	if match := preemptedBy.FindStringSubmatch(event.Note); match != nil {
		preemptor = types.UID(match[1])
	}
	return victim, preemptor, preemptor != "" && victim.Namespace == event.Namespace
}

// nodeOf returns the node that the event of a swap names.
func nodeOf(event *eventsv1.Event) (node string, ok bool) {
	if event.Action != swapevent.Action && event.Action != swapevent.ActionGrow || event.Regarding.Namespace != event.Namespace {
		return "", false
	}
	swap, ok := swapevent.Parse(event.Note)
	return swap.Node, ok
}
