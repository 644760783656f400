package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

// InstallCRD applies the CRD of the repository.
func (c *Cluster) InstallCRD(ctx context.Context) error {
	root, err := RepositoryRoot()
	if err != nil {
		return err
	}
	return c.ApplyFiles(ctx, filepath.Join(root, "manifests", "crd"))
}

// systemNamespace holds the product's service accounts and leases.
const systemNamespace = "headroom-system"

// The ways to deploy headroom-scheduler: folders under manifests/scheduler.
const (
	// SecondScheduler runs it beside kube-scheduler, for pods with schedulerName headroom-scheduler (deployment B).
	SecondScheduler = "second-scheduler"
	// MainScheduler runs it in place of kube-scheduler, for the profiles default-scheduler and headroom-scheduler
	// (deployment C).
	MainScheduler = "main-scheduler"
)

// RunController applies the CRD and the controller's manifests and runs headroom-controller with them (see
// RunDeployment), without ports, because two clusters on one machine would share them. args are added.
func (c *Cluster) RunController(ctx context.Context, args ...string) (*process.Process, error) {
	fixed := []string{
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect-lease-namespace=" + systemNamespace,
	}
	return c.runProduct(ctx, "headroom-controller", "controller", append(fixed, args...))
}

// RunHeadroomScheduler applies the CRD and the manifests of headroom-scheduler, deployed in one of the ways above,
// and runs it with them (see RunDeployment), without a port. args are added.
func (c *Cluster) RunHeadroomScheduler(ctx context.Context, way string, args ...string) (*process.Process, error) {
	return c.runProduct(ctx, "headroom-scheduler", filepath.Join("scheduler", way), append([]string{"--secure-port=0"}, args...))
}

func (c *Cluster) runProduct(ctx context.Context, name, manifests string, args []string) (*process.Process, error) {
	binary, err := FindProduct(name)
	if err != nil {
		return nil, err
	}
	if err := c.InstallCRD(ctx); err != nil {
		return nil, err
	}
	root, err := RepositoryRoot()
	if err != nil {
		return nil, err
	}
	objects, err := c.tools.Kustomize(ctx, filepath.Join(root, "manifests", manifests))
	if err != nil {
		return nil, err
	}
	p, err := c.RunDeployment(ctx, objects, binary, args...)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", name, err)
	}
	return p, nil
}
