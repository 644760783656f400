package headroom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	plugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

const (
	// deviceWait is how long a consumer waits for the devices of its victims after these are gone. kube-controller-manager frees them, within
	// a fraction of a second. Until the wait ends the devices are allocated to the consumer in the scheduler's memory, and no placeholder of
	// the refill gets them. A consumer that is bound after the wait is still credited with its evictions, see eviction.CreditLifetime.
	deviceWait = 45 * time.Second
	// devicePoll is how often it looks. What allocates devices hears of a claim after the informer's other listeners, and tells nobody.
	devicePoll = 10 * time.Millisecond
)

var _ fwk.PreBindPlugin = &Plugin{}

// deviceSwaps is what the plugin needs to let consumers take devices that placeholders hold, made when the first one asks for some.
type deviceSwaps struct {
	once    sync.Once
	devices *dryrun.Devices
}

// devices returns what asks about the devices of placeholders, nil if the profile does not let consumers take these.
func (p *Plugin) devices(ctx context.Context) *dryrun.Devices {
	p.deviceSwaps.once.Do(func() {
		remedy := devicesMisplaced(p.handle.ListPlugins())
		if remedy == "" {
			devices, err := dryrun.NewDevices(ctx, p.handle, p.features)
			if err == nil {
				p.deviceSwaps.devices = devices
				return
			}
			remedy = err.Error()
		}
		klog.FromContext(ctx).Error(nil, "No pod of this profile takes devices that placeholders hold", "profile", p.handle.ProfileName(),
			"remedy", remedy)
	})
	return p.deviceSwaps.devices
}

// devicesMisplaced says what a profile must change before consumers can take devices that placeholders hold, nothing if all is well.
func devicesMisplaced(enabled *schedulerconfig.Plugins) (remedy string) {
	if !comesBefore(enabled.PreFilter, plugins.DynamicResources, Name) {
		return "let DynamicResources come before Headroom under preFilter, as it does where both are enabled under multiPoint"
	}
	if !comesBefore(enabled.PreBind, Name, plugins.DynamicResources) {
		return "enable Headroom under preBind, so that it comes before DynamicResources: it evicts before devices are allocated"
	}
	return ""
}

// comesBefore reports whether both plugins are enabled, in this order.
func comesBefore(set schedulerconfig.PluginSet, first, second string) bool {
	index := func(name string) int {
		return slices.IndexFunc(set.Enabled, func(plugin schedulerconfig.Plugin) bool { return plugin.Name == name })
	}
	return index(first) >= 0 && index(first) < index(second)
}

// exposeDevices lets DynamicResources take the devices of the victims to be free for the rest of the cycle. It then allocates them in
// Reserve, so that no other pod of this scheduler gets them.
func (c *cycle) exposeDevices(state fwk.CycleState) {
	if c.swap.Devices == nil {
		return
	}
	c.devicesBefore, _ = state.Read(dryrun.DevicesKey)
	state.Write(dryrun.DevicesKey, c.swap.Devices.State)
}

// hideDevices undoes exposeDevices after a cycle in which the swap came to nothing.
func (c *cycle) hideDevices(state fwk.CycleState) {
	if c.devicesBefore != nil {
		state.Write(dryrun.DevicesKey, c.devicesBefore)
		c.devicesBefore = nil
	}
}

// exposedElsewhere reports whether the swap of the cycle exposes devices and is for another node. Devices of victims may be reachable from
// there, too, but nothing would be evicted.
func (c *cycle) exposedElsewhere(node string) bool {
	return c.swap != nil && c.swap.Devices != nil && c.swap.Node != node
}

// wakeForDevices has pods tried again that a Headroom entitles of which a placeholder with devices has just been bound. They may have come
// while the scheduler was about to bind it, when it held devices but could not be taken, and DynamicResources expects nothing of pods.
func (s *shared) wakeForDevices(ctx context.Context, old any, bound *corev1.Pod) {
	if before, ok := old.(*corev1.Pod); !ok || before.Spec.NodeName != "" || bound.Status.ExtendedResourceClaimStatus == nil {
		return
	}
	if owner, ok := placeholder.OwnerOf(bound, s.daemonSets); ok {
		s.waker.HeadroomChanged(ctx, owner.NamespacedName)
	}
}

// PreBindPreFlight says that PreBind has something to do only for a swap in which the consumer gets devices of victims. Where it has
// nothing to do it keeps no other plugins from running in parallel.
func (p *Plugin) PreBindPreFlight(
	_ context.Context, state fwk.CycleState, _ *corev1.Pod, node string,
) (*fwk.PreBindPreFlightResult, *fwk.Status) {
	if s := swapOn(state, node); s == nil || s.Devices == nil {
		return &fwk.PreBindPreFlightResult{AllowParallel: true}, fwk.NewStatus(fwk.Skip)
	}
	return &fwk.PreBindPreFlightResult{}, nil
}

// PreBind evicts the victims if the consumer gets devices of theirs, and returns when nobody holds these any more: after it,
// DynamicResources writes the consumer's own claim, and no device may be in two.
func (p *Plugin) PreBind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	s := swapOn(state, node)
	if s == nil || s.Devices == nil {
		return nil
	}
	if err := p.evict(ctx, s, pod); err != nil {
		return fwk.AsStatus(err)
	}
	wanted := func() bool { return !p.isGone(pod) }
	for _, claim := range s.Devices.Claims {
		if err := awaitFreed(ctx, p.handle.SharedDRAManager().ResourceClaims(), claim, wanted); err != nil {
			s.outcome = devicesStayed
			return fwk.AsStatus(fmt.Errorf("taking the devices of placeholders on node %s: %w", node, err))
		}
	}
	return nil
}

// awaitFreed returns when a claim that was allocated no longer is. It fails after deviceWait, and when nobody wants the devices any more.
func awaitFreed(ctx context.Context, claims fwk.ResourceClaimTracker, claim *resourcev1.ResourceClaim, wanted func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deviceWait, errDevicesStayed)
	defer cancel()
	ticker := time.NewTicker(devicePoll)
	defer ticker.Stop()
	for !isFreed(claims, claim) {
		if !wanted() {
			return errUnwanted
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for ResourceClaim %s/%s of a placeholder that is gone: %w",
				claim.Namespace, claim.Name, context.Cause(ctx))
		}
	}
	return nil
}

var (
	errDevicesStayed = fmt.Errorf(
		"it is still allocated after %s; look whether kube-controller-manager runs its controller of resource claims", deviceWait)
	errUnwanted = errors.New("the consumer was deleted meanwhile")
)

// isFreed reports whether a claim is gone, or allocated no longer, as far as what allocates devices knows. It knows later than the API
// server, and a claim of which it heard too late would free the device in its memory after the next claim has got it.
func isFreed(claims fwk.ResourceClaimTracker, claim *resourcev1.ResourceClaim) bool {
	current, err := claims.Get(claim.Namespace, claim.Name)
	if err != nil {
		return errors.Is(err, assumecache.ErrNotFound)
	}
	return current.UID != claim.UID || current.Status.Allocation == nil
}
