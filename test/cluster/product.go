package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
// RunDeployment), without ports, because two clusters on one machine would share them. args are added. It returns
// when the controller leads.
func (c *Cluster) RunController(ctx context.Context, args ...string) (*process.Process, error) {
	fixed := []string{
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect-lease-namespace=" + systemNamespace,
	}
	lease := client.ObjectKey{Namespace: systemNamespace, Name: "headroom-controller"}
	return c.runProduct(ctx, "headroom-controller", "controller", lease, append(fixed, args...))
}

// RunHeadroomScheduler applies the CRD and the manifests of headroom-scheduler, deployed in one of the ways above,
// and runs it with them (see RunDeployment), without a port. args are added. It returns when the scheduler leads.
func (c *Cluster) RunHeadroomScheduler(ctx context.Context, way string, args ...string) (*process.Process, error) {
	lease := client.ObjectKey{Namespace: systemNamespace, Name: "headroom-scheduler"}
	if way == MainScheduler {
		lease = client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "kube-scheduler"}
	}
	args = append([]string{"--secure-port=0"}, args...)
	return c.runProduct(ctx, "headroom-scheduler", filepath.Join("scheduler", way), lease, args)
}

// DeployController applies the CRD and the controller's manifests and returns headroom-controller, not running yet. server is how
// it finds the API server, as in Deploy.
func (c *Cluster) DeployController(ctx context.Context, server *rest.Config) (*Program, error) {
	return c.deployProduct(ctx, "headroom-controller", "controller", server)
}

// DeployHeadroomScheduler applies the CRD and the manifests of headroom-scheduler, deployed in one of the ways above, and returns it, not
// running yet. server is how it finds the API server, as in Deploy.
func (c *Cluster) DeployHeadroomScheduler(ctx context.Context, way string, server *rest.Config) (*Program, error) {
	return c.deployProduct(ctx, "headroom-scheduler", filepath.Join("scheduler", way), server)
}

func (c *Cluster) runProduct(
	ctx context.Context, name, manifests string, lease client.ObjectKey, args []string,
) (*process.Process, error) {
	program, err := c.deployProduct(ctx, name, manifests, c.RESTConfig())
	if err != nil {
		return nil, err
	}
	started := time.Now()
	p, err := program.Start(args...)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", name, err)
	}
	return p, c.waitLeads(ctx, p, lease, started)
}

func (c *Cluster) deployProduct(ctx context.Context, name, manifests string, server *rest.Config) (*Program, error) {
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
	program, err := c.Deploy(ctx, objects, binary, server)
	if err != nil {
		return nil, fmt.Errorf("deploying %s: %w", name, err)
	}
	return program, nil
}

// waitLeads waits until a lease was renewed after the program was started, which nobody but the program does. The lease of one that
// crashed lasts 15 seconds.
func (c *Cluster) waitLeads(ctx context.Context, p *process.Process, lease client.ObjectKey, started time.Time) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("it does not lead after %s", c.timeout))
	defer cancel()
	return p.WaitReady(ctx, func(ctx context.Context) error {
		held := &coordinationv1.Lease{}
		if err := cl.Get(ctx, lease, held); err != nil {
			return err
		}
		if renewed := held.Spec.RenewTime; renewed == nil || renewed.Time.Before(started) {
			return fmt.Errorf("the lease %s is not its own", lease)
		}
		return nil
	})
}
