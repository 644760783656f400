package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/controller/accounts"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/controller/headroom"
	"github.com/headroom-dev/headroom/pkg/controller/lacking"
	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/price"
)

// stopTimeout is how long the controller takes at most to end what it has begun.
const stopTimeout = 20 * time.Second

// Scheme returns a scheme with every type the controller reads or writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// NewManager wires the controller, ready to be started. The metrics go to controller-runtime's registry, unless another one is
// given: tests that run several controllers in one process give each its own.
func NewManager(ctx context.Context, access *rest.Config, c *config.Config, registry prometheus.Registerer) (manager.Manager, error) {
	if registry == nil {
		registry = crmetrics.Registry
	}
	access = rest.CopyConfig(access)
	access.QPS, access.Burst = c.Client.QPS, c.Client.Burst
	access.DisableCompression = true // the API server is near, and to inflate what it streams takes longer than to read it
	mgr, err := manager.New(access, managerOptions(ctx, c))
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	images := append([]string{c.Placeholders.DefaultImage}, c.Placeholders.AllowedImages...)
	policy, err := podpolicy.New(images, c.Placeholders.PodSecurityLevel)
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	counted := metrics.NewController(registry)
	named := installation(c, os.DirFS(serviceAccount))
	clients, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	keeper := accounts.New(accounts.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Pods: clients, Namespaces: c.Namespaces,
		Clock: clock.RealClock{}, Metrics: counted, Identity: identity(), Installation: named,
	})
	options := configured(c, named)
	options.Accounts = keeper
	if options.Workloads, err = workloads(ctx, mgr, clients); err != nil {
		return nil, err
	}
	options.Client, options.Live = mgr.GetClient(), mgr.GetAPIReader()
	options.Recorder = mgr.GetEventRecorder(headroom.Reporter)
	options.Clock, options.Metrics, options.Policy = clock.RealClock{}, counted, policy
	reconciler := headroom.New(options)
	if err := reconciler.Register(ctx, mgr, c.ConcurrentReconciles); err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	if err := addConsumption(mgr, c, clients, keeper, reconciler); err != nil {
		return nil, err
	}
	registry.MustRegister(metrics.StateCollector{List: states(ctx, mgr.Elected(), mgr.GetCache())})
	return mgr, addChecks(mgr)
}

// workloads returns what follows the workloads and pods that Headrooms size themselves by.
func workloads(ctx context.Context, mgr manager.Manager, clients kubernetes.Interface) (*workload.Watcher, error) {
	ofAnyKind, err := dynamic.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	connections, err := podwire.Connections(mgr.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	pods, err := podwire.New(mgr.GetConfig(), connections)
	if err != nil {
		return nil, fmt.Errorf("setting up the controller: %w", err)
	}
	return workload.New(ctx, workload.Options{Pods: pods, Clients: clients, Dynamic: ofAnyKind, Mapper: mgr.GetRESTMapper()}), nil
}

// configured are the options of the Reconciler that the configuration has, for an installation of this name.
func configured(c *config.Config, named string) headroom.Options {
	return headroom.Options{
		Identity:   named,
		Namespaces: c.Namespaces,
		Defaults: placeholder.Defaults{
			Image: c.Placeholders.DefaultImage, SchedulerName: c.Placeholders.SchedulerName, Ladder: c.Placeholders.Ladder,
		},
		Limits: priority.Limits{
			Max: c.Placeholders.MaxPriority, Min: c.Placeholders.MinPriority,
			AllowPreempting: c.Placeholders.AllowPreemptingPriorityClass, AllowReserved: c.Placeholders.AllowReserved,
		},
		HideOthers: c.HideNamesOfOtherNamespaces,
		Prices:     prices(c),
		Units: allotment.Limits{
			PerHeadroom: c.Units.MaxPerHeadroom, PerNamespace: c.Units.MaxPerNamespace, Total: c.Units.Max, Pending: c.Units.MaxPending,
		},
	}
}

func prices(c *config.Config) price.Prices {
	return price.Prices{Node: c.Prices.Node, Label: c.Prices.Label}
}

// serviceAccount is the folder in which a pod finds what its service account is.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// installation names it to others. Leader election chooses among the controllers that share a Lease, so the Lease is its name. The
// namespace of a Lease that names none is that of the pod, which is the file of that name among those of its service account.
func installation(c *config.Config, account fs.FS) string {
	where := c.LeaderElection.LeaseNamespace
	if data, err := fs.ReadFile(account, "namespace"); err == nil && where == "" {
		where = strings.TrimSpace(string(data))
	}
	if where == "" {
		where, _ = os.Hostname() // outside of a cluster; without a name, all share one
	}
	return cmp.Or(c.Identity, where+"/"+c.LeaderElection.LeaseName)
}

func managerOptions(ctx context.Context, c *config.Config) manager.Options {
	return manager.Options{
		Scheme:  Scheme(),
		Logger:  klog.FromContext(ctx),
		Cache:   cacheOptions(c.Namespaces, prices(c)),
		Client:  client.Options{Cache: &client.CacheOptions{}},
		Metrics: metricsOptions(c),
		Controller: ctrlconfig.Controller{
			SkipNameValidation: ptr.To(true), // tests run several controllers in one process
		},
		HealthProbeBindAddress:        c.HealthProbeBindAddress,
		LeaderElection:                c.LeaderElection.Enabled,
		LeaderElectionID:              c.LeaderElection.LeaseName,
		LeaderElectionNamespace:       c.LeaderElection.LeaseNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends when the manager does
		GracefulShutdownTimeout:       ptr.To(stopTimeout),
		BaseContext:                   func() context.Context { return context.WithoutCancel(ctx) },
	}
}

// metricsOptions serve metrics over HTTPS to accounts that the API server lets get the non-resource URL /metrics.
func metricsOptions(c *config.Config) metricsserver.Options {
	return metricsserver.Options{
		BindAddress:    c.MetricsBindAddress,
		SecureServing:  true,
		CertDir:        c.MetricsCertDir,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
		TLSOpts:        []func(*tls.Config){withoutHTTP2},
	}
}

// withoutHTTP2 keeps who may reach the port, and has not yet said who they are, from opening and resetting streams without end, which
// one connection of HTTP/2 allows. A scrape is one request.
func withoutHTTP2(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }

// identity names this process, and no other.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "_" + string(uuid.NewUUID())
}

// addConsumption adds what finds out who took what, and what keeps it.
func addConsumption(
	mgr manager.Manager, c *config.Config, clients kubernetes.Interface, keeper *accounts.Keeper, reconciler *headroom.Reconciler,
) error {
	keeper.Ledger, keeper.Departed, keeper.Lacking = reconciler.Ledger(), reconciler.Departed, reconciler.Lacking
	keeper.Vacated = reconciler.Vacated
	waiting := &lacking.Watcher{
		Client: clients, Namespaces: c.Namespaces, Cache: mgr.GetCache(), Accounts: keeper, Clock: clock.RealClock{},
		Nominations: reconciler.Nominations(), Defaults: reconciler.Defaults,
	}
	reconciler.Short, reconciler.NamespaceLabels = waiting.Short, waiting.NamespaceLabels
	runnables := []manager.Runnable{
		keeper, waiting,
		&consumption.Watcher{
			Client: clients.EventsV1(), Namespaces: c.Namespaces, Ledger: keeper.Ledger, Clock: clock.RealClock{}, Waiting: waiting.Waiting,
		},
		&consumption.Finder{
			Live: mgr.GetAPIReader(), Cache: mgr.GetClient(), Namespaces: c.Namespaces, Ledger: keeper.Ledger, Clock: clock.RealClock{},
		},
	}
	for _, runnable := range runnables {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("setting up the accounts: %w", err)
		}
	}
	return nil
}

// states returns the state metrics of the leader; a controller that does not lead has none, or each would be scraped twice.
func states(ctx context.Context, elected <-chan struct{}, headrooms client.Reader) func() []metrics.HeadroomState {
	return func() []metrics.HeadroomState {
		select {
		case <-elected:
		default:
			return nil
		}
		list, err := headroom.States(ctx, headrooms)
		if err != nil {
			klog.FromContext(ctx).Error(err, "Listing Headrooms for the metrics failed")
		}
		return list
	}
}

func addChecks(mgr manager.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("setting up /healthz: %w", err)
	}
	if err := mgr.AddReadyzCheck("caches", cachesSynced(mgr.GetCache())); err != nil {
		return fmt.Errorf("setting up /readyz: %w", err)
	}
	return nil
}

// readyGlance is how long /readyz waits for caches. The kubelet waits for a second.
const readyGlance = 500 * time.Millisecond

// cachesSynced is the check that the caches have read what they are to hold once. Those of a replica that does not lead hold less.
func cachesSynced(caches cache.Cache) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), readyGlance)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("the caches have not read everything yet")
		}
		return nil
	}
}
