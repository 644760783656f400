package gang

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

const (
	// askTimeout is how long the API server is asked for a group that a pod names and that is not known.
	askTimeout = time.Second
	// askAgain is how long the answer that there is none holds.
	askAgain = time.Second
)

// Groups are the groups that there are. Methods may be called concurrently.
type Groups struct {
	mu    sync.Mutex
	known map[types.NamespacedName]Group
	// synced says that PodGroups are installed, and that those that there were when the scheduler began to follow them are known.
	synced bool
	client *rest.RESTClient
	// absent are groups that are not there, by when that was asked.
	absent map[types.NamespacedName]time.Time

	// ready is closed when it is known which groups there are, or that there can be none.
	ready     chan struct{}
	readyOnce sync.Once
	awaitOnce sync.Once
}

// NewGroups returns none, as where PodGroups are not installed.
func NewGroups() *Groups {
	return &Groups{
		known: map[types.NamespacedName]Group{}, absent: map[types.NamespacedName]time.Time{}, ready: make(chan struct{}),
	}
}

func (g *Groups) setReady() { g.readyOnce.Do(func() { close(g.ready) }) }

// Await reports whether it is known which groups there are. The first call waits for that, so long at most.
func (g *Groups) Await(ctx context.Context, timeout time.Duration) bool {
	select {
	case <-g.ready:
		return true
	default:
	}
	known := false
	g.awaitOnce.Do(func() {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-g.ready:
			known = true
		case <-timer.C:
		case <-ctx.Done():
		}
	})
	return known
}

// Of returns the group of which a pod is a member, nil if it is of none. missing says that the pod names one that there is not. It takes
// the API server's word for that, since a pod may be seen before its group is; where PodGroups are not installed it asks nobody.
func (g *Groups) Of(ctx context.Context, pod *corev1.Pod) (group *Group, missing bool) {
	name, ok := NameOf(pod)
	if !ok {
		return nil, false
	}
	g.mu.Lock()
	known, ok := g.known[name]
	asks, client := g.synced && time.Since(g.absent[name]) > askAgain, g.client
	synced := g.synced
	g.mu.Unlock()
	switch {
	case ok:
		return &known, false
	case !synced:
		return nil, false
	case !asks || client == nil:
		return nil, true
	}
	return g.ask(ctx, client, name)
}

// MinMember returns how many members a group needs, zero if it is not known.
func (g *Groups) MinMember(name types.NamespacedName) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[name].MinMember
}

// ask asks the API server for a group. If it does not answer, there is none as far as is known.
func (g *Groups) ask(ctx context.Context, client *rest.RESTClient, name types.NamespacedName) (group *Group, missing bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	object := &schedulingv1alpha1.PodGroup{}
	err := client.Get().Namespace(name.Namespace).Resource(plural).Name(name.Name).Do(ctx).Into(object)
	if err == nil && object.DeletionTimestamp == nil {
		found := GroupOf(object)
		return &found, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.absent) > maxAbsent {
		clear(g.absent)
	}
	g.absent[name] = time.Now()
	return nil, true
}

// maxAbsent bounds how many groups are remembered that are not there.
const maxAbsent = 1000

// Set notes a group. It reports whether it is new, or says something else than before.
func (g *Groups) Set(group Group) (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was, ok := g.known[group.Name]
	g.known[group.Name] = group
	delete(g.absent, group.Name)
	return !ok || was.MinMember != group.MinMember
}

// Delete notes that a group is gone.
func (g *Groups) Delete(name types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, name)
}

func (g *Groups) begin(client *rest.RESTClient) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.synced, g.client = true, client
	g.setReady()
}

// end forgets all groups: PodGroups are not installed any more.
func (g *Groups) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.synced, g.client = false, nil
	clear(g.known)
	clear(g.absent)
}
