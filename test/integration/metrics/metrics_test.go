// Package metrics scrapes the binaries, and compares what they export with what is written about it.
package metrics

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

const soon = 5 * time.Minute

// needEvidence are the metrics that a cluster shows only once something has happened, or after a week; the tests of package metrics make them.
var needEvidence = []string{
	"headroom_unused_units", "headroom_unused_weekly_cost", "headroom_refill_p90_seconds", "headroom_estimated_saved_seconds", "headroom_placeholders_refused_total",
}

// ours are the project's metrics, and foreign those of Kubernetes and controller-runtime that the project's files ask for.
var (
	ours    = regexp.MustCompile(`(?:^|[^\w-])(headroom_[a-z0-9_]+)`) // kubectl-headroom_v0 begins the name of a file
	foreign = regexp.MustCompile(`\b(scheduler|workqueue|controller_runtime|rest_client|process)_[a-z0-9_]+`)
)

func TestEveryMetricThatIsNamedExistsAndEveryOneThatExistsIsDocumented(t *testing.T) {
	exported := scrapeBoth(t)
	names := []string{}
	for name := range exported {
		names = append(names, name)
	}
	t.Run("named in alerts, dashboard and documentation", func(t *testing.T) {
		for file, named := range namedMetrics(t) {
			for _, name := range named {
				require.True(t, slices.Contains(needEvidence, name) || slices.Contains(names, name), "%s names %s, which no binary exports", file, name)
			}
		}
	})
	t.Run("documented", func(t *testing.T) {
		page, err := os.ReadFile(filepath.Join(root(t), "docs", "reference", "metrics.md"))
		require.NoError(t, err)
		for _, name := range names {
			if strings.HasPrefix(name, "headroom_") {
				require.Contains(t, string(page), "| `"+name+"` |")
			}
		}
	})
	t.Run("named as Prometheus' conventions ask for", func(t *testing.T) {
		var families []*dto.MetricFamily
		for name, family := range exported {
			if strings.HasPrefix(name, "headroom_") {
				families = append(families, family)
			}
		}
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// scrapeBoth runs the binaries until both have scheduled and held something, and returns what they export by name.
func scrapeBoth(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	c := clustertest.Shared(t)
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 1, Zones: 1}))
	port := func() string {
		_, port, err := net.SplitHostPort(clustertest.FreeAddress(t))
		require.NoError(t, err)
		return port
	}
	controller, scheduler := port(), port()
	_, err := c.RunController(t.Context(), "--placeholder-scheduler-name=headroom-scheduler", "--metrics-bind-address=127.0.0.1:"+controller,
		"--node-price=0.4")
	require.NoError(t, err)
	_, err = c.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler, "--bind-address=127.0.0.1", "--secure-port="+scheduler,
		"--authorization-always-allow-paths=/metrics")
	require.NoError(t, err)
	cl, err := c.Client()
	require.NoError(t, err)
	headroom := &v1alpha1.Headroom{}
	headroom.Namespace, headroom.Name = clustertest.Namespace(t, c, nil), "web"
	headroom.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	require.NoError(t, cl.Create(t.Context(), headroom))
	require.Eventually(t, func() bool {
		err := cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), headroom)
		return err == nil && headroom.Status.ReadyReplicas == 1 && headroom.Status.Usage.ObservedTime != nil
	}, soon, 100*time.Millisecond)

	exported := map[string]*dto.MetricFamily{}
	for _, port := range []string{controller, scheduler} {
		require.Eventually(t, func() bool {
			families, err := scrape(t, c, port)
			if err != nil {
				return false
			}
			for name, family := range families {
				exported[name] = family
			}
			// The controller's cache may be a moment behind.
			return port == scheduler || families["headroom_lowest_ready_placeholders"] != nil
		}, soon, 100*time.Millisecond)
	}
	return exported
}

func scrape(t *testing.T, c *cluster.Cluster, port string) (map[string]*dto.MetricFamily, error) {
	t.Helper()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // self-signed
	defer insecure.CloseIdleConnections()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://127.0.0.1:"+port+"/metrics", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+c.RESTConfig().BearerToken)
	answer, err := insecure.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", answer.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(answer.Body)
}

// namedMetrics are the metrics that the project's files name, by file.
func namedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	named := map[string][]string{}
	read := func(path string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var found []string
		for _, match := range ours.FindAllStringSubmatch(string(data), -1) {
			found = append(found, match[1])
		}
		if !strings.HasSuffix(path, ".md") {
			found = append(found, foreign.FindAllString(string(data), -1)...)
		}
		for _, name := range found {
			name = strings.TrimSuffix(name, "_") // "headroom_*" in a text
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if strings.Count(name, "_") > 1 || strings.HasPrefix(name, "headroom_") {
				named[path] = append(named[path], name)
			}
		}
	}
	for _, dir := range []string{"docs", "manifests"} {
		err := filepath.WalkDir(filepath.Join(root(t), dir), func(path string, entry fs.DirEntry, err error) error {
			monitoring := strings.Contains(path, "alerts") || strings.HasSuffix(path, "dashboard.json") || strings.HasSuffix(path, "headroom.json")
			if err == nil && !entry.IsDir() && (strings.HasSuffix(path, ".md") || monitoring) {
				read(path)
			}
			return err
		})
		require.NoError(t, err)
	}
	require.NotEmpty(t, named)
	return named
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return dir
}
