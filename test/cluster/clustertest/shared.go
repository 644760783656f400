package clustertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster"
)

// timeout of the clusters of tests. It is long, because a test must not fail because the machine is busy.
const timeout = 3 * time.Minute

// LogsEnv names the environment variable with the folder that keeps the log files of tests' clusters. Unset: they go
// with the cluster.
const LogsEnv = "HEADROOM_LOGS"

// sharedCluster is a cluster that the tests of one package have in common.
type sharedCluster struct {
	once    sync.Once
	opts    cluster.Options
	cluster *cluster.Cluster
	err     error
}

var (
	sharedWhole     = &sharedCluster{}
	sharedAPIServer = &sharedCluster{opts: cluster.Options{APIServerOnly: true}}
)

// Shared returns the whole cluster that all tests of the package share, and starts it for the first. A test keeps to
// a namespace of its own (see Namespace). The cluster ends with the test binary.
func Shared(t testing.TB) *cluster.Cluster {
	t.Helper()
	return sharedWhole.get(t)
}

// SharedAPIServer is Shared for tests that need nothing but the API server. It starts in a third of the time.
func SharedAPIServer(t testing.TB) *cluster.Cluster {
	t.Helper()
	return sharedAPIServer.get(t)
}

// Start starts a cluster for one test alone and stops it when the test is over.
func Start(t testing.TB, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), forTest(opts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// SetParallel sets how many parallel tests of a package run at a time, unless the user does, by -parallel. Go's default is the number
// of CPUs, which is low for tests that wait most of the time. Use it in TestMain.
func SetParallel(n int) {
	const name = "test.parallel"
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == name })
	if !chosen {
		_ = flag.Set(name, strconv.Itoa(n)) // Every test binary has the flag.
	}
}

// Main runs the tests of a package and then stops the clusters that they shared, so that nothing is left when
// the test binary ends; without it, all is gone a moment later. Use:
//
//	func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	for _, s := range []*sharedCluster{sharedWhole, sharedAPIServer} {
		if s.cluster != nil {
			_ = s.cluster.Stop()
		}
	}
	return code
}

func (s *sharedCluster) get(t testing.TB) *cluster.Cluster {
	t.Helper()
	s.once.Do(func() {
		// Not t.Context(): the cluster outlives the test that happens to start it.
		s.cluster, s.err = cluster.Start(context.Background(), forTest(s.opts))
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// started counts the clusters that this process has named a folder for.
var started atomic.Int64

// forTest sets the options that are others in a test: the timeout, and where LogsEnv asks for it the folder of the log files.
func forTest(opts cluster.Options) cluster.Options {
	if opts.Timeout == 0 {
		opts.Timeout = timeout
	}
	if dir := os.Getenv(LogsEnv); dir != "" && opts.LogDir == "" {
		// With a number, because two may start in the same moment.
		name := fmt.Sprintf("%s-%s-%d", filepath.Base(os.Args[0]), time.Now().Format("150405.000"), started.Add(1))
		opts.LogDir = filepath.Join(dir, name)
	}
	return opts
}

// Namespace makes a namespace of a cluster for one test, in which pods can be made, and returns its name. It is deleted when the test is
// over; nobody waits for that.
func Namespace(t testing.TB, c *cluster.Cluster, labels map[string]string) string {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	namespaces := clientset.CoreV1().Namespaces()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels}}
	created, err := namespaces.Create(t.Context(), namespace, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := namespaces.Delete(context.Background(), created.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	if c.NeedsServiceAccounts() {
		waitAccount(t, clientset, created.Name)
	}
	return created.Name
}

// waitAccount waits until a namespace has the service account that its pods get.
func waitAccount(t testing.TB, clientset kubernetes.Interface, namespace string) {
	t.Helper()
	const name = "default"
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		_, err := clientset.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("waiting for the service account of namespace %s: %v", namespace, err)
	}
}
