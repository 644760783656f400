package growth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

func cores(n int64) evictionorder.Resources { return evictionorder.Resources{1, n * 1000, 0, 0} }

// unit is a placeholder of that many cores.
func unit(index int, n int64) evictionorder.Placeholder {
	return evictionorder.Placeholder{UID: fmt.Sprintf("u%d", index), Index: index, Requests: cores(n), Created: int64(index)}
}

func taken(growth Growth) []int {
	list := []int{}
	for _, victim := range growth.Victims {
		list = append(list, victim.Index)
	}
	return list
}

// A node of ten cores: pods have what is allocated to them, three units of two cores have six.
func TestDecide(t *testing.T) {
	units := []evictionorder.Placeholder{unit(0, 2), unit(1, 2), unit(2, 2)}
	leaving := slices.Clone(units)
	leaving[0].Leaving = true
	type want struct {
		pod     int
		outcome Outcome
		takes   []int
	}
	for name, tc := range map[string]struct {
		used int64
		pods []Pod
		want []want
	}{
		"just what is missing goes, the youngest first": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(5), Entitled: units}},
			want: []want{{0, Takes, []int{2}}},
		},
		"as many as it takes": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(7), Entitled: units}},
			want: []want{{0, Takes, []int{2, 1}}},
		},
		"nothing goes where there is room": {
			used: 9, pods: []Pod{{Allocated: cores(3), Desired: cores(4), Entitled: units}},
			want: []want{{0, Fits, []int{}}},
		},
		"nothing goes for a resize that is withdrawn": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(4), Entitled: units}},
			want: []want{{0, Fits, []int{}}},
		},
		"nothing goes for what would not fit even so": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(11), Entitled: units}},
			want: []want{{0, TooSmall, []int{}}},
		},
		"nothing goes for a pod that is not entitled": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(5)}},
			want: []want{{0, Unentitled, []int{}}},
		},
		"what goes anyway is waited for": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(6), Entitled: leaving}},
			want: []want{{0, Takes, []int{0}}},
		},
		"a system-critical pod takes what it is not entitled to only after the rest": {
			used: 10, pods: []Pod{{Allocated: cores(4), Desired: cores(8), Entitled: units[:1], ByPriority: units}},
			want: []want{{0, Takes, []int{2, 1}}},
		},
		"priority goes first, then the one that is deferred for longer": {
			used: 10,
			pods: []Pod{
				{UID: "a", Since: 5, Allocated: cores(1), Desired: cores(3), Entitled: units},
				{UID: "b", Since: 4, Allocated: cores(1), Desired: cores(3), Entitled: units},
				{UID: "c", Since: 9, Priority: 7, Allocated: cores(2), Desired: cores(4), Entitled: units},
			},
			want: []want{{2, Takes, []int{2}}, {1, Takes, []int{1}}, {0, Takes, []int{0}}},
		},
		"room that is left over is used before another placeholder goes": {
			used: 10,
			pods: []Pod{
				{UID: "a", Allocated: cores(2), Desired: cores(3), Entitled: units},
				{UID: "b", Allocated: cores(2), Desired: cores(3), Entitled: units},
			},
			want: []want{{0, Takes, []int{2}}, {1, Fits, []int{}}},
		},
		"a pod whose only placeholder goes for another is not served": {
			used: 10,
			pods: []Pod{
				{UID: "a", Allocated: cores(2), Desired: cores(4), Entitled: units[:1]},
				{UID: "b", Allocated: cores(2), Desired: cores(4), Entitled: units[:1]},
			},
			want: []want{{0, Takes, []int{0}}, {1, TooSmall, []int{}}},
		},
		"a pod that is not served leaves the room to the next": {
			used: 10,
			pods: []Pod{
				{UID: "a", Priority: 9, Allocated: cores(2), Desired: cores(20), Entitled: units},
				{UID: "b", Allocated: cores(2), Desired: cores(8), Entitled: units},
			},
			want: []want{{0, TooSmall, []int{}}, {1, Takes, []int{2, 1, 0}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []want
			for _, growth := range Decide(Node{Allocatable: evictionorder.Resources{20, 10_000, 0, 0}, Used: cores(tc.used), Pods: tc.pods}) {
				got = append(got, want{growth.Pod, growth.Outcome, taken(growth)})
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// drawNode draws a node that is not overcommitted, with placeholders and deferred resizes.
func drawNode(t *rapid.T) Node {
	amount := func(name string, most int64) evictionorder.Resources {
		amount := evictionorder.Resources{1, 0, 0, 0}
		for i, resource := range []string{" cpu", " memory", " storage"} {
			amount[i+1] = rapid.Int64Range(0, most).Draw(t, name+resource)
		}
		return amount
	}
	n := Node{Used: amount("others", 5)}
	var units []evictionorder.Placeholder
	for i := range rapid.IntRange(0, 6).Draw(t, "units") {
		u := evictionorder.Placeholder{
			UID: fmt.Sprintf("u%d", i), Index: i, Requests: amount("unit", 4), Created: rapid.Int64Range(0, 2).Draw(t, "created"),
			Priority: rapid.Int32Range(-2, -1).Draw(t, "unit priority"), Leaving: rapid.IntRange(0, 5).Draw(t, "leaving") == 0,
		}
		units = append(units, u)
		add(n.Used, u.Requests, 1)
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "pods") {
		p := Pod{
			UID: fmt.Sprintf("p%d", i), Priority: rapid.Int32Range(0, 2).Draw(t, "priority"), Since: rapid.Int64Range(0, 2).Draw(t, "since"),
			Allocated: amount("allocated", 4), Desired: amount("desired", 9),
		}
		for _, u := range units {
			if rapid.Bool().Draw(t, "entitled") {
				p.Entitled = append(p.Entitled, u)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "critical") == 0 {
			p.ByPriority = units
		}
		n.Pods = append(n.Pods, p)
		add(n.Used, p.Allocated, 1)
	}
	n.Allocatable = slices.Clone(n.Used)
	add(n.Allocatable, amount("free", 3), 1)
	n.Allocatable[evictionorder.Pods] = 100
	return n
}

// fits reports whether a kubelet would grow a pod of the node, with that much used by all.
func (n *Node) fits(pod *Pod, used evictionorder.Resources) bool {
	for i, want := range pod.Desired {
		if want > 0 && used[i]-pod.Allocated[i]+want > n.Allocatable[i] {
			return false
		}
	}
	return true
}

func TestWhatGoesIsEnoughAndNotTooMuchAndEntitled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t)
		used, gone := slices.Clone(n.Used), map[int]bool{}
		for _, growth := range Decide(n) {
			pod := &n.Pods[growth.Pod]
			mayTake := slices.Concat(pod.Entitled, pod.ByPriority)
			if growth.Outcome == TooSmall || growth.Outcome == Unentitled {
				require.Empty(t, growth.Victims)
				without, counted := slices.Clone(used), map[int]bool{}
				for _, u := range mayTake {
					if !gone[u.Index] && !counted[u.Index] {
						counted[u.Index] = true
						add(without, u.Requests, -1)
					}
				}
				require.False(t, n.fits(pod, without), "all that the pod may take would have done")
				continue
			}
			require.Equal(t, growth.Outcome == Fits, n.fits(pod, used))
			without := slices.Clone(used)
			for _, victim := range growth.Victims {
				require.False(t, gone[victim.Index], "a placeholder goes once")
				gone[victim.Index] = true
				require.True(t, slices.ContainsFunc(mayTake, func(u evictionorder.Placeholder) bool { return u.Index == victim.Index }))
				add(without, victim.Requests, -1)
			}
			require.True(t, n.fits(pod, without))
			for _, victim := range growth.Victims {
				with := slices.Clone(without)
				add(with, victim.Requests, 1)
				require.False(t, n.fits(pod, with), "a placeholder could have stayed")
			}
			used = without
			add(used, pod.Allocated, -1)
			add(used, pod.Desired, 1)
		}
	})
}

func TestTheDecisionDoesNotDependOnTheOrderOfPodsAndPlaceholders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t)
		byUID := func(n Node) map[string][]string {
			victims := map[string][]string{}
			for _, growth := range Decide(n) {
				list := []string{fmt.Sprint(growth.Outcome)}
				for _, victim := range growth.Victims {
					list = append(list, victim.UID)
				}
				victims[n.Pods[growth.Pod].UID] = list
			}
			return victims
		}
		want := byUID(n)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)) //nolint:gosec // a test's choice
		shuffled := n
		shuffled.Pods = slices.Clone(n.Pods)
		random.Shuffle(len(shuffled.Pods), func(i, j int) { shuffled.Pods[i], shuffled.Pods[j] = shuffled.Pods[j], shuffled.Pods[i] })
		for i := range shuffled.Pods {
			entitled := slices.Clone(shuffled.Pods[i].Entitled)
			random.Shuffle(len(entitled), func(i, j int) { entitled[i], entitled[j] = entitled[j], entitled[i] })
			shuffled.Pods[i].Entitled = entitled
		}
		require.Equal(t, want, byUID(shuffled))
	})
}
