package headroom

import (
	"strings"
	"sync"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// wordsAfter is after how long sentences of status.sizing are written of which nothing but a count changed: pods that come and go change
	// it all the time, often for a moment, and rarely a number of units.
	wordsAfter = 10 * time.Second
	// learnedAfter is how old a status is when sentences are written in which nothing but numbers changed that rules of demand count: with
	// each slot the history of each Headroom has a window more, and what follows from that is most of the time as it was.
	learnedAfter = 10 * time.Minute
)

// words is since when the sentences of status.sizing in the statuses of Headrooms are not what they should be. It is safe for concurrent
// use.
type words struct {
	mu    sync.Mutex
	since map[types.NamespacedName]time.Time
}

func newWords() *words { return &words{since: map[types.NamespacedName]time.Time{}} }

// hold puts the sentences of the Headroom's status back into one of which nothing else changed: they still say why it is that number of
// units, of pods as they were a moment ago. It returns after how long they have to be written; zero: they are, now, or are what they should
// be.
func (w *words) hold(headroom *v1alpha1.Headroom, status *v1alpha1.HeadroomStatus, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, before := client.ObjectKeyFromObject(headroom), &headroom.Status
	kept := withWordsOf(before.Sizing, status)
	if equality.Semantic.DeepEqual(status, before) || !equality.Semantic.DeepEqual(&kept, before) {
		delete(w.since, key)
		return 0
	}
	var wait time.Duration
	if onlyLearned(headroom.Spec.Sizing, before.Sizing, status.Sizing) {
		delete(w.since, key)
		wait = untilOld(before.Usage.ObservedTime, now)
	} else {
		wait = w.untilLasting(key, now)
	}
	if wait > 0 {
		*status = kept
	}
	return wait
}

// untilLasting is when sentences have been other ones for long enough to be written. The lock is held.
func (w *words) untilLasting(headroom types.NamespacedName, now time.Time) time.Duration {
	since, ok := w.since[headroom]
	if !ok {
		since = now
		w.since[headroom] = since
	}
	wait := since.Add(wordsAfter).Sub(now)
	if wait > 0 {
		return wait
	}
	delete(w.since, headroom)
	return 0
}

// untilOld is when a status that was written at that time is old enough for its sentences to be written anew; zero: now.
func untilOld(written *metav1.Time, now time.Time) time.Duration {
	if written == nil || written.After(now) { // which a clock wrote that is wrong
		return 0
	}
	return max(0, written.Add(learnedAfter).Sub(now))
}

// onlyLearned reports whether sentences of two statuses, which agree in everything else, differ in nothing but numbers that rules of demand
// count.
func onlyLearned(sizing *v1alpha1.Sizing, before, after *v1alpha1.SizingStatus) bool {
	if sizing == nil || before == nil || after == nil || withoutNumbers(before.Message) != withoutNumbers(after.Message) {
		return false
	}
	for i := range after.Rules {
		old, now := before.Rules[i].Message, after.Rules[i].Message
		if old != now && (i >= len(sizing.Rules) || sizing.Rules[i].Demand == nil || withoutNumbers(old) != withoutNumbers(now)) {
			return false
		}
	}
	return true
}

func withoutNumbers(sentence string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, sentence)
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
