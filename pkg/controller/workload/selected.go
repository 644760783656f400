package workload

import (
	"context"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Group is how many of some bound pods have the same requests.
type Group struct {
	// Requests of each pod, without the overhead of its RuntimeClass.
	Requests corev1.ResourceList
	// Count is how many there are.
	Count int
}

// selected counts the pods of a namespace that a selector matches. It is brought up to date pod by pod, so that neither many pods nor
// many Headrooms make a look at it longer. The lock of the pods guards it.
type selected struct {
	of       *pods
	selector labels.Selector
	changed  chan struct{}
	// groups are the selected pods by what they request.
	groups map[string]*Group
	// answers are what Headrooms were told last, as text has it.
	answers map[types.NamespacedName]string
	// unsettled says that it is among those of the pods, and differed that it was not as it was told at the last look at them.
	unsettled, differed bool
}

// newSelected returns a selection that is up to date as long as it runs.
func newSelected(of *pods, selector labels.Selector) *selected {
	s := &selected{
		of: of, selector: selector, changed: make(chan struct{}, 1),
		groups: map[string]*Group{}, answers: map[types.NamespacedName]string{},
	}
	of.attach(s)
	return s
}

func (s *selected) run(ctx context.Context) {
	context.AfterFunc(ctx, func() { s.of.detach(s) }) // there is one for each selector, and a goroutine takes more memory than it
}

func (s *selected) changes() <-chan struct{} { return s.changed }

// notify says that it is not as it was told.
func (s *selected) notify() {
	select {
	case s.changed <- struct{}{}:
	default: // it is known
	}
}

// stale are those of the users that were told something else than is true now. It forgets what others were told.
func (s *selected) stale(users []types.NamespacedName) []types.NamespacedName {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	now, answers := s.text(), make(map[types.NamespacedName]string, len(users))
	var stale []types.NamespacedName
	for _, user := range users {
		told, ok := s.answers[user]
		if !ok || told != now {
			stale = append(stale, user)
		}
		if ok {
			answers[user] = told
		}
	}
	s.answers = answers
	return stale
}

// get tells a Headroom which pods there are.
func (s *selected) get(headroom types.NamespacedName) ([]Group, *Problem) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if problem := s.of.state(); problem != nil {
		return nil, problem // when it is over, the pods tell everyone who asks for them
	}
	s.answers[headroom] = s.text()
	var groups []Group
	for _, key := range s.keys() {
		groups = append(groups, *s.groups[key])
	}
	return groups, nil
}

// count adds pods of a group, or takes them away. The lock is held, as for all methods below.
func (s *selected) count(g *group, pods int) {
	counted := s.groups[g.size]
	if counted == nil {
		counted = &Group{Requests: g.requests}
		s.groups[g.size] = counted
	}
	if counted.Count += pods; counted.Count == 0 {
		delete(s.groups, g.size)
	}
	s.of.unsettled.add(s)
}

// differs reports whether a Headroom was told something else than is true now.
func (s *selected) differs() bool {
	if len(s.answers) == 0 {
		return false
	}
	now := s.text()
	for _, told := range s.answers {
		if told != now {
			return true
		}
	}
	return false
}

func (s *selected) keys() []string {
	keys := make([]string, 0, len(s.groups))
	for key := range s.groups {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// text is the same for the same pods.
func (s *selected) text() string {
	var text []byte
	for _, key := range s.keys() {
		text = strconv.AppendInt(text, int64(s.groups[key].Count), 10)
		text = append(append(append(text, " of "...), key...), ';')
	}
	return string(text)
}
