package e2e

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
	"github.com/headroom-dev/headroom/test/observer"
)

// Names in the tests: a Headroom and a Deployment whose pods take it, units and pods of unitCPU CPUs.
const (
	headroomName = "spare"
	workload     = "web"
	unitCPU      = 2
)

// registration is the time from Karpenter's order to the node: so long a pod would wait at least.
const registration = 5 * time.Second

// world is a cluster with Karpenter, controller and scheduler, and those who watch them.
type world struct {
	ctx       context.Context
	cluster   *cluster.Cluster
	client    client.Client
	clientset *kubernetes.Clientset
	namespace string
	programs  []*process.Process
	observer  *observer.Observer
	claims    *nodeClaims
	// scaledDown are pods that went because the test wanted fewer.
	scaledDown sets.Set[types.UID]
}

// newWorld starts everything. There is no node: each comes by Karpenter, which may consolidate as it likes.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, cluster.NodePool{Name: "default", ConsolidateAfter: 5 * time.Second})
}

// newWorldOf is newWorld with a NodePool of one's own, and further flags of the controller.
func newWorldOf(t *testing.T, pool cluster.NodePool, flags ...string) *world {
	t.Helper()
	w := &world{ctx: t.Context(), cluster: clustertest.Start(t, cluster.Options{}), scaledDown: sets.New[types.UID]()}
	var err error
	w.client, err = w.cluster.Client()
	require.NoError(t, err)
	w.clientset, err = kubernetes.NewForConfig(w.cluster.RESTConfig())
	require.NoError(t, err)
	controller, err := w.cluster.RunController(t.Context(), append([]string{"--placeholder-scheduler-name=headroom-scheduler"}, flags...)...)
	require.NoError(t, err)
	scheduler, err := w.cluster.RunHeadroomScheduler(t.Context(), cluster.MainScheduler)
	require.NoError(t, err)
	karpenter, err := w.cluster.RunKarpenter(t.Context(), cluster.Karpenter{
		RegistrationDelay: registration,
		InstanceTypes:     []cluster.InstanceType{{CPU: resource.MustParse("2"), Memory: resource.MustParse("8Gi")}, {}},
		NodePools:         []cluster.NodePool{pool},
	})
	require.NoError(t, err)
	w.programs = []*process.Process{controller, scheduler, karpenter}
	w.observer, err = observer.Watch(context.Background(), w.cluster.RESTConfig())
	require.NoError(t, err)
	w.claims = followNodeClaims(t, w.cluster)
	w.namespace = clustertest.Namespace(t, w.cluster, map[string]string{"pod-security.kubernetes.io/enforce": "baseline"})
	return w
}

// createHeadroom makes the Headroom, spread over the zones by force.
func (w *world) createHeadroom(t *testing.T, replicas int32) {
	t.Helper()
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"headroom": headroomName}}
	require.NoError(t, w.client.Create(w.ctx, &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To(replicas), Requests: unit(),
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector,
			}},
		},
	}))
}

func unit() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(unitCPU, resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("1Gi")}
}

// createWorkload makes the Deployment, without pods yet. Its pods are changed as is said.
func (w *world) createWorkload(t *testing.T, changes ...func(*corev1.PodSpec)) {
	t.Helper()
	labels := map[string]string{"app": workload}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: workload},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				SchedulerName: "headroom-scheduler",
				Containers:    []corev1.Container{{Name: "main", Image: "main", Resources: corev1.ResourceRequirements{Requests: unit()}}},
			}},
		},
	}
	for _, change := range changes {
		change(&deployment.Spec.Template.Spec)
	}
	require.NoError(t, w.client.Create(w.ctx, deployment))
}

// scale does what a user does.
func (w *world) scale(t *testing.T, what string, replicas int) {
	t.Helper()
	kubectl, err := w.cluster.Tools().Binary("kubectl")
	require.NoError(t, err)
	kubeconfig := t.TempDir() + "/kubeconfig"
	require.NoError(t, w.cluster.Kubeconfig(kubeconfig))
	out, err := exec.CommandContext(w.ctx, kubectl, "--kubeconfig="+kubeconfig, "-n", w.namespace, "scale", what, "--replicas="+strconv.Itoa(replicas)).CombinedOutput()
	require.NoError(t, err, string(out))
}

// pods lists pods with a label, without those that are being deleted.
func (w *world) pods(t require.TestingT, selector string) []corev1.Pod {
	list, err := w.clientset.CoreV1().Pods(w.namespace).List(w.ctx, metav1.ListOptions{LabelSelector: selector})
	require.NoError(t, err)
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

func (w *world) placeholders(t require.TestingT) []corev1.Pod {
	return w.pods(t, "headroom="+headroomName)
}

func (w *world) workloadPods(t require.TestingT) []corev1.Pod { return w.pods(t, "app="+workload) }

// eventually waits for a condition.
func (w *world) eventually(t *testing.T, condition func(t *assert.CollectT), why string) {
	t.Helper()
	require.EventuallyWithT(t, condition, patience, 100*time.Millisecond, why)
}

// waitFilled waits until the Headroom holds so many units, in each zone as many, by what the pods say and by what its status says.
func (w *world) waitFilled(t *testing.T, units int) {
	t.Helper()
	w.eventually(t, func(collect *assert.CollectT) {
		nodes := w.nodesByName(collect)
		perZone := map[string]int{}
		for _, pod := range w.placeholders(collect) {
			node := nodes[pod.Spec.NodeName]
			require.NotNil(collect, node, "%s is on node %q", pod.Name, pod.Spec.NodeName)
			perZone[node.Labels[corev1.LabelTopologyZone]]++
		}
		even := units / 3
		require.Equal(collect, map[string]int{"region-1-a": even, "region-1-b": even, "region-1-c": even}, perZone)

		headroom := &v1alpha1.Headroom{}
		require.NoError(collect, w.client.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: headroomName}, headroom))
		require.EqualValues(collect, units, headroom.Status.ReadyReplicas)
		require.Zero(collect, headroom.Status.PendingReplicas)
	}, "the headroom is filled, and spread over the zones")
}

// waitRunning waits until so many pods of the workload run and returns them.
func (w *world) waitRunning(t *testing.T, count int) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	w.eventually(t, func(collect *assert.CollectT) {
		pods = w.workloadPods(collect)
		require.Len(collect, pods, count)
		for _, pod := range pods {
			require.Equal(collect, corev1.PodRunning, pod.Status.Phase, pod.Name)
		}
	}, "the pods run")
	return pods
}

// forbidden returns the lines of the programs' logs that say that RBAC refused something.
func (w *world) forbidden(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, program := range w.programs {
		log, err := os.ReadFile(program.Log())
		require.NoError(t, err)
		for line := range strings.Lines(string(log)) {
			if strings.Contains(strings.ToLower(line), "forbidden") {
				lines = append(lines, program.Name()+": "+line)
			}
		}
	}
	return lines
}

func names(pods []corev1.Pod) []string {
	all := make([]string, len(pods))
	for i := range pods {
		all[i] = pods[i].Name
	}
	return all
}

// without returns the pods that are not among others.
func without(pods, others []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool {
		return slices.ContainsFunc(others, func(o corev1.Pod) bool { return o.UID == p.UID })
	})
}
