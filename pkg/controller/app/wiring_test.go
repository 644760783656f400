package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crfake "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/headroom-dev/headroom/pkg/controller/accounts"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/controller/headroom"
	"github.com/headroom-dev/headroom/pkg/controller/lacking"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

var errBroken = errors.New("broken")

// wiring is a manager that notes what is added to it, until it has as much as it may.
type wiring struct {
	manager.Manager
	cache  caches
	cached client.Client
	live   client.Client
	most   int
	added  []manager.Runnable
	checks map[string]healthz.Checker
}

func newWiring() *wiring {
	of := func() client.Client { return crfake.NewClientBuilder().WithScheme(Scheme()).Build() }
	return &wiring{cached: of(), live: of(), most: 10, checks: map[string]healthz.Checker{}}
}

func (w *wiring) GetCache() cache.Cache       { return &w.cache }
func (w *wiring) GetClient() client.Client    { return w.cached }
func (w *wiring) GetAPIReader() client.Reader { return w.live }

func (w *wiring) Add(runnable manager.Runnable) error {
	if len(w.added) == w.most {
		return errBroken
	}
	w.added = append(w.added, runnable)
	return nil
}

func (w *wiring) AddHealthzCheck(name string, check healthz.Checker) error {
	return w.add("/healthz "+name, check)
}

func (w *wiring) AddReadyzCheck(name string, check healthz.Checker) error {
	return w.add("/readyz "+name, check)
}

func (w *wiring) add(name string, check healthz.Checker) error {
	if len(w.checks) == w.most {
		return errBroken
	}
	w.checks[name] = check
	return nil
}

func TestWhatFindsOutWhoTookWhatIsToldAndTells(t *testing.T) {
	c := config.Default()
	c.Namespaces = []string{"shop"}
	c.Placeholders.SchedulerName = "mine"
	clients := fake.NewClientset()
	keeper := accounts.New(accounts.Options{Clock: clock.RealClock{}})
	options := configured(c, "one")
	options.Clock, options.Accounts, options.Workloads = clock.RealClock{}, keeper, workload.New(t.Context(), workload.Options{})
	reconciler := headroom.New(options)
	mgr := newWiring()
	require.NoError(t, addConsumption(mgr, c, clients, keeper, reconciler))

	require.Same(t, reconciler.Ledger(), keeper.Ledger)
	require.NotNil(t, keeper.Departed, "what went while no controller ran is a matter of the reconciler")
	require.NotNil(t, keeper.Vacated)
	require.NotNil(t, keeper.Lacking, "and so is who lacks units")
	require.Len(t, mgr.added, 4)
	require.Same(t, keeper, mgr.added[0])
	waiting, ok := mgr.added[1].(*lacking.Watcher)
	require.True(t, ok)
	require.Same(t, clients, waiting.Client)
	require.Same(t, &mgr.cache, waiting.Cache)
	require.Same(t, keeper, waiting.Accounts)
	require.Same(t, reconciler.Nominations(), waiting.Nominations)
	require.Equal(t, placeholder.Defaults{Image: c.Placeholders.DefaultImage, SchedulerName: "mine"}, waiting.Defaults)
	events, ok := mgr.added[2].(*consumption.Watcher)
	require.True(t, ok)
	require.Equal(t, clients.EventsV1(), events.Client)
	require.Same(t, keeper.Ledger, events.Ledger)
	_, waits := events.Waiting("nobody")
	require.False(t, waits)
	finder, ok := mgr.added[3].(*consumption.Finder)
	require.True(t, ok)
	require.Same(t, mgr.live, finder.Live)
	require.Same(t, mgr.cached, finder.Cache)
	require.Same(t, keeper.Ledger, finder.Ledger)
	for _, namespaces := range [][]string{waiting.Namespaces, events.Namespaces, finder.Namespaces} {
		require.Equal(t, []string{"shop"}, namespaces)
	}
	for _, used := range []clock.PassiveClock{waiting.Clock, events.Clock, finder.Clock} {
		require.Equal(t, clock.RealClock{}, used)
	}
	require.False(t, reconciler.Short(clock.RealClock{}.Now(), nil))
	require.Equal(t, map[string]string{"kubernetes.io/metadata.name": "shop"}, reconciler.NamespaceLabels(t.Context(), "shop"))

	for most := range 4 {
		full := newWiring()
		full.most = most
		require.ErrorIs(t, addConsumption(full, c, clients, keeper, reconciler), errBroken)
	}
}

func TestTheControllerIsHealthyAtOnceAndReadyWithItsCaches(t *testing.T) {
	mgr := newWiring()
	require.NoError(t, addChecks(mgr))
	require.Len(t, mgr.checks, 2)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	require.NoError(t, mgr.checks["/healthz ping"](request))
	require.Error(t, mgr.checks["/readyz caches"](request))
	mgr.cache.synced = true
	require.NoError(t, mgr.checks["/readyz caches"](request))
	for most, want := range []string{"/healthz", "/readyz"} {
		full := newWiring()
		full.most = most
		require.ErrorContains(t, addChecks(full), want)
	}
}

// discovery is an API server that tells which kinds it has, and nothing else.
func discovery(t *testing.T) *rest.Config {
	t.Helper()
	groups := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList"}}
	answers := map[string]any{
		"/api": &metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, "/apis": groups,
	}
	for version, kinds := range map[string]string{
		"v1": "Pod Node ResourceQuota", "apps/v1": "DaemonSet", "scheduling.k8s.io/v1": "PriorityClass", "headroom.dev/v1alpha1": "Headroom",
	} {
		group, of, path := strings.Cut(version, "/")
		known := &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: version}
		for kind := range strings.FieldsSeq(kinds) {
			known.APIResources = append(known.APIResources, metav1.APIResource{
				Name: strings.ToLower(kind) + "s", Kind: kind, Namespaced: kind != "Node", Verbs: metav1.Verbs{"list", "watch"},
			})
		}
		if !path {
			answers["/api/"+version] = known
			continue
		}
		answers["/apis/"+version] = known
		names := metav1.GroupVersionForDiscovery{GroupVersion: version, Version: of}
		groups.Groups = append(groups.Groups, metav1.APIGroup{
			Name: group, Versions: []metav1.GroupVersionForDiscovery{names}, PreferredVersion: names,
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		answer, ok := answers[request.URL.Path]
		if !ok {
			http.NotFound(w, request)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// outsideOfACluster is a configuration that needs no pod around it.
func outsideOfACluster() *config.Config {
	c := config.Default()
	c.LeaderElection.LeaseNamespace, c.MetricsBindAddress, c.HealthProbeBindAddress = "leases", "0", "0"
	return c
}

func TestTheControllerIsWiredToItsAPIServer(t *testing.T) {
	access, c, registry := discovery(t), outsideOfACluster(), prometheus.NewRegistry()
	c.Client = config.Client{QPS: 15, Burst: 16}
	mgr, err := NewManager(t.Context(), access, c, registry)
	require.NoError(t, err)
	require.InDelta(t, 15, mgr.GetConfig().QPS, 0)
	require.Equal(t, 16, mgr.GetConfig().Burst)
	require.True(t, mgr.GetConfig().DisableCompression)
	require.Equal(t, &rest.Config{Host: access.Host}, access, "what was given is another's")
	_, err = registry.Gather()
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = NewManager(t.Context(), access, c, registry) }, "the metrics are in the registry that was given")
}

func TestAControllerThatCannotBeWiredSaysSo(t *testing.T) {
	for name, change := range map[string]func(*rest.Config, *config.Config){
		"no Pod Security level": func(_ *rest.Config, c *config.Config) { c.Placeholders.PodSecurityLevel = "none" },
		"no allowed image":      func(_ *rest.Config, c *config.Config) { c.Placeholders.AllowedImages = []string{"a/*", "b c"} },
		"no default image":      func(_ *rest.Config, c *config.Config) { c.Placeholders.DefaultImage = "" },
		"no API server":         func(access *rest.Config, _ *config.Config) { access.Host = "http://127.0.0.1:1" },
		"no access":             func(access *rest.Config, _ *config.Config) { access.CAFile = "/does/not/exist" },
	} {
		t.Run(name, func(t *testing.T) {
			access, c := discovery(t), outsideOfACluster()
			change(access, c)
			_, err := NewManager(t.Context(), access, c, prometheus.NewRegistry())
			require.ErrorContains(t, err, "setting up the controller")
		})
	}
	c := outsideOfACluster()
	c.Placeholders.PodSecurityLevel = "none"
	require.ErrorContains(t, run(t.Context(), discovery(t), c), "setting up the controller")
}

func TestTheAPIServerIsThatOfTheKubeconfigFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "https://here:6443"}}]
users: [{name: me, user: {token: secret}}]
`), 0o600))
	access, err := accessTo(path)
	require.NoError(t, err)
	require.Equal(t, []string{"https://here:6443", "secret"}, []string{access.Host, access.BearerToken})
	require.Equal(t, rest.DefaultKubernetesUserAgent(), access.UserAgent, "by which audit logs tell it from others")
}

func TestEachProcessHasANameOfItsOwn(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	one := identity()
	require.True(t, strings.HasPrefix(one, host+"_"), one)
	require.NotEqual(t, one, identity())
}
