// Package swapevent is the contract between headroom-scheduler, which takes placeholders, and headroom-controller, which
// has to learn that a placeholder went because a pod took it, and which pod. The annotation headroom.dev/took carries it; the
// scheduler's events repeat it for people. It is the one place that knows how both are written and read. It talks to no API
// server. docs/reference/events.md has the contract in prose.
package swapevent

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/message"
)

const (
	// Reason is the reason of the one event that the scheduler writes for a swap by whose decision placeholders were evicted. The
	// event's regarding object is the consumer Pod, its related object the first of these placeholders, and its note what Note returns.
	Reason = "TookHeadroom"
	// ReasonShared is the reason of the event of a swap that evicted nothing, because the placeholders in its way were evicted by
	// the decision of other swaps. Its related object is the first of them.
	ReasonShared = "SharedHeadroom"
	// Action is the action of both events.
	Action = "Swap"
	// ActionGrow is the action of the event with the reason Reason of a running pod that took placeholders of its node to grow in place.
	ActionGrow = "Grow"
	// ReasonPreempted is the reason of the event that kube-scheduler's own preemption writes for each victim: regarding is
	// the victim, and the note names the preemptor's UID.
	ReasonPreempted = "Preempted"
	// ReasonOvercommitted is the reason of the condition DisruptionTarget of a placeholder that headroom-scheduler deletes because more is
	// bound to its node than the node has.
	ReasonOvercommitted = "OvercommittedNode"
	// ReasonYielded is the reason of the condition DisruptionTarget of a reserved unit that headroom-scheduler deletes because a pod of a
	// DaemonSet waits for its node.
	ReasonYielded = "YieldedToDaemonSet"

	// maxNote is the longest note the API server accepts, in bytes.
	maxNote = 1024
	// maxWhy is how much of the note the reason for the choice may take, in bytes, so that the names have room.
	maxWhy = 512

	prefix       = "Took "
	sharedPrefix = "Uses the room of "
	nodeMark     = " on node "
	whyMark      = ": "
	moreSuffix   = " more"
	hiddenSuffix = " of other namespaces"
)

// Swap is one swap: which placeholders were taken, where, and why these.
type Swap struct {
	// Placeholders are the pods that were evicted by the decision of this swap, the first being the event's related object. If there
	// are none, the event has the reason ReasonShared.
	Placeholders []types.NamespacedName
	// Shared are the placeholders whose room the consumer uses, and that were evicted by the decisions of other swaps. The note names
	// them if Placeholders is empty, and counts them otherwise.
	Shared []types.NamespacedName
	// Hidden are how many there are of Placeholders, or if there are none of Shared, beside those that are named. See Hide.
	Hidden int
	// Node is the name of the node on which they were.
	Node string
	// Why is one line for people: the rule that decided.
	Why string
	// took says that the hidden ones are of Placeholders.
	took bool
}

// Hide leaves out the names of placeholders of other namespaces than this one, and counts them.
func (s Swap) Hide(namespace string) Swap {
	s.took = len(s.Placeholders) > 0
	named := &s.Shared
	if s.took {
		named = &s.Placeholders
	}
	kept := slices.DeleteFunc(slices.Clone(*named), func(pod types.NamespacedName) bool { return pod.Namespace != namespace })
	s.Hidden = len(*named) - len(kept)
	*named = kept
	return s
}

// Note writes the swap as the note of the event:
//
//	Took shop/web-headroom-3, shop/web-headroom-7 on node node-5: nearest, same zone as app=web
//	Uses the room of shop/web-headroom-3 on node node-5: evicted for another pod; nearest, same zone as app=web
//
// Placeholders that the longest allowed note has no room for are counted ("and 4 more"), and Why is cut.
func Note(s Swap) string {
	intro, placeholders, why := prefix, s.Placeholders, message.Cut(s.Why, maxWhy, "")
	switch {
	case len(s.Placeholders) == 0 && !s.took:
		intro, placeholders = sharedPrefix, s.Shared
		why = strings.TrimSuffix("evicted for another pod; "+why, "; ")
	case len(s.Shared) > 0:
		why += fmt.Sprintf("; it also uses the room of %d that were evicted for other pods", len(s.Shared))
	}
	tail := nodeMark + s.Node
	if why != "" {
		tail += whyMark + why
	}
	room := maxNote - len(intro) - len(tail) - len(" and 00000"+moreSuffix) - len(" and 00000"+hiddenSuffix)
	names, used := []string{}, 0
	for _, p := range placeholders {
		name := p.String()
		if used += len(name) + len(", "); used > room {
			break
		}
		names = append(names, name)
	}
	list := strings.Join(names, ", ")
	if left := len(placeholders) - len(names); left > 0 {
		list += fmt.Sprintf(" and %d%s", left, moreSuffix)
	}
	if s.Hidden > 0 {
		list = strings.TrimPrefix(fmt.Sprintf("%s and %d%s", list, s.Hidden, hiddenSuffix), " and ")
	}
	return intro + list + tail
}

// Parse reads what Note wrote, and reports whether the note is one that names placeholders. Those that Note only counted are missing, and
// so
// are Shared beside Placeholders.
func Parse(note string) (Swap, bool) {
	rest, took := strings.CutPrefix(note, prefix)
	if !took {
		var shared bool
		if rest, shared = strings.CutPrefix(note, sharedPrefix); !shared {
			return Swap{}, false
		}
	}
	list, rest, ok := strings.Cut(rest, nodeMark)
	if !ok {
		return Swap{}, false
	}
	if strings.HasSuffix(list, moreSuffix) || strings.HasSuffix(list, hiddenSuffix) {
		list, _, _ = strings.Cut(list, " and ")
	}
	s := Swap{}
	s.Node, s.Why, _ = strings.Cut(rest, whyMark)
	for name := range strings.SplitSeq(list, ", ") {
		namespace, pod, ok := strings.Cut(name, string(types.Separator))
		if !ok || namespace == "" || pod == "" {
			return Swap{}, false
		}
		placeholder := types.NamespacedName{Namespace: namespace, Name: pod}
		if took {
			s.Placeholders = append(s.Placeholders, placeholder)
		} else {
			s.Shared = append(s.Shared, placeholder)
		}
	}
	return s, s.Node != ""
}
