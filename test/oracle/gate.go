package oracle

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
)

// gateName is the name of a Bind plugin that holds bindings back.
const gateName = "Gate"

// gate lets pods be bound, by the plugins behind it, when it is open.
type gate struct{ open <-chan struct{} }

// Name of the plugin.
func (*gate) Name() string { return gateName }

// Bind waits.
func (g *gate) Bind(ctx context.Context, _ fwk.CycleState, _ *corev1.Pod, _ string) *fwk.Status {
	select {
	case <-g.open:
		return fwk.NewStatus(fwk.Skip)
	case <-ctx.Done():
		return fwk.AsStatus(ctx.Err())
	}
}

// gated puts the gate before the other Bind plugins of the profile. It is named twice: only plugins of all points keep the order in which
// they are named for one.
func gated(profile config.KubeSchedulerProfile) config.KubeSchedulerProfile {
	p := *profile.DeepCopy()
	p.Plugins.MultiPoint.Enabled = append(p.Plugins.MultiPoint.Enabled, config.Plugin{Name: gateName})
	p.Plugins.Bind.Enabled = append([]config.Plugin{{Name: gateName}}, p.Plugins.Bind.Enabled...)
	return p
}
