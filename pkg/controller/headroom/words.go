package headroom

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// wordsAfter is after how long sentences of status.sizing are written of which nothing but a count changed: pods that come and go change it
// all the time, often for a moment, and rarely a number of units.
const wordsAfter = 10 * time.Second

// words is since when the sentences of status.sizing in the statuses of Headrooms are not what they should be. It is safe for concurrent
// use.
type words struct {
	mu    sync.Mutex
	since map[types.NamespacedName]time.Time
}

func newWords() *words { return &words{since: map[types.NamespacedName]time.Time{}} }

// hold puts the sentences of the status before back into one of which nothing else changed: they still say why it is that number of units,
// of pods as they were a moment ago. It returns after how long they have to be written; zero: they are, now, or are what they should be.
func (w *words) hold(headroom types.NamespacedName, status, before *v1alpha1.HeadroomStatus, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := withWordsOf(before.Sizing, status)
	if equality.Semantic.DeepEqual(status, before) || !equality.Semantic.DeepEqual(&kept, before) {
		delete(w.since, headroom)
		return 0
	}
	since, ok := w.since[headroom]
	if !ok {
		since = now
		w.since[headroom] = since
	}
	wait := since.Add(wordsAfter).Sub(now)
	if wait <= 0 {
		delete(w.since, headroom)
		return 0
	}
	*status = kept
	return wait
}

func (w *words) forget(headroom types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.since, headroom)
}

// withWordsOf is a status in which the size is told in the sentences of an earlier one.
func withWordsOf(before *v1alpha1.SizingStatus, status *v1alpha1.HeadroomStatus) v1alpha1.HeadroomStatus {
	kept := *status
	if before == nil || status.Sizing == nil {
		return kept
	}
	kept.Sizing = status.Sizing.DeepCopy()
	kept.Sizing.Message = before.Message
	for i := range kept.Sizing.Rules[:min(len(kept.Sizing.Rules), len(before.Rules))] {
		kept.Sizing.Rules[i].Message = before.Rules[i].Message
	}
	return kept
}
