package consumption

import (
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// StatementsOf returns what an event says about placeholders that were taken; nothing for an event about anything else.
func StatementsOf(event *eventsv1.Event) []Statement {
	switch {
	case event.Related == nil:
		return nil
	case event.Reason == swapevent.ReasonPreempted:
		return []Statement{{
			Placeholder: types.NamespacedName{Namespace: event.Regarding.Namespace, Name: event.Regarding.Name},
			UID:         event.Regarding.UID,
			Consumer:    *event.Related,
		}}
	case event.Reason == swapevent.Reason && event.Action == swapevent.Action:
		return statementsOfSwap(event)
	}
	return nil
}

func statementsOfSwap(event *eventsv1.Event) []Statement {
	swap, ok := swapevent.Parse(event.Note)
	if !ok {
		return nil
	}
	first := types.NamespacedName{Namespace: event.Related.Namespace, Name: event.Related.Name}
	statements := []Statement{{Placeholder: first, UID: event.Related.UID, Consumer: consumerOf(event)}}
	for _, placeholder := range swap.Placeholders {
		if placeholder != first {
			statements = append(statements, Statement{Placeholder: placeholder, Consumer: consumerOf(event)})
		}
	}
	return statements
}

func consumerOf(event *eventsv1.Event) corev1.ObjectReference { return event.Regarding }
