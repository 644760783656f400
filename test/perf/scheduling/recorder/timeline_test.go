package recorder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var epoch = time.Unix(1_700_000_000, 0)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

func TestTimeline(t *testing.T) {
	for name, tc := range map[string]struct {
		sights []Sight
		want   Summary
	}{
		"no pod at all": {want: Summary{}},
		"the duration is from the first creation to the last binding": {
			sights: []Sight{
				{Pod: "a", At: at(0)}, {Pod: "b", At: at(10)},
				{Pod: "b", Bound: true, At: at(30)}, {Pod: "a", Bound: true, At: at(100)},
			},
			// The waits are 20 ms and 100 ms: the lower is the median of two, the higher the p99.
			want: Summary{Pods: 2, Bound: 2, Duration: ms(100), Median: ms(20), P99: ms(100)},
		},
		"only the first sight of a state counts": {
			sights: []Sight{
				{Pod: "a", At: at(0)}, {Pod: "a", Refused: true, At: at(5)}, {Pod: "a", Refused: true, At: at(7)},
				{Pod: "a", Bound: true, At: at(9)}, {Pod: "a", Bound: true, At: at(50)},
			},
			want: Summary{Pods: 1, Bound: 1, Refused: 1, Duration: ms(9), Median: ms(9), P99: ms(9)},
		},
		"a pod that was created bound is none of ours": {
			sights: []Sight{{Pod: "a", Bound: true, At: at(0)}, {Pod: "a", Bound: true, At: at(3)}},
			want:   Summary{},
		},
		"a pod that never gets a node does not lengthen the duration": {
			sights: []Sight{
				{Pod: "a", At: at(0)}, {Pod: "b", At: at(1)}, {Pod: "a", Bound: true, At: at(4)},
				{Pod: "b", Refused: true, At: at(900)},
			},
			want: Summary{Pods: 2, Bound: 1, Refused: 1, Duration: ms(4), Median: ms(4), P99: ms(4), RefusedP99: ms(899)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var timeline Timeline
			for _, sight := range tc.sights {
				timeline.See(sight)
			}
			assert.Equal(t, tc.want, timeline.Summary())
		})
	}
}

func TestSeeTellsFirstSightsOnly(t *testing.T) {
	var timeline Timeline
	for _, step := range []struct {
		sight             Sight
		created, answered bool
	}{
		{Sight{Pod: "a", At: at(0)}, true, false},
		{Sight{Pod: "a", Refused: true, At: at(1)}, false, true},
		{Sight{Pod: "a", Refused: true, At: at(2)}, false, false},
		{Sight{Pod: "a", Bound: true, At: at(3)}, false, true},
		{Sight{Pod: "a", Bound: true, At: at(4)}, false, false},
	} {
		created, answered := timeline.See(step.sight)
		assert.Equal(t, [2]bool{step.created, step.answered}, [2]bool{created, answered}, "at %s", step.sight.At.Sub(epoch))
	}
}

func TestQuantileOfAHundred(t *testing.T) {
	values := make([]time.Duration, 100)
	for i := range values {
		values[i] = ms(100 - i)
	}
	assert.Equal(t, ms(50), quantile(values, 0.5))
	assert.Equal(t, ms(99), quantile(values, 0.99))
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
