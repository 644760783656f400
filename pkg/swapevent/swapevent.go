// Package swapevent is the contract between headroom-scheduler, which takes placeholders, and headroom-controller, which
// has to learn that a placeholder went because a pod took it, and which pod. It is the one place that knows how the
// scheduler's event is written and read. It talks to no API server. docs/reference/events.md has the contract in prose.
package swapevent

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// Reason is the reason of the one event that the scheduler writes for a swap. The event's regarding object is the
	// consumer Pod, its related object the first placeholder that was taken, and its note what Note returns.
	Reason = "TookHeadroom"
	// Action is the action of that event.
	Action = "Swap"
	// ReasonPreempted is the reason of the event that kube-scheduler's own preemption writes for each victim: regarding is
	// the victim, related the preemptor.
	ReasonPreempted = "Preempted"

	// maxNote is the longest note the API server accepts, in bytes.
	maxNote = 1024
	// maxWhy is how much of the note the reason for the choice may take, in bytes, so that the names have room.
	maxWhy = 512

	prefix     = "Took "
	nodeMark   = " on node "
	whyMark    = ": "
	moreSuffix = " more"
)

// Swap is one swap: which placeholders were taken, where, and why these.
type Swap struct {
	// Placeholders are the pods that were evicted, at least one, the first being the event's related object.
	Placeholders []types.NamespacedName
	// Node is the name of the node on which they were.
	Node string
	// Why is one line for people: the rule that decided.
	Why string
}

// Note writes the swap as the note of the event:
//
//	Took shop/web-headroom-3, shop/web-headroom-7 on node node-5: nearest, same zone as app=web
//
// Placeholders that the longest allowed note has no room for are counted ("and 4 more"), and Why is cut.
func Note(s Swap) string {
	why := s.Why
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "")
	}
	tail := nodeMark + s.Node
	if why != "" {
		tail += whyMark + why
	}
	room := maxNote - len(prefix) - len(tail) - len(" and 00000"+moreSuffix)
	names, used := []string{}, 0
	for _, p := range s.Placeholders {
		name := p.String()
		if used += len(name) + len(", "); used > room {
			break
		}
		names = append(names, name)
	}
	list := strings.Join(names, ", ")
	if left := len(s.Placeholders) - len(names); left > 0 {
		list += fmt.Sprintf(" and %d%s", left, moreSuffix)
	}
	return prefix + list + tail
}

// Parse reads what Note wrote, and reports whether the note is one at all. Placeholders that Note only counted are missing.
func Parse(note string) (Swap, bool) {
	rest, ok := strings.CutPrefix(note, prefix)
	if !ok {
		return Swap{}, false
	}
	list, rest, ok := strings.Cut(rest, nodeMark)
	if !ok {
		return Swap{}, false
	}
	if strings.HasSuffix(list, moreSuffix) {
		list, _, _ = strings.Cut(list, " and ")
	}
	s := Swap{}
	s.Node, s.Why, _ = strings.Cut(rest, whyMark)
	for name := range strings.SplitSeq(list, ", ") {
		namespace, pod, ok := strings.Cut(name, string(types.Separator))
		if !ok || namespace == "" || pod == "" {
			return Swap{}, false
		}
		s.Placeholders = append(s.Placeholders, types.NamespacedName{Namespace: namespace, Name: pod})
	}
	return s, s.Node != ""
}
