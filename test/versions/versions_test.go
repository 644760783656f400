//go:build versions

package versions

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/upgrade"
)

const (
	nodes = 6
	zones = 3
	// soon is how long anything may take that takes a second on an idle machine.
	soon = 5 * time.Minute
)

// versionsEnv names the environment variable with the minor versions to test, separated by spaces.
const versionsEnv = "HEADROOM_TEST_VERSIONS"

// rows are what was seen, a line for each version and way to run the scheduler.
var rows struct {
	sync.Mutex
	lines []string
}

func TestMain(m *testing.M) {
	code := clustertest.Main(m)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	header := "API SERVER\tSCHEDULER\tFILLED\tBURST\tFAILED ATTEMPTS\tREFILLED\tVIOLATIONS"
	for _, line := range append([]string{header}, rows.lines...) {
		_, _ = fmt.Fprintln(table, line)
	}
	_ = table.Flush()
	os.Exit(code)
}

// TestOnEarlierVersions runs a Headroom from its creation to its end on each version: full nodes with a unit each, a burst that takes all of them
// at the first attempt, and the units back when the burst is over.
func TestOnEarlierVersions(t *testing.T) {
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	minors := strings.Fields(os.Getenv(versionsEnv))
	require.NotEmpty(t, minors, "run make test-versions, which sets %s", versionsEnv)
	for _, minor := range minors {
		// The two ways that docs/reference/kubernetes-versions.md names, for each way to deploy.
		for _, flag := range []string{"--emulated-version=" + minor, "--feature-gates=DRADeviceTaintRules=false"} {
			for _, way := range []string{cluster.SecondScheduler, cluster.MainScheduler} {
				t.Run(minor+"/"+way+flag, func(t *testing.T) {
					run(t, cluster.Options{ControlPlane: filepath.Join(tools.Dir, minor)}, way, flag)
				})
			}
		}
	}
}

// TestHeadroomsStoredByAnEarlierVersionKeepWorking updates the CRD on each version.
func TestHeadroomsStoredByAnEarlierVersionKeepWorking(t *testing.T) {
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	for minor := range strings.FieldsSeq(os.Getenv(versionsEnv)) {
		t.Run(minor, func(t *testing.T) {
			c := clustertest.Start(t, cluster.Options{APIServerOnly: true, ControlPlane: filepath.Join(tools.Dir, minor)})
			upgrade.Check(t, c, clustertest.Namespace(t, c, nil))
		})
	}
}

// run takes a Headroom from its creation to its end on one control plane and writes down what was seen.
func run(t *testing.T, options cluster.Options, way, flag string) {
	ctx := t.Context()
	seen := result{way: way + " " + flag}
	defer seen.write()
	c := clustertest.Start(t, options)
	seen.server = serverVersion(t, c)
	require.NoError(t, c.AddNodes(ctx, cluster.Nodes{Count: nodes, Zones: zones, CPU: resource.MustParse("4")}))
	cl, err := c.Client()
	require.NoError(t, err)
	namespace := clustertest.Namespace(t, c, nil)
	watch, err := observer.Watch(ctx, c.RESTConfig())
	require.NoError(t, err)
	controller, err := c.RunController(ctx, "--placeholder-scheduler-name=headroom-scheduler")
	require.NoError(t, err)
	scheduler, err := c.RunHeadroomScheduler(ctx, way, flag)
	require.NoError(t, err, "the scheduler does not lead: it may wait for an API that the server does not have")

	headroom := fill(t, cl, namespace)
	seen.filled = headroom.Status.ReadyReplicas
	burst := createBurst(t, cl, namespace)
	seen.burst = len(burst)
	seen.failed = failedAttempts(t, cl, namespace)
	for _, pod := range burst {
		require.NoError(t, cl.Delete(ctx, pod))
	}
	waitFilled(t, cl, headroom)
	seen.refilled = headroom.Status.ReadyReplicas

	history, err := watch.Stop(ctx)
	require.NoError(t, err)
	violations := observer.Check(ctx, history, observer.Rules{
		DaemonSets: watch.HeadroomOfDaemonSet,
		MayVanish:  func(pod *corev1.Pod) bool { return strings.HasPrefix(pod.Name, "burst-") },
		IgnoreBind: func(pod *corev1.Pod) bool { return strings.HasPrefix(pod.Name, "full-") },
	})
	seen.violations = fmt.Sprint(len(violations))
	require.Empty(t, violations)
	require.Zero(t, seen.failed, "attempts of the burst that failed")
	requireCleanLogs(t, controller, scheduler)
}

// result is a row of the table; what was not reached stays empty.
type result struct {
	server, way      string
	filled, refilled int32
	burst, failed    int
	violations       string
}

func (r *result) write() {
	rows.Lock()
	defer rows.Unlock()
	rows.lines = append(rows.lines, fmt.Sprintf("%s\t%s\t%d of %d\t%d of %d\t%d\t%d of %d\t%s",
		r.server, r.way, r.filled, nodes, r.burst, nodes, r.failed, r.refilled, nodes, r.violations))
}

// serverVersion returns what the API server says that it is, and checks that it is not the version that the product is built for.
func serverVersion(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	discovered, err := discovery.NewDiscoveryClientForConfig(c.RESTConfig())
	require.NoError(t, err)
	version, err := discovered.ServerVersion()
	require.NoError(t, err)
	minor := filepath.Base(c.Tools().ControlPlane)
	require.True(t, strings.HasPrefix(version.GitVersion, "v"+minor+"."), "%s is not %s", version.GitVersion, minor)
	return version.GitVersion
}

// fill puts a pod of half a node on each node, and a Headroom on the other half of all of them.
func fill(t *testing.T, cl client.Client, namespace string) *v1alpha1.Headroom {
	t.Helper()
	var all corev1.NodeList
	require.NoError(t, cl.List(t.Context(), &all))
	require.Len(t, all.Items, nodes)
	for i := range all.Items {
		pod := builders.Consumer(fmt.Sprint("full-", i), builders.Resources{"cpu": "2"}).Namespace(namespace).Node(all.Items[i].Name).Obj()
		require.NoError(t, cl.Create(t.Context(), pod))
	}
	headroom := builders.Headroom("web", builders.Resources{"cpu": "2"}).Namespace(namespace).Replicas(nodes).Obj()
	require.NoError(t, cl.Create(t.Context(), headroom))
	waitFilled(t, cl, headroom)
	return headroom
}

// waitFilled waits until all units are bound, evenly over the zones.
func waitFilled(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), headroom))
		require.EqualValues(collect, nodes, headroom.Status.ReadyReplicas)
		for _, domain := range headroom.Status.Spread.Domains {
			require.EqualValues(collect, nodes/zones, domain.ReadyReplicas, "units in zone %s", domain.Name)
		}
	}, soon, 100*time.Millisecond)
}

// createBurst makes a pod for each unit, and returns them when they run.
func createBurst(t *testing.T, cl client.Client, namespace string) []*corev1.Pod {
	t.Helper()
	var burst []*corev1.Pod
	for i := range nodes {
		pod := builders.Consumer(fmt.Sprint("burst-", i), builders.Resources{"cpu": "2"}).Namespace(namespace).
			SchedulerName("headroom-scheduler").ZeroTerminationGracePeriod().Obj()
		burst = append(burst, pod)
		require.NoError(t, cl.Create(t.Context(), pod))
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		for _, pod := range burst {
			require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
			require.Equal(collect, corev1.PodRunning, pod.Status.Phase, "pod %s", pod.Name)
		}
	}, soon, 100*time.Millisecond)
	return burst
}

// failedAttempts counts the attempts of the burst that failed, once every swap has told of itself.
func failedAttempts(t *testing.T, cl client.Client, namespace string) int {
	t.Helper()
	var events eventsv1.EventList
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.List(t.Context(), &events, client.InNamespace(namespace)))
		swaps := 0
		for _, event := range events.Items {
			if event.Reason == swapevent.Reason {
				swaps++
			}
		}
		require.Equal(collect, nodes, swaps)
	}, soon, 100*time.Millisecond)
	failed := 0
	for _, event := range events.Items {
		if event.Reason == "FailedScheduling" && strings.HasPrefix(event.Regarding.Name, "burst-") {
			failed++
		}
	}
	return failed
}

// requireCleanLogs checks that the programs asked for nothing that they may not do or that is not there.
func requireCleanLogs(t *testing.T, programs ...*process.Process) {
	t.Helper()
	for _, program := range programs {
		log, err := os.ReadFile(program.Log())
		require.NoError(t, err)
		for line := range strings.Lines(string(log)) {
			for _, bad := range []string{"forbidden", "could not find the requested resource"} {
				require.NotContains(t, strings.ToLower(line), bad, "log of %s", program.Name())
			}
		}
	}
}
