package schedulerharness

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/test/integration/util"
)

// SchedulerOptions say which scheduler to start. The zero value is a stock kube-scheduler.
type SchedulerOptions struct {
	// Config is the configuration of the scheduler. Nil: kube-scheduler's default.
	Config *config.KubeSchedulerConfiguration
	// Registry holds the plugins compiled in beside Kubernetes' own.
	Registry frameworkruntime.Registry
	// Faults sees every request of this scheduler. Nil: none is touched.
	Faults *Faults
	// Server is how the scheduler finds the API server, its Host and CAData alone: a proxy. Nil: directly.
	Server *rest.Config
}

// Scheduler is a scheduler that runs in the test's process.
type Scheduler struct {
	// Scheduler is the running scheduler, for tests that look into its queue or cache.
	*scheduler.Scheduler

	faults *Faults
	stop   context.CancelFunc
	done   chan struct{}
}

// loadConfig reads a KubeSchedulerConfiguration from a file below the repository's root, as kube-scheduler does: decoded strictly, with
// defaults.
func loadConfig(t *testing.T, file string) *config.KubeSchedulerConfiguration {
	t.Helper()
	loaded, err := options.LoadConfigFromFile(klog.Background(), file)
	require.NoError(t, err, "reading the scheduler's configuration %s", file)
	return loaded
}

// StartScheduler starts a scheduler and returns when its caches are filled. It runs until it is killed or the test ends.
func (c *Cluster) StartScheduler(t *testing.T, o SchedulerOptions) *Scheduler {
	t.Helper()
	faults := o.Faults
	if faults == nil {
		faults = NewFaults()
	}
	clientConfig := clientConfigOf(c.Config, o.Config)
	if o.Server != nil {
		clientConfig.Host, clientConfig.TLSClientConfig = o.Server.Host, rest.TLSClientConfig{CAData: o.Server.CAData}
	}
	clientConfig.Wrap(faults.wrap)
	ctx, cancel := context.WithCancel(context.Background())
	adapter := &util.TestContext{
		Ctx:        ctx,
		KubeConfig: clientConfig,
		ClientSet:  kubernetes.NewForConfigOrDie(clientConfig),
		CloseFn:    func() {},
	}
	util.InitTestSchedulerWithOptions(t, adapter, 0, schedulerOptions(o)...)
	util.SyncSchedulerInformerFactory(adapter)
	require.NoError(t, adapter.Scheduler.WaitForHandlersSync(ctx), "filling the scheduler's cache")
	s := &Scheduler{Scheduler: adapter.Scheduler, faults: faults, done: make(chan struct{})}
	s.stop = func() {
		adapter.SchedulerCloseFn()
		cancel()
	}
	go func() {
		defer close(s.done)
		adapter.Scheduler.Run(adapter.SchedulerCtx)
	}()
	t.Cleanup(s.Kill)
	return s
}

// clientConfigOf returns the configuration of the scheduler's clients, limits and content type as the file says: kube-scheduler speaks
// protobuf, which custom resources do not, and a plugin has to cope with that.
func clientConfigOf(server *rest.Config, cfg *config.KubeSchedulerConfiguration) *rest.Config {
	clientConfig := rest.CopyConfig(server)
	if cfg != nil {
		clientConfig.ContentType = cfg.ClientConnection.ContentType
		clientConfig.AcceptContentTypes = cfg.ClientConnection.AcceptContentTypes
		clientConfig.QPS = cfg.ClientConnection.QPS
		clientConfig.Burst = int(cfg.ClientConnection.Burst)
	}
	return clientConfig
}

func schedulerOptions(o SchedulerOptions) []scheduler.Option {
	opts := []scheduler.Option{scheduler.WithFrameworkOutOfTreeRegistry(o.Registry)}
	if cfg := o.Config; cfg != nil {
		opts = append(opts,
			scheduler.WithComponentConfigVersion(cfg.APIVersion),
			scheduler.WithProfiles(cfg.Profiles...),
			scheduler.WithPercentageOfNodesToScore(cfg.PercentageOfNodesToScore),
			scheduler.WithPodInitialBackoffSeconds(cfg.PodInitialBackoffSeconds),
			scheduler.WithPodMaxBackoffSeconds(cfg.PodMaxBackoffSeconds),
			scheduler.WithParallelism(cfg.Parallelism),
			scheduler.WithExtenders(cfg.Extenders...))
	}
	return opts
}

// Kill ends the scheduler as a crash would: from now on no request of it reaches the API server, whatever it is in the middle of. It
// returns when the scheduling loop has ended. Killing twice is allowed.
func (s *Scheduler) Kill() {
	s.faults.Sever(errors.New("the scheduler was killed"))
	s.stop()
	<-s.done
}
