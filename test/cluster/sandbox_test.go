package cluster_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
)

// patience bounds every wait of these tests; nothing takes a tenth of it on an idle machine.
const patience = 3 * time.Minute

// sandbox is a running bin/sandbox with a folder for temporary files of its own, in which it must leave nothing.
type sandbox struct {
	cmd        *exec.Cmd
	temp       string
	kubeconfig string
	output     *bufio.Scanner
}

func startSandbox(t *testing.T, binary string, args ...string) *sandbox {
	t.Helper()
	temp, err := os.MkdirTemp("", "s") //nolint:usetesting // Its path would be too long for etcd's socket.
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(temp)) })
	s := &sandbox{temp: temp, kubeconfig: filepath.Join(t.TempDir(), "kc.yaml")}
	s.cmd = exec.Command(binary, append(args, "--kubeconfig", s.kubeconfig)...)
	s.cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	stdout, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.cmd.Stderr = os.Stderr
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.output = bufio.NewScanner(stdout)
	for s.output.Scan() {
		t.Log(s.output.Text())
		if strings.Contains(s.output.Text(), "Ctrl-C ends the sandbox") {
			return s
		}
	}
	t.Fatal("the sandbox ended before it was ready")
	return nil
}

func (s *sandbox) clientset(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	require.NoError(t, err)
	clientset, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return clientset
}

// processes lists the programs of the sandbox: each of them has a path in the temporary folder among its arguments.
func (s *sandbox) processes(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "stat=,args=").Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, s.temp) && !strings.HasPrefix(line, "Z") {
			found = append(found, line)
		}
	}
	return found
}

func (s *sandbox) requireGone(t *testing.T) {
	t.Helper()
	var left []string
	require.Eventually(t, func() bool {
		entries, err := os.ReadDir(s.temp)
		require.NoError(t, err)
		left = s.processes(t)
		for _, entry := range entries {
			left = append(left, entry.Name())
		}
		return len(left) == 0
	}, patience, 50*time.Millisecond, "left: %v", &left)
}

func buildSandbox(t *testing.T) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), "sandbox")
	build := exec.Command("go", "build", "-o", binary, "./hack/sandbox")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

func TestSandbox(t *testing.T) {
	binary := buildSandbox(t)
	t.Run("gives nodes in zones, runs Deployments and the product, and leaves nothing after Ctrl-C", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t, binary, "--nodes", "12", "--zones", "3")
		clientset := s.clientset(t)
		requireNodes(t, clientset, 12, 3)
		requireDeploymentRuns(t, clientset, "hello", corev1.DefaultSchedulerName, 30)
		requireHeadroomFills(t, s, 18)
		requireDeploymentRuns(t, clientset, "burst", "headroom-scheduler", 12)
		require.NotEmpty(t, s.processes(t))

		require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
		require.NoError(t, s.cmd.Wait(), "Ctrl-C is the way to end it, not a failure")
		entries, err := os.ReadDir(s.temp)
		require.NoError(t, err)
		require.Empty(t, entries)
		require.Empty(t, s.processes(t))
	})
	t.Run("leaves nothing when it is killed", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t, binary, "--nodes", "1", "--zones", "1", "--without", "controller,scheduler")
		require.NotEmpty(t, s.processes(t))
		require.NoError(t, s.cmd.Process.Kill())
		_ = s.cmd.Wait()
		s.requireGone(t)
	})
}

func requireNodes(t *testing.T, clientset kubernetes.Interface, count, zones int) {
	t.Helper()
	nodes, err := clientset.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, nodes.Items, count)
	seen := sets.New[string]()
	for i := range nodes.Items {
		node := &nodes.Items[i]
		require.True(t, cluster.IsUsable(node), node.Name)
		for _, label := range []string{
			corev1.LabelHostname, corev1.LabelTopologyRegion, corev1.LabelTopologyZone, corev1.LabelInstanceTypeStable, corev1.LabelArchStable,
		} {
			require.NotEmpty(t, node.Labels[label], label)
		}
		require.Equal(t, "4", node.Status.Allocatable.Cpu().String())
		require.Equal(t, "16Gi", node.Status.Allocatable.Memory().String())
		seen.Insert(node.Labels[corev1.LabelTopologyZone])
	}
	require.Len(t, seen, zones)
}

// requireHeadroomFills makes a Headroom for all room that is left, and waits until it holds it.
func requireHeadroomFills(t *testing.T, s *sandbox, replicas int32) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	require.NoError(t, err)
	config.WarningHandler = rest.NoWarnings{}
	cl, err := client.New(config, client.Options{Scheme: cluster.Scheme()})
	require.NoError(t, err)
	headroom := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: corev1.NamespaceDefault},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To(replicas), Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		},
	}
	require.NoError(t, cl.Create(t.Context(), headroom))
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), headroom))
		require.Equal(collect, replicas, headroom.Status.ReadyReplicas)
	}, patience, 100*time.Millisecond)
}

// requireDeploymentRuns makes a Deployment of pods of one CPU, and waits until all of them run.
func requireDeploymentRuns(t *testing.T, clientset kubernetes.Interface, name, scheduler string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": name}
	deployments := clientset.AppsV1().Deployments(corev1.NamespaceDefault)
	_, err := deployments.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{SchedulerName: scheduler, Containers: []corev1.Container{{
					Name: "main", Image: "main",
					Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
				}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		deployment, err := deployments.Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(collect, err)
		require.Equal(collect, replicas, deployment.Status.AvailableReplicas)
	}, patience, 100*time.Millisecond)
}
