package schedulerharness

import (
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
)

// HeadroomScheduler is the name of the profile with the plugin, in both configurations that the manifests ship.
const HeadroomScheduler = "headroom-scheduler"

// SecondScheduler returns the configuration of a second scheduler as it is shipped: one profile, with the plugin.
func SecondScheduler(t *testing.T) *config.KubeSchedulerConfiguration {
	t.Helper()
	return shipped(t, "second-scheduler")
}

// MainScheduler returns the configuration of the cluster's scheduler as it is shipped: two profiles, one with the plugin.
func MainScheduler(t *testing.T) *config.KubeSchedulerConfiguration {
	t.Helper()
	return shipped(t, "main-scheduler")
}

func shipped(t *testing.T, deployment string) *config.KubeSchedulerConfiguration {
	t.Helper()
	return loadConfig(t, filepath.Join(repositoryRoot(), "manifests", "scheduler", deployment, "scheduler-config.yaml"))
}

// StartHeadroom starts a scheduler into which the plugin is compiled. Nil faults: no request is touched.
func (c *Cluster) StartHeadroom(t *testing.T, cfg *config.KubeSchedulerConfiguration, faults *Faults) *Scheduler {
	t.Helper()
	return c.StartScheduler(t, SchedulerOptions{Config: cfg, Faults: faults, Registry: registry()})
}

// StartHeadroomBehind is StartHeadroom for a scheduler that reaches the API server by way of another server.
func (c *Cluster) StartHeadroomBehind(t *testing.T, cfg *config.KubeSchedulerConfiguration, server *rest.Config) *Scheduler {
	t.Helper()
	return c.StartScheduler(t, SchedulerOptions{Config: cfg, Server: server, Registry: registry()})
}

func registry() frameworkruntime.Registry {
	return frameworkruntime.Registry{headroom.Name: headroom.New, headroom.QueueSortName: headroom.NewQueueSort}
}
