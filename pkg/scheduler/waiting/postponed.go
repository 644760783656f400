package waiting

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// soonest is how long a pod that is postponed waits at least, so that none is tried all the time.
const soonest = time.Second

// Postponed are pods that failed for nothing but a matter of time: each is tried again when its time has come. Methods may be called
// concurrently.
type Postponed struct {
	// again has the scheduler try pods again, by their names.
	again func(map[types.UID]types.NamespacedName)

	mu    sync.Mutex
	pods  map[types.UID]postponed
	timer *time.Timer
	// fires is when the timer does, zero if it does not.
	fires time.Time
}

// postponed is one pod.
type postponed struct {
	name types.NamespacedName
	due  time.Time
	// earliest bounds what Hurry does.
	earliest time.Time
	nodes    []string
}

// NewPostponed returns no pods. again is called with those whose time has come.
func NewPostponed(again func(map[types.UID]types.NamespacedName)) *Postponed {
	return &Postponed{again: again, pods: map[types.UID]postponed{}}
}

// Add postpones a pod until a time, but at least for a second. nodes are those for which it waits.
func (p *Postponed) Add(pod *corev1.Pod, until time.Time, nodes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(pod, until, nodes)
}

// AddIfNone postpones a pod until a time, but at least for a second, if it is not postponed already.
func (p *Postponed) AddIfNone(pod *corev1.Pod, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, postponed := p.pods[pod.UID]; !postponed {
		p.add(pod, until, nil)
	}
}

func (p *Postponed) add(pod *corev1.Pod, until time.Time, nodes []string) {
	earliest := time.Now().Add(soonest)
	if until.Before(earliest) {
		until = earliest
	}
	p.pods[pod.UID] = postponed{
		name: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, due: until, earliest: earliest, nodes: nodes,
	}
	p.set(until)
}

// Hurry has those pods tried again soon that wait for a node.
func (p *Postponed) Hurry(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for uid, pod := range p.pods {
		if !slices.Contains(pod.nodes, node) {
			continue
		}
		soon := now
		if soon.Before(pod.earliest) {
			soon = pod.earliest
		}
		if soon.Before(pod.due) {
			pod.due = soon
			p.pods[uid] = pod
			p.set(soon)
		}
	}
}

// Forget drops a pod that is bound or gone.
func (p *Postponed) Forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pods, uid)
}

// Stop forgets all pods.
func (p *Postponed) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.pods)
	if p.timer != nil {
		p.timer.Stop()
	}
}

// set has the timer fire by a time.
func (p *Postponed) set(due time.Time) {
	if !p.fires.IsZero() && !due.Before(p.fires) {
		return
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.fires = due
	p.timer = time.AfterFunc(time.Until(due), p.fire)
}

// fire has the pods tried again whose time has come.
func (p *Postponed) fire() {
	due := p.take(time.Now())
	if len(due) > 0 {
		p.again(due)
	}
}

func (p *Postponed) take(now time.Time) map[types.UID]types.NamespacedName {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, next := map[types.UID]types.NamespacedName{}, time.Time{}
	for uid, pod := range p.pods {
		switch {
		case !pod.due.After(now):
			due[uid] = pod.name
			delete(p.pods, uid)
		case next.IsZero() || pod.due.Before(next):
			next = pod.due
		}
	}
	p.fires = time.Time{}
	if !next.IsZero() {
		p.set(next)
	}
	return due
}

// Len is the number of pods.
func (p *Postponed) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pods)
}
