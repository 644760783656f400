package controller

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	// patience is how long a test waits for what must happen; it is only used up by a test that fails.
	patience = 5 * time.Minute
	// glance is how often a test looks.
	glance = 25 * time.Millisecond
	// systemNamespace and account are the controller's own, from its manifests.
	systemNamespace = "headroom-system"
	account         = "headroom-controller"
)

// atOnce is how many tests run at a time, unless -test.parallel says otherwise: they wait more than they work.
const atOnce = 8

func TestMain(m *testing.M) {
	clustertest.SetParallel(atOnce)
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// environment is one test's share of the cluster that the tests of this package have in common: a namespace, nodes, and
// controllers that see nothing but this namespace.
type environment struct {
	*testing.T
	cluster   *cluster.Cluster
	client    client.Client
	namespace string
}

var install sync.Once

// newEnvironment makes the share of a test. The controller's manifests, without its Deployment, are applied for the first.
func newEnvironment(t *testing.T, labels map[string]string) *environment {
	t.Helper()
	c := clustertest.Shared(t)
	install.Do(func() { applyManifests(t, c) })
	return newEnvironmentOn(t, c, labels)
}

// newEnvironmentOn is newEnvironment on another cluster.
func newEnvironmentOn(t *testing.T, c *cluster.Cluster, labels map[string]string) *environment {
	t.Helper()
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(t, err)
	return &environment{T: t, cluster: c, client: cl, namespace: clustertest.Namespace(t, c, labels)}
}

func applyManifests(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(filepath.Join(root, "manifests", "crd"), filepath.Join(root, "manifests", "controller"))
	require.NoError(t, err)
	var wanted []*unstructured.Unstructured
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			wanted = append(wanted, object)
		}
	}
	require.NoError(t, c.Apply(t.Context(), wanted...))
}

// controller is a headroom-controller that runs in the test's process, with the permissions of its manifests.
type controller struct {
	*prometheus.Registry
	stop func()
}

// startController starts a controller. It is stopped when the test is over.
func (e *environment) startController(changes ...func(*config.Config, *rest.Config)) *controller {
	e.Helper()
	access, err := e.cluster.ConfigFor(e.Context(), systemNamespace, account)
	require.NoError(e, err)
	c := config.Default()
	c.Namespaces = []string{e.namespace}
	c.LeaderElection.Enabled = false // the controllers of all tests would wait for one Lease
	c.MetricsBindAddress, c.HealthProbeBindAddress = "0", "0"
	for _, change := range changes {
		change(c, access)
	}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), ktesting.NewLogger(logSink{e.T}, ktesting.NewConfig(ktesting.Verbosity(2)))))
	started := &controller{Registry: prometheus.NewRegistry()}
	mgr, err := app.NewManager(ctx, access, c, started.Registry)
	require.NoError(e, err)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	started.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(e, <-ended)
	})
	e.Cleanup(started.stop)
	return started
}

// value is the sum of a counter over all its labels.
func (c *controller) value(t *testing.T, name string) float64 {
	t.Helper()
	families, err := c.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// labeled is the sum of a counter over those of its series whose label has the value.
func (c *controller) labeled(t *testing.T, name, label, value string) float64 {
	t.Helper()
	families, err := c.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if family.GetName() == name && pair.GetName() == label && pair.GetValue() == value {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// through makes a controller send its requests through a wrapper.
func through(wrap func(http.RoundTripper) http.RoundTripper) func(*config.Config, *rest.Config) {
	return func(_ *config.Config, access *rest.Config) { access.Wrap(wrap) }
}

// logSink keeps the output of a goroutine that outlives its test away from the test.
type logSink struct{ *testing.T }

func (l logSink) Log(args ...any) {
	if l.Context().Err() == nil {
		l.T.Log(args...)
	}
}

// headroom returns a Headroom of one unit with one CPU, changed, and creates it.
func (e *environment) headroom(name string, changes ...func(*v1alpha1.HeadroomSpec)) *v1alpha1.Headroom {
	e.Helper()
	h := e.newHeadroom(name, changes...)
	require.NoError(e, e.client.Create(e.Context(), h))
	return h
}

func (e *environment) newHeadroom(name string, changes ...func(*v1alpha1.HeadroomSpec)) *v1alpha1.Headroom {
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
		Spec:       v1alpha1.HeadroomSpec{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
	}
	for _, change := range changes {
		change(&h.Spec)
	}
	return h
}

func replicas(n int32) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To(n) }
}

func priorityClass(name string) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) { spec.PriorityClassName = name }
}

// change changes the spec of a Headroom.
func (e *environment) change(name string, change func(*v1alpha1.HeadroomSpec)) {
	e.Helper()
	clustertest.Change(e.T, e.client, e.get(name), func(h *v1alpha1.Headroom) { change(&h.Spec) })
}

func (e *environment) get(name string) *v1alpha1.Headroom {
	e.Helper()
	h := &v1alpha1.Headroom{}
	require.NoError(e, e.client.Get(e.Context(), client.ObjectKey{Namespace: e.namespace, Name: name}, h))
	return h
}

// pods returns the pods of the namespace.
func (e *environment) pods() []corev1.Pod {
	e.Helper()
	list := &corev1.PodList{}
	require.NoError(e, e.client.List(e.Context(), list, client.InNamespace(e.namespace)))
	return list.Items
}

// names returns the names of the pods of the namespace, in order.
func (e *environment) names() []string {
	e.Helper()
	var names []string
	for _, pod := range e.pods() {
		names = append(names, pod.Name)
	}
	return names
}

func (e *environment) delete(pod *corev1.Pod) {
	e.Helper()
	require.NoError(e, client.IgnoreNotFound(e.client.Delete(e.Context(), pod, client.GracePeriodSeconds(0))))
}

// eventually waits until check returns nil.
func (e *environment) eventually(what string, check func() error) {
	e.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(e, err, "not within %s: %s", patience, what)
		}
		<-tick.C
	}
}

// waitStatus waits until the status of a Headroom is about its spec and has these conditions and numbers.
func (e *environment) waitStatus(name string, ready, filled string, bound, pending int32) *v1alpha1.Headroom {
	e.Helper()
	var h *v1alpha1.Headroom
	want := fmt.Sprintf("Ready %s, Filled %s, bound %d, pending %d", ready, filled, bound, pending)
	e.eventually(want, func() error {
		h = e.get(name)
		got := fmt.Sprintf("Ready %s, Filled %s, bound %d, pending %d", reasonOf(h, v1alpha1.ConditionReady),
			reasonOf(h, v1alpha1.ConditionFilled), h.Status.ReadyReplicas, h.Status.PendingReplicas)
		if h.Status.ObservedGeneration != h.Generation || got != want {
			return fmt.Errorf("the status is %s (generation %d of %d)", got, h.Status.ObservedGeneration, h.Generation)
		}
		return nil
	})
	return h
}

func (e *environment) waitFilled(name string, bound int32) *v1alpha1.Headroom {
	e.Helper()
	return e.waitStatus(name, v1alpha1.ReasonValid, v1alpha1.ReasonFilled, bound, 0)
}

func reasonOf(h *v1alpha1.Headroom, kind string) string {
	if c := meta.FindStatusCondition(h.Status.Conditions, kind); c != nil {
		return c.Reason
	}
	return "none"
}

func messageOf(h *v1alpha1.Headroom, kind string) string {
	if c := meta.FindStatusCondition(h.Status.Conditions, kind); c != nil {
		return c.Message
	}
	return ""
}

// waitEvent waits until there is an event on a Headroom with this reason, whose note contains the text.
func (e *environment) waitEvent(name, reason, text string) {
	e.Helper()
	e.eventually("an event "+reason+" with "+text, func() error {
		list := &eventsv1.EventList{}
		require.NoError(e, e.client.List(e.Context(), list, client.InNamespace(e.namespace)))
		var seen []string
		for _, event := range list.Items {
			if event.Regarding.Kind != v1alpha1.KindHeadroom || event.Regarding.Name != name {
				continue
			}
			seen = append(seen, event.Reason+": "+event.Note)
			if event.Reason == reason && strings.Contains(event.Note, text) {
				return nil
			}
		}
		return fmt.Errorf("the events are %q", seen)
	})
}

// filled returns an environment with one node, a controller and the Headroom web, all of whose units are bound.
func filled(t *testing.T, units int32) (*environment, *v1alpha1.Headroom) {
	t.Helper()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(units))
	return e, e.waitFilled("web", units)
}
