package oracle

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
)

// gateName is the name of a Bind plugin that holds bindings back.
const gateName = "Gate"

// Gate lets pods be bound when it is open.
type Gate struct{ open <-chan struct{} }

// Pass waits until the gate is open, and fails if the context ends before.
func (g *Gate) Pass(ctx context.Context) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gate is the Gate before all Bind plugins of a profile.
type gate struct{ Gate }

// Name of the plugin.
func (*gate) Name() string { return gateName }

// Bind waits.
func (g *gate) Bind(ctx context.Context, _ fwk.CycleState, _ *corev1.Pod, _ string) *fwk.Status {
	if err := g.Pass(ctx); err != nil {
		return fwk.AsStatus(err)
	}
	return fwk.NewStatus(fwk.Skip)
}

// gated returns the profile under test and its plugins, with the gate before whatever binds.
func (s *Scheduler) gated(g *Gate) (config.KubeSchedulerProfile, frameworkruntime.Registry) {
	if s.Plugins != nil {
		return s.Profile, s.Plugins(g)
	}
	p := *s.Profile.DeepCopy()
	// Named twice: only plugins of all points keep the order in which they are named for one.
	p.Plugins.MultiPoint.Enabled = append(p.Plugins.MultiPoint.Enabled, config.Plugin{Name: gateName})
	p.Plugins.Bind.Enabled = append([]config.Plugin{{Name: gateName}}, p.Plugins.Bind.Enabled...)
	return p, frameworkruntime.Registry{gateName: func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
		return &gate{*g}, nil
	}}
}
