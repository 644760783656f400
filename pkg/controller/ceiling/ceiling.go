// Package ceiling reads what autoscalers say of units that wait for a node: in events on the units' pods, which is where both of them
// say it, and in Karpenter's NodePools and NodeClaims where there are any and the controller may read them.
package ceiling

import (
	"context"
	"fmt"
	"slices"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The reasons of the events that are read.
const (
	// reasonNominated is Karpenter's: it has a node for the pod, or is about to make one.
	reasonNominated = "Nominated"
	// reasonTriggered is Cluster Autoscaler's: it makes a node group larger for the pod.
	reasonTriggered = "TriggeredScaleUp"
	// reasonNotTriggered is Cluster Autoscaler's: it can make no node group larger for the pod, and why.
	reasonNotTriggered = "NotTriggerScaleUp"
	// reasonFailed is Karpenter's: it can make no node for the pod, and why. Schedulers say so of what they see with the same reason.
	reasonFailed = "FailedScheduling"

	karpenter         = "karpenter"
	clusterAutoscaler = "Cluster Autoscaler"
)

// most is how many events of one reason are read at most.
const most = 1000

// Saying is what autoscalers say of some units.
type Saying struct {
	// Announced is when one last said that room comes, or when a machine that Karpenter ordered for a unit came; the zero time if none did.
	Announced time.Time
	// Refusal is what one last said of why none does, with its name before; empty if none did.
	Refusal string
	// Limits says which of Karpenter's NodePools are at their limits, as AtLimit does. Read does not fill it in.
	Limits string
	// at is when the refusal was said, and claims are the NodeClaims that units were nominated to.
	at     time.Time
	claims []string
}

// Words are all that is known of why no room comes, empty if nothing is.
func (s *Saying) Words() string {
	switch {
	case s.Limits == "":
		return s.Refusal
	case s.Refusal == "":
		return s.Limits
	default:
		return s.Limits + "; " + s.Refusal
	}
}

// Read reads what autoscalers say of the units of these UIDs, which are in the namespace.
func Read(ctx context.Context, live client.Reader, namespace string, units map[types.UID]bool) (Saying, error) {
	var said Saying
	for _, reason := range []string{reasonNominated, reasonTriggered, reasonNotTriggered, reasonFailed} {
		list := &eventsv1.EventList{}
		err := live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"reason": reason}, client.Limit(most))
		if err != nil {
			return Saying{}, fmt.Errorf("listing events with reason %s: %w", reason, err)
		}
		for i := range list.Items {
			if units[list.Items[i].Regarding.UID] {
				said.hear(&list.Items[i])
			}
		}
	}
	at, err := launched(ctx, live, said.claims)
	if at.After(said.Announced) {
		said.Announced = at
	}
	return said, err
}

// hear notes one event.
func (s *Saying) hear(event *eventsv1.Event) {
	at := timeOf(event)
	switch {
	case event.Reason == reasonNominated || event.Reason == reasonTriggered:
		if at.After(s.Announced) {
			s.Announced = at
		}
		for _, match := range claimOf.FindAllStringSubmatch(event.Note, -1) {
			if !slices.Contains(s.claims, match[1]) {
				s.claims = append(s.claims, match[1])
			}
		}
	case event.Reason == reasonFailed && reporterOf(event) != karpenter:
	case s.Refusal == "" || at.After(s.at):
		name := clusterAutoscaler
		if event.Reason == reasonFailed {
			name = "Karpenter"
		}
		s.Refusal, s.at = name+" says: "+event.Note, at
	}
}

// reporterOf is who wrote an event, through either of the two APIs.
func reporterOf(event *eventsv1.Event) string {
	if event.ReportingController != "" {
		return event.ReportingController
	}
	return event.DeprecatedSource.Component
}

// timeOf is when an event happened last.
func timeOf(event *eventsv1.Event) time.Time {
	at := event.CreationTimestamp.Time
	for _, other := range []time.Time{event.EventTime.Time, event.DeprecatedLastTimestamp.Time} {
		if other.After(at) {
			at = other
		}
	}
	if event.Series != nil && event.Series.LastObservedTime.After(at) {
		at = event.Series.LastObservedTime.Time
	}
	return at
}
