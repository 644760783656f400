package cluster

import (
	"context"
	"time"

	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

// programGrace is how long a program of RunProcess has to end gracefully.
const programGrace = 10 * time.Second

// RunProcess runs a further program, which ends with the cluster: by SIGTERM and, ten seconds later, SIGKILL. Its log
// is LogDir/NAME.log; Died tells when it ends by itself.
func (c *Cluster) RunProcess(name, path string, args ...string) (*process.Process, error) {
	return c.watch(process.Spec{Name: name, Path: path, Args: args, Grace: programGrace})
}

// RunScheduler runs a kube-scheduler (or one with plugins) as system:kube-scheduler, the name that Kubernetes' own
// RBAC rules are bound to, without leader election and without a port. args are added.
func (c *Cluster) RunScheduler(name, path string, args ...string) (*process.Process, error) {
	program, err := c.DeployScheduler(name, path, c.RESTConfig())
	if err != nil {
		return nil, err
	}
	return program.Start(args...)
}

// DeployScheduler does for a scheduler what RunScheduler does before it runs it. server is how it finds the API server, as in Deploy.
func (c *Cluster) DeployScheduler(name, path string, server *rest.Config) (*Program, error) {
	config := c.schedulerConfig()
	config.Host, config.CAData = server.Host, server.CAData
	kubeconfig, err := c.writeKubeconfig(name, config)
	if err != nil {
		return nil, err
	}
	return &Program{cluster: c, name: name, binary: path, args: []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000",
	}}, nil
}

// KubeconfigFor writes a kubeconfig file of a service account into the cluster's temporary folder and returns its path.
func (c *Cluster) KubeconfigFor(ctx context.Context, namespace, serviceAccount string) (string, error) {
	config, err := c.ConfigFor(ctx, namespace, serviceAccount)
	if err != nil {
		return "", err
	}
	return c.writeKubeconfig(namespace+"."+serviceAccount, config)
}
