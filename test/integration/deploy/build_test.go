package deploy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestBothBinariesTellWhichBuildTheyAre asks the built binaries for their version, and their metrics while they run for the same.
func TestBothBinariesTellWhichBuildTheyAre(t *testing.T) {
	t.Parallel()
	controller := version(t, "headroom-controller")
	require.Regexp(t, `^v\d+\.\d+\.\d+[-+.0-9A-Za-z]*$`, controller, "semantic, in a clone without tags too")
	tests := map[string]struct {
		wantVersion string
		run         func(c *cluster.Cluster, port string) error
		wantMetric  string
	}{
		"headroom-controller": {
			wantVersion: controller,
			run: func(c *cluster.Cluster, port string) error {
				_, err := c.RunController(t.Context(), "--metrics-bind-address=127.0.0.1:"+port)
				return err
			},
		},
		// Of which Kubernetes it is made decides on its feature gates.
		"headroom-scheduler": {
			wantVersion: kubernetesVersion(t) + "+headroom." + strings.ReplaceAll(controller, "+", "."),
			run: func(c *cluster.Cluster, port string) error {
				// Outside of a pod it does not know whom to ask who a token belongs to.
				_, err := c.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler, "--bind-address=127.0.0.1", "--secure-port="+port,
					"--authorization-always-allow-paths=/metrics")
				return err
			},
			wantMetric: `kubernetes_build_info\{.*git_version="` + regexp.QuoteMeta(kubernetesVersion(t)) + `\+headroom\.v[^"]+".*\} 1`,
		},
	}
	c := clustertest.SharedAPIServer(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.wantVersion, version(t, name))
			commit := regexp.MustCompile(`GitCommit:"([0-9a-f]{40}|unknown)"`).FindStringSubmatch(run(t, name, "--version=raw"))
			require.NotEmpty(t, commit)
			_, port, err := net.SplitHostPort(clustertest.FreeAddress(t))
			require.NoError(t, err)
			require.NoError(t, tt.run(c, port))
			metrics := readMetrics(t, c, port)
			require.Regexp(t, tt.wantMetric, metrics)
			require.Regexp(t, `headroom_build_info\{build_date="[^"]+Z",commit="`+commit[1]+`",component="`+
				strings.TrimPrefix(name, "headroom-")+`",go_version="go1[^"]+",platform="`+
				runtime.GOOS+"/"+runtime.GOARCH+`",version="`+regexp.QuoteMeta(controller)+`"\} 1`, metrics)
		})
	}
}

// version is what a binary of the product prints for --version, behind its name.
func version(t *testing.T, name string) string {
	t.Helper()
	version, ok := strings.CutPrefix(strings.TrimSpace(run(t, name, "--version")), name+" ")
	require.True(t, ok, "the name comes first")
	return version
}

// run runs a binary of the product and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := cluster.FindProduct(name)
	require.NoError(t, err)
	out, err := exec.Command(path, args...).Output()
	require.NoError(t, err)
	return string(out)
}

// kubernetesVersion is the version that the product is built for, as go.mod has it.
func kubernetesVersion(t *testing.T) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	found := regexp.MustCompile(`\tk8s\.io/kubernetes (v\S+)`).FindSubmatch(data)
	require.NotEmpty(t, found)
	return string(found[1])
}

// readMetrics reads /metrics as the administrator.
func readMetrics(t *testing.T, c *cluster.Cluster, port string) (metrics string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // It is self-signed.
	}}
	defer client.CloseIdleConnections()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://127.0.0.1:"+port+"/metrics", nil)
		require.NoError(collect, err)
		request.Header.Set("Authorization", "Bearer "+c.RESTConfig().BearerToken)
		answer, err := client.Do(request)
		require.NoError(collect, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusOK, answer.StatusCode, string(body))
		metrics = string(body)
	}, soon, 100*time.Millisecond)
	return metrics
}
