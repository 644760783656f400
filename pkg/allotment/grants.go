package allotment

import (
	"cmp"
	"container/heap"
)

// Grants says how many units each Headroom may make now, in the order of headrooms (rules 1 and 2). It depends on nothing but its
// arguments.
func Grants(limits Limits, headrooms []Headroom) []Grant {
	s := newSharing(limits, headrooms)
	for s.free != 0 && len(s.queue) > 0 {
		i := s.queue[0]
		if !s.give(i) || s.wants(i) == 0 {
			heap.Pop(s)
			continue
		}
		heap.Fix(s, 0)
	}
	for _, i := range s.queue { // The window is full, or another limit would stop it as well.
		limit := NoLimit
		if s.grants[i].Replace == s.headrooms[i].Replacing {
			limit = s.reached(s.headrooms[i], s.grants[i].Create)
		}
		s.grants[i].Limit = cmp.Or(limit, LimitPending)
	}
	return s.grants
}

// sharing is the work in progress. It is a heap of the Headrooms that could use a place, the next one first.
type sharing struct {
	limits      Limits
	headrooms   []Headroom
	grants      []Grant
	queue       []int
	free        int // places of the window; below zero: without end
	total       int
	inNamespace map[string]int
}

func newSharing(limits Limits, headrooms []Headroom) *sharing {
	s := &sharing{
		limits: limits, headrooms: headrooms, grants: make([]Grant, len(headrooms)), free: -1, inNamespace: map[string]int{},
	}
	waiting := 0
	for i, h := range headrooms {
		waiting += h.Pending
		s.total += h.Units
		s.inNamespace[h.Namespace] += h.Units
		if h.wants() > 0 {
			s.queue = append(s.queue, i)
		}
	}
	if limits.Pending > 0 {
		s.free = max(0, limits.Pending-waiting)
	}
	heap.Init(s)
	return s
}

// give gives a Headroom one place, and reports whether it could use it.
func (s *sharing) give(i int) bool {
	h, grant := s.headrooms[i], &s.grants[i]
	if grant.Replace < h.Replacing {
		grant.Replace++
		s.free--
		return true
	}
	if grant.Limit = s.reached(h, grant.Create); grant.Limit != NoLimit {
		return false
	}
	grant.Create++
	s.total++
	s.inNamespace[h.Namespace]++
	s.free--
	return true
}

// reached is the limit on units that keeps a Headroom which was granted some from one more.
func (s *sharing) reached(h Headroom, granted int) Limit {
	switch {
	case s.limits.PerHeadroom > 0 && h.Units+granted >= s.limits.PerHeadroom:
		return LimitHeadroom
	case s.limits.PerNamespace > 0 && s.inNamespace[h.Namespace] >= s.limits.PerNamespace:
		return LimitNamespace
	case s.limits.Total > 0 && s.total >= s.limits.Total:
		return LimitTotal
	}
	return NoLimit
}

// wants is how many places a Headroom could still use.
func (s *sharing) wants(i int) int {
	return s.headrooms[i].wants() - s.grants[i].Create - s.grants[i].Replace
}

// Len is part of heap.Interface.
func (s *sharing) Len() int { return len(s.queue) }

// Less is part of heap.Interface.
func (s *sharing) Less(a, b int) bool {
	i, j := s.queue[a], s.queue[b]
	return cmp.Or(
		cmp.Compare(s.waiting(i), s.waiting(j)),
		cmp.Compare(s.headrooms[i].Turn, s.headrooms[j].Turn),
		cmp.Compare(i, j),
	) < 0
}

// waiting is how many units of a Headroom wait, with those that it was granted.
func (s *sharing) waiting(i int) int {
	return s.headrooms[i].Pending + s.grants[i].Create + s.grants[i].Replace
}

// Swap is part of heap.Interface.
func (s *sharing) Swap(a, b int) { s.queue[a], s.queue[b] = s.queue[b], s.queue[a] }

// Push is part of heap.Interface; nothing is added.
func (s *sharing) Push(any) {}

// Pop is part of heap.Interface.
func (s *sharing) Pop() any {
	last := s.queue[len(s.queue)-1]
	s.queue = s.queue[:len(s.queue)-1]
	return last
}
