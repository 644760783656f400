package consumption

import (
	"regexp"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// preemptedBy reads the note of kube-scheduler's event: "Preempted by pod 0d6ab9b6-... on node node-1", without the kind before v1.35.
var preemptedBy = regexp.MustCompile(`^Preempted by (?:[a-z]+ )?([0-9A-Za-z-]{1,64}) on node `)

// preemptorOf returns the pod for which an event says that its regarding object was preempted. Since v1.37 the event names it by its UID
// only, in the note.
func preemptorOf(event *eventsv1.Event) (consumer account.Consumer, ok bool) {
	if event.Related != nil && event.Related.Name != "" {
		consumer.NamespacedName = types.NamespacedName{Namespace: event.Related.Namespace, Name: event.Related.Name}
		consumer.UID = event.Related.UID
	}
	if match := preemptedBy.FindStringSubmatch(event.Note); match != nil {
		consumer.UID = types.UID(match[1])
	}
	return consumer, consumer.UID != ""
}

// nodeOf returns the node that the event of a swap names.
func nodeOf(event *eventsv1.Event) (node string, ok bool) {
	if event.Action != swapevent.Action && event.Action != swapevent.ActionGrow || event.Regarding.Namespace != event.Namespace {
		return "", false
	}
	swap, ok := swapevent.Parse(event.Note)
	return swap.Node, ok
}
