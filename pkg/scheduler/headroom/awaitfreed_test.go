package headroom

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
)

// oneClaim is what the scheduler knows of a claim.
type oneClaim struct {
	fwk.ResourceClaimTracker
	get func() (*resourcev1.ResourceClaim, error)
}

func (c oneClaim) Get(string, string) (*resourcev1.ResourceClaim, error) { return c.get() }

func claimNow(uid types.UID, allocated bool) *resourcev1.ResourceClaim {
	claim := &resourcev1.ResourceClaim{}
	claim.Namespace, claim.Name, claim.UID = "default", "web-headroom-0-extended-resources-x", uid
	if allocated {
		claim.Status.Allocation = &resourcev1.AllocationResult{}
	}
	return claim
}

func TestAConsumerWaitsUntilAClaimHoldsNothing(t *testing.T) {
	const freedAfter = 3 * time.Second
	for name, tc := range map[string]struct {
		later    *resourcev1.ResourceClaim
		laterErr error
		wanted   func(waited time.Duration) bool
		want     error
		wantWait time.Duration
	}{
		"it is not allocated any more": {later: claimNow("old", false), wantWait: freedAfter},
		"it is gone":                   {laterErr: &assumecache.NotFoundError{}, wantWait: freedAfter},
		"another one has its name":     {later: claimNow("new", true), wantWait: freedAfter},
		"it stays allocated, so the wait ends after a while": {
			later: claimNow("old", true), want: errDevicesStayed, wantWait: 45 * time.Second,
		},
		"it cannot be read, so it counts as it was": {laterErr: errors.New("broken"), want: errDevicesStayed, wantWait: 45 * time.Second},
		"the consumer is gone, so nobody wants the devices": {
			later: claimNow("old", true), want: errUnwanted, wantWait: time.Second,
			wanted: func(waited time.Duration) bool { return waited < time.Second },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				claims := oneClaim{get: func() (*resourcev1.ResourceClaim, error) {
					if time.Since(start) < freedAfter {
						return claimNow("old", true), nil
					}
					return tc.later, tc.laterErr
				}}
				wanted := func() bool { return tc.wanted == nil || tc.wanted(time.Since(start)) }

				err := awaitFreed(context.Background(), claims, claimNow("old", true), wanted)

				require.ErrorIs(t, err, tc.want)
				require.InDelta(t, tc.wantWait, time.Since(start), float64(devicePoll))
			})
		})
	}
}

// TestP13AConsumerThatWaitedForDevicesIsCredited: however long it waited, the scheduler still knows what was evicted for it when it is bound,
// and the controller still looks for who took that.
func TestP13AConsumerThatWaitedForDevicesIsCredited(t *testing.T) {
	require.Less(t, deviceWait, eviction.CreditLifetime)
	require.Less(t, eviction.CreditLifetime, account.Patience)
}

func TestAProfileSaysWhatKeepsDevicesFromBeingTaken(t *testing.T) {
	set := func(names ...string) schedulerconfig.PluginSet {
		s := schedulerconfig.PluginSet{}
		for _, name := range names {
			s.Enabled = append(s.Enabled, schedulerconfig.Plugin{Name: name})
		}
		return s
	}
	good := schedulerconfig.Plugins{
		PreFilter: set("VolumeBinding", "DynamicResources", Name), PreBind: set("VolumeBinding", Name, "DynamicResources"),
	}
	for name, tc := range map[string]struct {
		change func(*schedulerconfig.Plugins)
		want   string
	}{
		"as in the manifests":                        {func(*schedulerconfig.Plugins) {}, ""},
		"without DynamicResources":                   {func(p *schedulerconfig.Plugins) { p.PreFilter = set(Name) }, "preFilter"},
		"the plugin goes first":                      {func(p *schedulerconfig.Plugins) { p.PreFilter = set(Name, "DynamicResources") }, "preFilter"},
		"devices are allocated first":                {func(p *schedulerconfig.Plugins) { p.PreBind = set("DynamicResources", Name) }, "preBind"},
		"the plugin does not take part before binds": {func(p *schedulerconfig.Plugins) { p.PreBind = set("DynamicResources") }, "preBind"},
	} {
		t.Run(name, func(t *testing.T) {
			enabled := good
			tc.change(&enabled)
			remedy := devicesMisplaced(&enabled)
			require.Equal(t, tc.want == "", remedy == "", remedy)
			require.Contains(t, remedy, tc.want)
		})
	}
}
