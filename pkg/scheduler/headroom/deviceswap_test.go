package headroom

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// known is what DynamicResources would keep in a cycle.
type known struct{ text string }

func (k *known) Clone() fwk.StateData { return k }

func TestAPodThatTakesDevicesGoesToNoOtherNode(t *testing.T) {
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
		pods:  []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), unit(hr("open", "1"), 1, "b").Obj()},
	})
	pod := wants("1").Obj()
	c, state := f.decided(t, pod)
	require.Equal(t, "a", c.swap.Node)
	empty := framework.NewNodeInfo()
	empty.SetNode(builders.Node("c", "z-1", res("1")).Obj())
	require.True(t, f.Filter(t.Context(), state, pod, empty).IsSuccess(), "an ordinary swap exposes nothing")

	c.swap.Devices = &selection.Devices{}

	for _, node := range f.nodes { // in the snapshot's own order
		require.Equal(t, node.Node().Name == "a", f.Filter(t.Context(), state, pod, node).IsSuccess(), node.Node().Name)
	}
	require.False(t, f.Filter(t.Context(), state, pod, empty).IsSuccess())
}

func TestDevicesAreExposedUntilTheSwapComesToNothing(t *testing.T) {
	before, exposed := &known{"before"}, &known{"exposed"}
	state, c := framework.NewCycleState(), &cycle{swap: &swap{Swap: &selection.Swap{}}}
	state.Write(dryrun.DevicesKey, before)
	read := func() fwk.StateData {
		data, err := state.Read(dryrun.DevicesKey)
		require.NoError(t, err)
		return data
	}

	c.exposeDevices(state)
	require.Equal(t, before, read(), "an ordinary swap exposes nothing")
	c.swap.Devices = &selection.Devices{State: exposed}
	c.exposeDevices(state)
	require.Equal(t, exposed, read())
	c.hideDevices(state)
	require.Equal(t, before, read())
}

func TestDryRunsOfPreemptionDoNotCountDevicesOfASwapThatCameToNothing(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	c, before := cycleOf(state), &known{"before"}
	state.Write(dryrun.DevicesKey, before)
	c.swap.Devices = &selection.Devices{State: &known{"exposed"}}
	c.exposeDevices(state)
	f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	data, err := state.Read(dryrun.DevicesKey)
	require.NoError(t, err)
	require.Equal(t, before, data)
	require.Empty(t, c.victimsOn("a"), "nor its victims as gone")
}

func TestPreBindIsForSwapsOfDevicesOnly(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	flight := func(node string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
		return f.PreBindPreFlight(t.Context(), state, pod, node)
	}
	result, status := flight("a")
	require.True(t, status.IsSkip())
	require.True(t, result.AllowParallel, "it keeps no other plugin from running in parallel")
	require.True(t, f.PreBind(t.Context(), state, pod, "a").IsSuccess())
	require.Empty(t, f.client.Actions(), "nothing is evicted before the binding")

	cycleOf(state).swap.Devices = &selection.Devices{}
	result, status = flight("a")
	require.True(t, status.IsSuccess())
	require.False(t, result.AllowParallel, "DynamicResources has to wait for the eviction")
	require.True(t, f.PreBind(t.Context(), state, pod, "a").IsSuccess())
	require.Equal(t, []string{"delete"}, verbsOf(f))
	_, status = flight("b")
	require.True(t, status.IsSkip())
}

// allocates is the framework of a profile that lets pods take the devices of placeholders, and knows of one claim.
type allocates struct {
	framework.Framework
	claims oneClaim
}

func (a allocates) SharedDRAManager() fwk.SharedDRAManager { return claimsOf{claims: a.claims} }

func (a allocates) ListPlugins() *schedulerconfig.Plugins {
	own, stock := schedulerconfig.Plugin{Name: Name}, schedulerconfig.Plugin{Name: "DynamicResources"}
	plugins := a.Framework.ListPlugins().DeepCopy()
	plugins.PreFilter.Enabled, plugins.PreBind.Enabled = []schedulerconfig.Plugin{stock, own}, []schedulerconfig.Plugin{own, stock}
	return plugins
}

type claimsOf struct {
	fwk.SharedDRAManager
	claims oneClaim
}

func (c claimsOf) ResourceClaims() fwk.ResourceClaimTracker { return c.claims }

func TestOnlyAProfileThatAllocatesDevicesAfterEvictionsTakesThem(t *testing.T) {
	f := newFixture(t, cluster{})
	require.Nil(t, f.devices(t.Context()))
	f = newFixture(t, cluster{})
	f.handle = allocates{Framework: f.handle}
	devices := f.devices(t.Context())
	require.NotNil(t, devices)
	require.Same(t, devices, f.selector.Devices(t.Context()), "what selects goes by them")
	require.Same(t, devices, f.devices(t.Context()))
}

// withoutDevices is the framework of a profile in which nothing allocates devices, though its plugins are in their places.
type withoutDevices struct{ allocates }

func (withoutDevices) SharedDRAManager() fwk.SharedDRAManager { return nil }

// TestAnOperatorIsToldWhyNoDevicesOfPlaceholdersAreTaken, once, and what to change.
func TestAnOperatorIsToldWhyNoDevicesOfPlaceholdersAreTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		profile func(framework.Framework) framework.Framework
		want    string
	}{
		"the plugin misses one beside it": {
			profile: func(of framework.Framework) framework.Framework { return of },
			want:    "let DynamicResources come before Headroom under preFilter",
		},
		"the scheduler allocates none": {
			profile: func(of framework.Framework) framework.Framework { return withoutDevices{allocates{Framework: of}} },
			want:    "turn the feature gate DynamicResourceAllocation on",
		},
		"all is well": {profile: func(of framework.Framework) framework.Framework { return allocates{Framework: of} }},
	} {
		t.Run(name, func(t *testing.T) {
			var logged []string
			ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
			f := newFixture(t, cluster{})
			f.handle = tc.profile(f.handle)
			for range 2 {
				require.Equal(t, tc.want == "", f.devices(ctx) != nil)
			}
			if tc.want == "" {
				require.Empty(t, logged)
				return
			}
			require.Len(t, logged, 1)
			require.Contains(t, logged[0], tc.want)
		})
	}
}

// claimsByName are what the scheduler knows of some claims.
type claimsByName struct {
	fwk.ResourceClaimTracker
	get func(name string) (*resourcev1.ResourceClaim, error)
}

func (c claimsByName) Get(_, name string) (*resourcev1.ResourceClaim, error) { return c.get(name) }

// allocatesMany is the framework of a profile that lets pods take the devices of placeholders, and knows of several claims.
type allocatesMany struct {
	allocates
	claims claimsByName
}

func (a allocatesMany) SharedDRAManager() fwk.SharedDRAManager { return manyClaims{claims: a.claims} }

type manyClaims struct {
	fwk.SharedDRAManager
	claims claimsByName
}

func (m manyClaims) ResourceClaims() fwk.ResourceClaimTracker { return m.claims }

// TestAConsumerOfDevicesWaitsForAllOfThem, of which any may be the last to be free.
func TestAConsumerOfDevicesWaitsForAllOfThem(t *testing.T) {
	for _, last := range []string{"first", "second"} {
		synctest.Test(t, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			claim := func(name string, allocated bool) *resourcev1.ResourceClaim {
				c := claimNow(types.UID(name), allocated)
				c.Name = name
				return c
			}
			cycleOf(state).swap.Devices = &selection.Devices{Claims: []*resourcev1.ResourceClaim{claim("first", true), claim("second", true)}}
			start := time.Now()
			f.handle = allocatesMany{allocates{Framework: f.handle}, claimsByName{get: func(name string) (*resourcev1.ResourceClaim, error) {
				return claim(name, name == last && time.Since(start) < time.Second), nil
			}}}
			require.True(t, f.PreBind(t.Context(), state, pod, "a").IsSuccess())
			require.InDelta(t, time.Second, time.Since(start), float64(devicePoll))
		})
	}
}

// TestAConsumerGetsNoDevicesOfAPlaceholderThatIsNotEvicted: they would be in two claims.
func TestAConsumerGetsNoDevicesOfAPlaceholderThatIsNotEvicted(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	cycleOf(state).swap.Devices = &selection.Devices{}
	f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "open-headroom-0", errors.New("no"))
	})
	require.Equal(t, fwk.Error, f.PreBind(t.Context(), state, pod, "a").Code())
	require.Equal(t, evictionRefused, cycleOf(state).swap.outcome)
}

func TestASwapWhoseDevicesAreNotFreedIsCountedAsThat(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	cycleOf(state).swap.Devices = &selection.Devices{Claims: []*resourcev1.ResourceClaim{claimNow("claim", true)}}
	f.handle = allocates{f.handle, oneClaim{get: func() (*resourcev1.ResourceClaim, error) {
		return claimNow("claim", true), f.factory.Core().V1().Pods().Informer().GetStore().Delete(pod) // so that nobody waits for it
	}}}
	status := f.PreBind(t.Context(), state, pod, "a")
	require.Equal(t, fwk.Error, status.Code())
	require.ErrorIs(t, status.AsError(), errUnwanted)
	require.Equal(t, devicesStayed, cycleOf(state).swap.outcome)
	before := counts(t, "headroom_scheduler_swaps_total")["devices_stayed"]
	f.Unreserve(t.Context(), state, pod, "a")
	require.InDelta(t, 1, counts(t, "headroom_scheduler_swaps_total")["devices_stayed"]-before, 0)
}

// verbsOf are the requests about pods.
func verbsOf(f *fixture) (verbs []string) {
	for _, action := range f.client.Actions() {
		if action.GetResource().Resource == "pods" {
			verbs = append(verbs, action.GetVerb())
		}
	}
	return verbs
}
