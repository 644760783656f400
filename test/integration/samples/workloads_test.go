// Package samples tests the samples of workloads: applied as they are, they run, and take headroom where they need it.
package samples

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/observer"
)

// lostShard is the pod whose node the test takes away.
const lostShard = "search-1"

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// world is a cluster with the product in it, and one namespace for each sample.
type world struct {
	client.Client
	cluster *cluster.Cluster
	// namespaces by the name of the sample's file.
	namespaces map[string]string
}

// TestTheWorkloadsRunAndTakeHeadroomWhereTheyNeedIt starts the samples while there is room, fills the nodes, and lets each workload
// grow in its own way: what is new has nothing but the headroom to start in.
func TestTheWorkloadsRunAndTakeHeadroomWhereTheyNeedIt(t *testing.T) {
	w := start(t)
	job := w.applySamples(t)
	w.waitStarted(t)
	for file := range w.namespaces {
		require.Empty(t, w.tookHeadroom(t, file), "%s: there was free room", file)
	}
	w.fill(t)

	t.Run("a Deployment that an autoscaler scales", func(t *testing.T) {
		w.requireAutoscaled(t, "api.yaml", "shop-api")
		w.scale(t, "api.yaml", "shop-api", 6)
		w.waitRunning(t, "api.yaml", "app=shop-api", 6)
		w.waitTookHeadroom(t, "api.yaml", 4)
	})
	t.Run("a burst of CI jobs", func(t *testing.T) {
		// Else those that complete first leave room, without headroom, to those that are scheduled last.
		require.NoError(t, unstructured.SetNestedField(job.Object, "", "spec", "template", "metadata", "annotations", cluster.HoldAnnotation))
		require.NoError(t, w.Create(t.Context(), job))
		w.waitRunning(t, "ci-job.yaml", "role=ci-runner", 6)
		w.waitTookHeadroom(t, "ci-job.yaml", 6)
		w.release(t, "ci-job.yaml", client.MatchingLabels{"role": "ci-runner"})
		w.waitPhase(t, "ci-job.yaml", "role=ci-runner", 6, corev1.PodSucceeded)
	})
	t.Run("a StatefulSet that loses a node", func(t *testing.T) {
		before := w.pod(t, "search.yaml", lostShard)
		w.cordon(t, before.Spec.NodeName)
		require.NoError(t, w.Delete(t.Context(), before, client.GracePeriodSeconds(0)))
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			now := w.pod(collect, "search.yaml", lostShard)
			require.NotEqual(collect, before.UID, now.UID)
			require.Equal(collect, corev1.PodRunning, now.Status.Phase)
		}, soon, glance)
		now := w.pod(t, "search.yaml", lostShard)
		require.NotEqual(t, before.Spec.NodeName, now.Spec.NodeName)
		require.Equal(t, w.zone(t, before.Spec.NodeName), w.zone(t, now.Spec.NodeName), "its data is there")
		w.waitTookHeadroom(t, "search.yaml", 1)
	})
	t.Run("an OpenFaaS function, whose template names no scheduler", func(t *testing.T) {
		var function appsv1.Deployment
		require.NoError(t, w.Get(t.Context(), w.key("function.yaml", "resize-image"), &function))
		require.Equal(t, defaultScheduler, function.Spec.Template.Spec.SchedulerName)
		w.scale(t, "function.yaml", "resize-image", 5)
		w.waitRunning(t, "function.yaml", "faas_function=resize-image", 5)
		w.waitTookHeadroom(t, "function.yaml", 4)
	})
}

func start(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	c := clustertest.Start(t, cluster.Options{
		ControllerManagerArgs: []string{"--horizontal-pod-autoscaler-sync-period=1s"},
	})
	pool := func(name string) cluster.Nodes {
		return cluster.Nodes{
			Count: 3, Zones: 3, Prefix: name, Labels: map[string]string{"pool": name},
			Taints: []corev1.Taint{{Key: name, Value: "true", Effect: corev1.TaintEffectNoSchedule}},
		}
	}
	require.NoError(t, c.AddNodes(ctx, cluster.Nodes{Count: 6, Zones: 3}))
	require.NoError(t, c.AddNodes(ctx, pool("ci")))
	require.NoError(t, c.AddNodes(ctx, pool("functions")))
	cl, err := c.Client()
	require.NoError(t, err)
	w := &world{Client: cl, cluster: c, namespaces: map[string]string{}}

	_, err = c.RunController(ctx, "--placeholder-scheduler-name="+headroomScheduler)
	require.NoError(t, err)
	// No other scheduler runs: a pod that had not opted in would wait for ever.
	_, err = c.RunHeadroomScheduler(ctx, cluster.SecondScheduler)
	require.NoError(t, err)
	judge := observer.Require(t, c.RESTConfig(), observer.Rules{
		MayVanish:  func(pod *corev1.Pod) bool { return pod.Name == lostShard },
		IgnoreBind: func(pod *corev1.Pod) bool { return strings.HasPrefix(pod.Name, "full-") },
	})
	t.Cleanup(judge)
	applyPolicy(t, c)
	return w
}

// applySamples applies every file into a namespace of its own, and all that are in the list of the kustomization. It holds back the
// Job, and returns it.
func (w *world) applySamples(t *testing.T) (job *unstructured.Unstructured) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sampleDir(t, "workloads"), "*.yaml"))
	require.NoError(t, err)
	applied := 0
	for _, file := range files {
		name := filepath.Base(file)
		if name == "kustomization.yaml" {
			continue
		}
		labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
		if name == "function.yaml" {
			labels[optInLabel] = "true"
		}
		namespace := clustertest.Namespace(t, w.cluster, labels)
		w.namespaces[name] = namespace
		if name == "function.yaml" {
			waitPolicy(t, w.cluster, namespace)
		}
		objects, err := cluster.ParseFiles(file)
		require.NoError(t, err)
		applied += len(objects)
		for _, object := range objects {
			object.SetNamespace(namespace)
		}
		if i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Job" }); i >= 0 {
			job, objects = objects[i], slices.Delete(slices.Clone(objects), i, i+1)
		}
		require.NoError(t, w.cluster.Apply(t.Context(), objects...), name)
	}
	rendered, err := w.cluster.Tools().Kustomize(t.Context(), sampleDir(t, "workloads"))
	require.NoError(t, err)
	require.Len(t, rendered, applied, "the list of the kustomization is complete")
	require.NotNil(t, job)
	return job
}

// waitStarted waits until every Headroom is filled and every workload runs.
func (w *world) waitStarted(t *testing.T) {
	t.Helper()
	for file, want := range map[string]int{"api.yaml": 4, "ci-job.yaml": 6, "search.yaml": 3, "function.yaml": 5} {
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			var headrooms v1alpha1.HeadroomList
			require.NoError(t, w.List(context.Background(), &headrooms, client.InNamespace(w.namespaces[file])))
			require.Len(t, headrooms.Items, 1)
			require.EqualValues(t, want, headrooms.Items[0].Status.ReadyReplicas, "%s: %v", file, headrooms.Items[0].Status)
		}, soon, glance)
	}
	w.waitRunning(t, "api.yaml", "app=shop-api", 2)
	w.waitRunning(t, "search.yaml", "app=search", 3)
	w.waitRunning(t, "function.yaml", "faas_function=resize-image", 1)
}

// fill puts a pod on each node that leaves no CPU.
func (w *world) fill(t *testing.T) {
	t.Helper()
	var nodes corev1.NodeList
	var pods corev1.PodList
	require.NoError(t, w.List(t.Context(), &nodes))
	require.NoError(t, w.List(t.Context(), &pods))
	free := map[string]resource.Quantity{}
	for _, node := range nodes.Items {
		free[node.Name] = node.Status.Allocatable.Cpu().DeepCopy()
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		left := free[pod.Spec.NodeName]
		left.Sub(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})[corev1.ResourceCPU])
		free[pod.Spec.NodeName] = left
	}
	for _, node := range nodes.Items {
		left := free[node.Name]
		if left.Sign() <= 0 {
			continue
		}
		pod := builders.Consumer("full-"+node.Name, builders.Resources{"cpu": left.String()}).
			Namespace(metav1.NamespaceDefault).Node(node.Name).Obj()
		require.NoError(t, w.Create(t.Context(), pod))
	}
}

// requireAutoscaled checks that the autoscaler has found what it scales.
func (w *world) requireAutoscaled(t *testing.T, file, name string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var autoscaler autoscalingv2.HorizontalPodAutoscaler
		require.NoError(t, w.Get(context.Background(), w.key(file, name), &autoscaler))
		able := slices.ContainsFunc(autoscaler.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
			return c.Type == autoscalingv2.AbleToScale && c.Status == corev1.ConditionTrue
		})
		require.True(t, able, "%v", autoscaler.Status.Conditions)
		require.EqualValues(t, 2, autoscaler.Status.CurrentReplicas, "it made one replica two: its minimum")
	}, soon, glance)
}

func (w *world) scale(t *testing.T, file, deployment string, replicas int32) {
	t.Helper()
	object := &appsv1.Deployment{}
	require.NoError(t, w.Get(t.Context(), w.key(file, deployment), object))
	body := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: deployment, Namespace: w.namespaces[file]},
		Spec:       autoscalingv1.ScaleSpec{Replicas: replicas},
	}
	require.NoError(t, w.SubResource("scale").Update(t.Context(), object, client.WithSubResourceBody(body)))
}

func (w *world) cordon(t *testing.T, name string) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`))
	require.NoError(t, w.Patch(t.Context(), node, patch))
}

// release lets pods complete that were held.
func (w *world) release(t *testing.T, file string, labels client.MatchingLabels) {
	t.Helper()
	var pods corev1.PodList
	require.NoError(t, w.List(t.Context(), &pods, client.InNamespace(w.namespaces[file]), labels))
	for i := range pods.Items {
		before := pods.Items[i].DeepCopy()
		delete(pods.Items[i].Annotations, cluster.HoldAnnotation)
		require.NoError(t, w.Patch(t.Context(), &pods.Items[i], client.MergeFrom(before)))
	}
}

func (w *world) waitRunning(t *testing.T, file, selector string, count int) {
	t.Helper()
	w.waitPhase(t, file, selector, count, corev1.PodRunning)
}

func (w *world) waitPhase(t *testing.T, file, selector string, count int, phase corev1.PodPhase) {
	t.Helper()
	parsed, err := metav1.ParseToLabelSelector(selector)
	require.NoError(t, err)
	matching, err := metav1.LabelSelectorAsSelector(parsed)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var pods corev1.PodList
		require.NoError(t, w.List(context.Background(), &pods, client.InNamespace(w.namespaces[file]),
			client.MatchingLabelsSelector{Selector: matching}))
		phases := map[corev1.PodPhase]int{}
		for _, pod := range pods.Items {
			phases[pod.Status.Phase]++
			require.Equal(t, headroomScheduler, pod.Spec.SchedulerName)
			require.Zero(t, ptr.Deref(pod.Spec.Priority, 0))
		}
		require.Equal(t, map[corev1.PodPhase]int{phase: count}, phases, file)
	}, soon, glance)
}

// waitTookHeadroom waits until that many pods of the sample took headroom, each told in an event.
func (w *world) waitTookHeadroom(t *testing.T, file string, count int) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.Len(t, w.tookHeadroom(t, file), count, file)
	}, soon, glance)
}

func (w *world) tookHeadroom(t require.TestingT, file string) sets.Set[string] {
	var events eventsv1.EventList
	require.NoError(t, w.List(context.Background(), &events, client.InNamespace(w.namespaces[file])))
	pods := sets.New[string]()
	for _, event := range events.Items {
		if event.Reason == swapevent.Reason {
			pods.Insert(string(event.Regarding.UID))
		}
	}
	return pods
}

func (w *world) pod(t require.TestingT, file, name string) *corev1.Pod {
	pod := &corev1.Pod{}
	require.NoError(t, w.Get(context.Background(), w.key(file, name), pod))
	return pod
}

func (w *world) zone(t *testing.T, name string) string {
	t.Helper()
	var node corev1.Node
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Name: name}, &node))
	require.NotEmpty(t, node.Labels[corev1.LabelTopologyZone], fmt.Sprint("zone of ", name))
	return node.Labels[corev1.LabelTopologyZone]
}

func (w *world) key(file, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespaces[file], Name: name}
}
