package consumption

import (
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// ClaimsOf returns what an event says about placeholders that were taken; nothing for an event about anything else.
func ClaimsOf(event *eventsv1.Event) []Claim {
	switch {
	case event.Related == nil:
		return nil
	case event.Reason == swapevent.ReasonPreempted:
		return []Claim{{
			Placeholder: types.NamespacedName{Namespace: event.Regarding.Namespace, Name: event.Regarding.Name},
			UID:         event.Regarding.UID,
			Consumer:    *event.Related,
		}}
	case event.Reason == swapevent.Reason && event.Action == swapevent.Action:
		return claimsOfSwap(event)
	}
	return nil
}

func claimsOfSwap(event *eventsv1.Event) []Claim {
	swap, ok := swapevent.Parse(event.Note)
	if !ok {
		return nil
	}
	first := types.NamespacedName{Namespace: event.Related.Namespace, Name: event.Related.Name}
	claims := []Claim{{Placeholder: first, UID: event.Related.UID, Consumer: consumerOf(event)}}
	for _, placeholder := range swap.Placeholders {
		if placeholder != first {
			claims = append(claims, Claim{Placeholder: placeholder, Consumer: consumerOf(event)})
		}
	}
	return claims
}

func consumerOf(event *eventsv1.Event) corev1.ObjectReference { return event.Regarding }
