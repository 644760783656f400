package dryrun

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
)

// DevicesKey is where the plugin DynamicResources keeps in a cycle what its Filter and all that follows go by.
const DevicesKey fwk.StateKey = dynamicresources.Name

// Devices makes the plugin DynamicResources of a profile take devices to be free that claims hold. It has a DynamicResources of its own, of
// which only PreFilter runs: what that leaves in a cycle state is the same for the profile's DynamicResources. Methods may be called
// concurrently.
type Devices struct {
	claims fwk.ResourceClaimTracker

	mu     sync.Mutex
	plugin fwk.PreFilterPlugin
	freed  *freed
}

// NewDevices returns the Devices of a profile. It fails if the scheduler does not know about devices.
func NewDevices(ctx context.Context, handle fwk.Handle, features feature.Features) (*Devices, error) {
	manager := handle.SharedDRAManager()
	if manager == nil {
		return nil, errors.New("the scheduler allocates no devices; turn the feature gate DynamicResourceAllocation on")
	}
	d := &Devices{claims: manager.ResourceClaims(), freed: &freed{ResourceClaimTracker: manager.ResourceClaims()}}
	plugin, err := dynamicresources.New(ctx, &schedulerconfig.DynamicResourcesArgs{}, &devicesHandle{
		Handle: handle, manager: &devicesManager{SharedDRAManager: manager, claims: d.freed},
		// The plugin indexes pods, for extension points that do not run here. These informers never start, so that costs nothing.
		informers: informers.NewSharedInformerFactory(handle.ClientSet(), 0),
	}, features)
	if err != nil {
		return nil, fmt.Errorf("embedding %s: %w", dynamicresources.Name, err)
	}
	preFilter, ok := plugin.(fwk.PreFilterPlugin)
	if !ok {
		return nil, fmt.Errorf("embedding %s: it has no PreFilter", dynamicresources.Name)
	}
	d.plugin = preFilter
	return d, nil
}

// ClaimOf returns the claim that holds devices for a pod that asks for them as extended resources, nil if none does. The pod's status names
// it, which only schedulers and kubelets write.
func (d *Devices) ClaimOf(pod *corev1.Pod) *resourcev1.ResourceClaim {
	status := pod.Status.ExtendedResourceClaimStatus
	if status == nil {
		return nil
	}
	claim, err := d.claims.Get(pod.Namespace, status.ResourceClaimName)
	if err != nil || claim.Status.Allocation == nil || !metav1.IsControlledBy(claim, pod) {
		return nil
	}
	return claim
}

// Freed returns what DynamicResources would go by in a cycle of a pod, under DevicesKey, if the devices of some claims were free. No device
// of these may be on its way to another pod already.
func (d *Devices) Freed(
	ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, claims []*resourcev1.ResourceClaim,
) (fwk.StateData, error) {
	state := framework.NewCycleState()
	state.SetPodGroupSchedulingCycle(cycle.GetPodGroupSchedulingCycle())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.freed.hidden = claims
	defer func() { d.freed.hidden = nil }()
	if _, status := d.plugin.PreFilter(ctx, state, pod, nil); !status.IsSuccess() {
		return nil, fmt.Errorf("asking %s without %d claims: %s %s", dynamicresources.Name, len(claims), status.Code(), status.Message())
	}
	return state.Read(DevicesKey)
}

// PassesFreed is Passes with what Devices.Freed returned.
func (r *Run) PassesFreed(ctx context.Context, node fwk.NodeInfo, without []*corev1.Pod, devices fwk.StateData) bool {
	state := leavingOut(&devicesState{CycleState: r.state, devices: devices}, without)
	return r.allows(node) && r.profile.handle.RunFilterPluginsWithNominatedPods(ctx, state, r.pod, node).IsSuccess()
}

// FreedFor is Devices.Freed for the pod of the run.
func (r *Run) FreedFor(ctx context.Context, d *Devices, claims []*resourcev1.ResourceClaim) (fwk.StateData, error) {
	return d.Freed(ctx, r.cycle, r.pod, claims)
}

// devicesState is a cycle state in which DynamicResources finds something else.
type devicesState struct {
	fwk.CycleState
	devices fwk.StateData
}

// Read returns the other state of DynamicResources, and of all else what the cycle has.
func (s *devicesState) Read(key fwk.StateKey) (fwk.StateData, error) {
	if key == DevicesKey {
		return s.devices, nil
	}
	return s.CycleState.Read(key)
}

// Clone keeps the other state.
func (s *devicesState) Clone() fwk.CycleState {
	return &devicesState{CycleState: s.CycleState.Clone(), devices: s.devices.Clone()}
}

// devicesHandle is the handle of the embedded plugin.
type devicesHandle struct {
	fwk.Handle
	manager   fwk.SharedDRAManager
	informers informers.SharedInformerFactory
}

// SharedDRAManager hides what Freed is asked to hide.
func (h *devicesHandle) SharedDRAManager() fwk.SharedDRAManager { return h.manager }

// SharedInformerFactory has informers that never start.
func (h *devicesHandle) SharedInformerFactory() informers.SharedInformerFactory { return h.informers }

// devicesManager is the scheduler's, with other claims.
type devicesManager struct {
	fwk.SharedDRAManager
	claims fwk.ResourceClaimTracker
}

// ResourceClaims hides what Freed is asked to hide.
func (m *devicesManager) ResourceClaims() fwk.ResourceClaimTracker { return m.claims }
