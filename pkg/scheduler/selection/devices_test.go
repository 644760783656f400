package selection

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

// deviceUnitOf is placeholder number i of the Headroom open as it was when its units had that many devices.
func deviceUnitOf(i int, node, count string) *corev1.Pod {
	pod := deviceUnit(i, node)
	pod.Spec.Containers[0].Resources.Requests[gpu] = resource.MustParse(count)
	return pod
}

// TestNodesWhoseUnitsHoldDevicesAreRankedByTheRules has node a first by its name, and node b by the rule of the case. No device is
// free, and as much CPU as a unit holds is lacking.
func TestNodesWhoseUnitsHoldDevicesAreRankedByTheRules(t *testing.T) {
	for name, tc := range map[string]struct {
		units  func(allocate func(pod *corev1.Pod, devices ...string) *corev1.Pod) []*corev1.Pod
		spread bool
		want   string
		rule   evictionorder.NodeRule
		waste  int64
	}{
		"by name": {
			want: "a", rule: evictionorder.NodeName,
			units: func(allocate func(*corev1.Pod, ...string) *corev1.Pod) []*corev1.Pod {
				return []*corev1.Pod{allocate(deviceUnit(0, "a"), "u"), allocate(deviceUnit(1, "b"), "v")}
			},
		},
		"by name where they waste as much": {
			want: "a", rule: evictionorder.NodeName, waste: 500_000, // one of two devices, in millionths
			units: func(allocate func(*corev1.Pod, ...string) *corev1.Pod) []*corev1.Pod {
				return []*corev1.Pod{allocate(deviceUnitOf(0, "a", "2"), "u", "v"), allocate(deviceUnitOf(1, "b", "2"), "w", "x")}
			},
		},
		"by the devices that are wasted": {
			want: "b", rule: evictionorder.NodeLeastWaste,
			units: func(allocate func(*corev1.Pod, ...string) *corev1.Pod) []*corev1.Pod {
				return []*corev1.Pod{allocate(deviceUnitOf(0, "a", "2"), "u", "v"), allocate(deviceUnit(1, "b"), "w")}
			},
		},
		"by how many go, with devices or without": {
			want: "b", rule: evictionorder.NodeFewestEvictions,
			units: func(allocate func(*corev1.Pod, ...string) *corev1.Pod) []*corev1.Pod {
				return []*corev1.Pod{
					allocate(deviceUnit(0, "a"), "u"), sized(1, "a", "100m"), allocate(deviceUnit(2, "b"), "v"),
				}
			},
		},
		"by what is left around them": {
			want: "b", rule: evictionorder.NodeSpread, spread: true,
			units: func(allocate func(*corev1.Pod, ...string) *corev1.Pod) []*corev1.Pod {
				return []*corev1.Pod{allocate(deviceUnit(0, "a"), "u"), allocate(deviceUnit(1, "b"), "v"), sized(2, "c", "100m")}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &devices{}
			units := tc.units(func(pod *corev1.Pod, names ...string) *corev1.Pod {
				d.names = append(d.names, names...)
				return d.allocate(pod, names...)
			})
			units = append(units, on("a", "x", "800m").Obj(), on("b", "y", "800m").Obj())
			f := newFixtureWith(t, d, []*corev1.Node{node("a", "z-1", "1"), node("b", "z-2", "1"), node("c", "z-2", "100m")}, units...)
			if tc.spread {
				spread := builders.Headroom("open", res("1")).Namespace("default").UID("uid-open").SpreadOver(corev1.LabelTopologyZone).Obj()
				require.NoError(t, f.Catalog.Set(spread))
			}
			pod := builders.Consumer("consumer", builders.Resources{"cpu": "200m", gpu: "1"}).Namespace("default").UID("consumer").Obj()
			swap := f.selected(t.Context(), t, pod)
			require.NotNil(t, swap)
			require.Equal(t, tc.want, swap.Node)
			require.Contains(t, swap.Why, tc.rule.String())
			require.Equal(t, tc.waste, swap.Waste)
		})
	}
}

// TestTheNextNodeIsTakenIfTheDevicesOfTheBestAreNotEnough has units on node a and b, of which those of b alone hold as many as are wanted.
func TestTheNextNodeIsTakenIfTheDevicesOfTheBestAreNotEnough(t *testing.T) {
	d := &devices{names: []string{"u", "v", "w"}}
	f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")},
		d.allocate(deviceUnit(0, "a"), "u"), d.allocate(deviceUnitOf(1, "b", "2"), "v", "w"))
	swap := f.selected(t.Context(), t, wantsDevices("2"))
	require.NotNil(t, swap)
	require.Equal(t, "b", swap.Node)
	require.Equal(t, d.claims[1:], swap.Devices.Claims)
	require.NotNil(t, swap.Devices.State, "what DynamicResources has to go by")
}

func TestDevicesThatAreNotToBeHad(t *testing.T) {
	for name, tc := range map[string]struct {
		count  string
		change func(t *testing.T, f *fixture)
		want   bool
	}{
		"they are to be had": {count: "1", change: func(*testing.T, *fixture) {}, want: true},
		"another pod gets them": {count: "1", change: func(_ *testing.T, f *fixture) {
			f.reserved["open-headroom-0"] = true
		}},
		"another pod gets the room beside them": {count: "1", change: func(t *testing.T, f *fixture) {
			f.nominate(t, builders.Consumer("other", res("950m")).Namespace("default").UID("other").Obj(), "a")
		}},
		"they are others'": {count: "1", change: func(t *testing.T, f *fixture) {
			require.NoError(t, f.Catalog.Set(forApp("open", "nobody")))
		}},
		"the scheduler cannot take them": {count: "1", change: func(_ *testing.T, f *fixture) { f.Devices = nil }},
		"they are too few":               {count: "2", change: func(*testing.T, *fixture) {}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &devices{names: []string{"u"}}
			f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1")}, d.allocate(deviceUnit(0, "a"), "u"))
			tc.change(t, f)
			if !tc.want {
				f.requireSwap(t, wantsDevices(tc.count), "")
				return
			}
			f.requireSwap(t, wantsDevices(tc.count), "a", "open-headroom-0")
		})
	}
}

func TestNobodyAsksAboutDevicesForAPodThatWantsNone(t *testing.T) {
	d := &devices{names: []string{"u"}}
	f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1100m")}, d.allocate(deviceUnit(0, "a"), "u"), unit(1, "a"))
	asked := 0
	devices := f.Devices
	f.Devices = func(ctx context.Context) *dryrun.Devices {
		asked++
		return devices(ctx)
	}
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-1")
	require.Zero(t, asked)
	f.requireSwap(t, wantsDevices("1"), "a", "open-headroom-0")
	require.Positive(t, asked)
}

// TestDevicesOfADevicePluginAreRoomLikeAnyOther: the node has them by itself.
func TestDevicesOfADevicePluginAreRoomLikeAnyOther(t *testing.T) {
	has := builders.Node("a", "z", builders.Resources{"cpu": "1", gpu: "1"}).Obj()
	f := newFixtureWith(t, &devices{}, []*corev1.Node{has}, deviceUnit(0, "a"))
	f.requireSwap(t, wantsDevices("1"), "a", "open-headroom-0")
	f.requireSwap(t, wantsDevices("2"), "")
}

func TestWithoutTheFeatureAnExtendedResourceIsNoDevice(t *testing.T) {
	f := newFixtureWith(t, &devices{}, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	require.NotEmpty(t, f.consumer(t, wantsDevices("1")).devices)
	f.Features.EnableDRAExtendedResource = false
	require.Empty(t, f.consumer(t, wantsDevices("1")).devices)
}

func TestNoKindOfDeviceIsShortOnANodeThatHasNone(t *testing.T) {
	f := newFixtureWith(t, &devices{}, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	candidates := func(resource corev1.ResourceName) int {
		pod := builders.Consumer("consumer", builders.Resources{"cpu": "1", gpu: "1", resource: "1"}).Namespace("default").UID("consumer")
		return f.CountCandidates(f.consumer(t, pod.Obj()))
	}
	require.Equal(t, 1, candidates(nic), "that is for DynamicResources to say")
	require.Zero(t, candidates("example.com/slots"), "what is no device has to be there")
}

func TestPodsThatAreNominatedToANodeWithDevicesNeedTheirRoom(t *testing.T) {
	d := &devices{names: []string{"u"}}
	f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "200m")}, d.allocate(deviceUnit(0, "a"), "u"), sized(1, "a", "100m"))
	f.requireSwap(t, wantsDevices("1"), "a", "open-headroom-0")
	f.nominate(t, another("other", "100m"), "a")
	f.requireSwap(t, wantsDevices("1"), "a", "open-headroom-0", "open-headroom-1")
}

// ending is a Filter that counts how often it is asked, and ends the cycle while it is asked for the last time.
type ending struct {
	fwk.FilterPlugin
	asked, last int
	end         context.CancelFunc
}

func (e *ending) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	if e.asked++; e.asked == e.last {
		e.end()
	}
	return e.FilterPlugin.Filter(ctx, state, pod, info)
}

// TestASearchForDevicesThatIsCutShortFindsNothing: one device is free, so that the unit without any is enough.
func TestASearchForDevicesThatIsCutShortFindsNothing(t *testing.T) {
	selected := func(last int) (swap *Swap, asked int) {
		d := &devices{names: []string{"u", "v"}}
		f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "200m")}, d.allocate(deviceUnit(1, "a"), "u"), sized(0, "a", "100m"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		filter := &ending{last: last, end: cancel}
		run, c := f.run(t, wantsDevices("1")), f.consumer(t, wantsDevices("1"))
		filter.FilterPlugin, f.prober.FilterPlugin = f.prober.FilterPlugin, filter
		return f.Select(ctx, run, c).Swap, filter.asked
	}
	swap, asked := selected(0)
	require.NotNil(t, swap)
	require.Len(t, swap.Victims, 1)
	require.Nil(t, swap.Devices, "nothing has to be confirmed")
	require.Greater(t, asked, 1)
	for last := range asked {
		swap, _ = selected(last + 1)
		require.Nil(t, swap, "while the plugins are asked for time %d of %d", last+1, asked)
	}
}

// TestNothingGoesForDevicesOfWhichNobodyKnows, at whatever time DynamicResources cannot tell.
func TestNothingGoesForDevicesOfWhichNobodyKnows(t *testing.T) {
	selected := func(broken int) (swap *Swap, asked int) {
		d := &devices{names: []string{"u"}}
		f := newFixtureWith(t, d, []*corev1.Node{node("a", "z", "1")}, d.allocate(deviceUnit(0, "a"), "u"))
		run, c := f.run(t, wantsDevices("1")), f.consumer(t, wantsDevices("1"))
		d.asked, d.broken = 0, broken
		return f.Select(t.Context(), run, c).Swap, d.asked
	}
	swap, asked := selected(0)
	require.NotNil(t, swap)
	require.NotNil(t, swap.Devices.State)
	require.Positive(t, asked)
	for broken := range asked {
		swap, _ = selected(broken + 1)
		require.Nil(t, swap, "time %d of %d", broken+1, asked)
	}
}
