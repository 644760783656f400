package workload

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// settled has as many looks at what changed as it takes.
func settled(p *pods) {
	for left := 1; left > 0; {
		left = p.unsettled.look()
	}
}

// selectedAll selects all pods of a namespace that was read, for a Headroom that looks at once.
func selectedAll(t require.TestingT, p *pods) *selected {
	require.NoError(t, p.Replace(nil, ""))
	s := newSelected(p, labels.Everything())
	_, problem := s.get(hdr)
	require.Nil(t, problem)
	return s
}

func TestPodsThatAreReplacedBetweenTwoLooksAreNotTold(t *testing.T) {
	p := newPods(nil, "shop")
	s := selectedAll(t, p)
	require.NoError(t, p.Update(changed(t, bound("a", "web", "1"))))
	settled(p)
	require.Len(t, s.changes(), 1)
	<-s.changes()
	_, problem := s.get(hdr)
	require.Nil(t, problem)

	require.NoError(t, p.Update(gone("a")))
	require.Equal(t, 1, p.unsettled.look(), "the next may come in a moment")
	require.NoError(t, p.Update(changed(t, bound("b", "web", "1"))))
	require.Zero(t, p.unsettled.look())
	require.Empty(t, s.changes())

	require.NoError(t, p.Update(gone("b")))
	require.Equal(t, 1, p.unsettled.look(), "what was seen before does not count")
	require.Empty(t, s.changes())
	require.Zero(t, p.unsettled.look())
	require.Len(t, s.changes(), 1)
}

func TestAChangeThatLastsIsToldAfterTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPods(nil, "shop")
		s := selectedAll(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		go p.settle(ctx)
		for i := range 3 {
			begin := time.Now()
			require.NoError(t, p.Update(changed(t, bound(fmt.Sprint("p", i), "web", "1"))))
			<-s.changes()
			require.Equal(t, 2*calm, time.Since(begin))
			_, problem := s.get(hdr)
			require.Nil(t, problem)
		}
		cancel()
		synctest.Wait()
	})
}

// Whatever comes and goes, and whoever looks when: a Headroom that was told something else than what stays true is told of it.
func TestWhatStaysDifferentIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPods(nil, "shop")
		s := selectedAll(t, p)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			pod := bound(fmt.Sprint("p", rapid.IntRange(0, 3).Draw(t, "pod")), "web", "1")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				p.unsettled.look()
			case 1:
				_, problem := s.get(hdr)
				require.Nil(t, problem)
				if len(s.changes()) > 0 {
					<-s.changes()
				}
			case 2:
				require.NoError(t, p.Update(gone(pod.Name)))
			case 3:
				require.NoError(t, p.Update(changed(t, pod)))
			}
		}
		settled(p)
		if s.differs() {
			require.Len(t, s.changes(), 1)
		}
		require.Empty(t, p.unsettled.selections)
		require.False(t, s.unsettled || s.differed)
	})
}

func TestWhoWasToldNothingIsNotUpToDate(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	s := newSelected(p, labels.Everything()) // of no pods
	for range 2 {
		require.Equal(t, []types.NamespacedName{hdr}, s.stale([]types.NamespacedName{hdr}))
	}
	_, problem := s.get(hdr)
	require.Nil(t, problem)
	require.Empty(t, s.stale([]types.NamespacedName{hdr}))
}
