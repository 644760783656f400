package workload

import "context"

// unsettled are the selections that changed, until they are told or are as they were told again: of pods that are
// replaced, the one goes a moment before the other comes. The lock of the pods guards it.
type unsettled struct {
	selections []*selected
	// some is sent to when there are some.
	some chan struct{}
}

func newUnsettled() unsettled { return unsettled{some: make(chan struct{}, 1)} }

// add adds a selection, unless it is there.
func (u *unsettled) add(s *selected) {
	if s.unsettled {
		return
	}
	s.unsettled = true
	u.selections = append(u.selections, s)
	select {
	case u.some <- struct{}{}:
	default: // it is known
	}
}

// look tells the selections that are not as they were told, now and at the look before. It returns how many are left
// for the next look.
func (u *unsettled) look() int {
	left := u.selections[:0]
	for _, s := range u.selections {
		switch {
		case !s.differs():
			s.unsettled, s.differed = false, false
		case s.differed:
			s.unsettled, s.differed = false, false
			s.notify()
		default:
			s.differed = true
			left = append(left, s)
		}
	}
	clear(u.selections[len(left):])
	u.selections = left
	return len(left)
}

// settle looks at the selections that changed once in calm, as long as there are some: a change is told one or two of
// that after it came, and pods that are replaced within one are not.
func (p *pods) settle(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.unsettled.some:
		}
		for left := 1; left > 0 && ctx.Err() == nil; {
			wait(ctx, calm)
			p.mu.Lock()
			left = p.unsettled.look()
			p.mu.Unlock()
		}
	}
}
