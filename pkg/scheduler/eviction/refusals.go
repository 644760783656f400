package eviction

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// refusedBefore is for how long deletions have to be refused until that counts: an API server that starts knows no rights yet.
	refusedBefore = 3 * time.Second
	// refusedOnce is how long a gap between two refusals makes them two matters.
	refusedOnce = 5 * time.Minute
	// firstRest and lastRest bound how long nothing is taken of a Headroom after a refusal that counts.
	firstRest = 5 * time.Second
	lastRest  = time.Minute
)

// Refusals are the Headrooms whose placeholders the API server refuses to delete, for lack of rights or because of a policy or a webhook.
// Nothing is taken of them for a while: the first in the order would be chosen again and again, and a pod that others could serve, or for
// which an autoscaler would add a node, would never be told that there is no room. Methods may be called concurrently, and do nothing if it
// is nil.
type Refusals struct {
	clock clock.WithDelayedExecution
	over  func(headroom types.NamespacedName)

	mu        sync.Mutex
	headrooms map[types.NamespacedName]refusal
}

// refusal is what is known of a Headroom of which nothing was deleted since.
type refusal struct {
	first, last time.Time
	// until is until when nothing is taken, rest for how long that is.
	until time.Time
	rest  time.Duration
}

// NewRefusals returns none. over is called when a Headroom is to be tried again.
func NewRefusals(clock clock.WithDelayedExecution, over func(headroom types.NamespacedName)) *Refusals {
	return &Refusals{clock: clock, over: over, headrooms: map[types.NamespacedName]refusal{}}
}

// Refused reports whether nothing is to be taken of a Headroom just now.
func (r *Refusals) Refused(headroom types.NamespacedName) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	is, known := r.headrooms[headroom]
	return known && r.clock.Now().Before(is.until)
}

// List returns the Headrooms of which nothing is to be taken just now, as NAMESPACE/NAME, in the order of their names.
func (r *Refusals) List() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, is := range r.headrooms {
		if r.clock.Now().Before(is.until) {
			names = append(names, name.String())
		}
	}
	slices.Sort(names)
	return names
}

// Answered notes how the API server answered to the deletion of a placeholder.
func (r *Refusals) Answered(placeholder *corev1.Pod, err error) {
	headroom := types.NamespacedName{Namespace: placeholder.Namespace, Name: placeholder.Labels[v1alpha1.LabelHeadroom]}
	if r == nil || headroom.Name == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		delete(r.headrooms, headroom)
	case forbidden(err):
		r.refused(headroom, r.clock.Now())
	}
}

func (r *Refusals) refused(headroom types.NamespacedName, now time.Time) {
	is, known := r.headrooms[headroom]
	if !known || now.Sub(is.last) > refusedOnce {
		is = refusal{first: now}
	}
	is.last = now
	if now.Sub(is.first) >= refusedBefore && !now.Before(is.until) {
		is.rest = min(lastRest, max(firstRest, 2*is.rest))
		is.until = now.Add(is.rest)
		r.clock.AfterFunc(is.rest, func() { r.over(headroom) })
	}
	r.headrooms[headroom] = is
}

// forbidden reports whether the API server said no to what was asked, and not that it was busy or that the pod is another one.
func forbidden(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; code {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
}
