package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/kubernetes/pkg/features"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// No kubelet runs here. What one writes of a resize, the condition PodResizePending and what is allocated to containers, the tests write; the
// resize itself goes through the API server's own subresource.

// running puts a pod on a node, where it has what it asks for.
func (w *world) running(t *testing.T, pod *st.PodWrapper) string {
	t.Helper()
	name := w.place(t, pod)
	w.allocate(t, name)
	return name
}

// allocate does what a kubelet does that grants a pod what it asks for.
func (w *world) allocate(t *testing.T, name string) {
	t.Helper()
	pod := w.Pod(t, name)
	statuses := func(containers []corev1.Container) []map[string]any {
		list := []map[string]any{}
		for _, c := range containers {
			list = append(list, map[string]any{
				"name": c.Name, "image": c.Image, "imageID": c.Image, "ready": true, "restartCount": 0,
				"allocatedResources": c.Resources.Requests, "resources": map[string]any{"requests": c.Resources.Requests},
			})
		}
		return list
	}
	w.patch(t, name, "status", map[string]any{"status": map[string]any{
		"phase": corev1.PodRunning, "containerStatuses": statuses(pod.Spec.Containers),
		"initContainerStatuses": statuses(pod.Spec.InitContainers),
		"conditions":            []any{map[string]any{"$patch": "delete", "type": corev1.PodResizePending}},
	}})
}

// resize asks for another size of a running pod.
func (w *world) resize(t *testing.T, name, cores string) {
	t.Helper()
	container := w.Pod(t, name).Spec.Containers[0].Name
	w.patch(t, name, "resize", map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
		"name": container, "resources": map[string]any{"requests": map[string]string{"cpu": cores}},
	}}}})
}

// pend does what a kubelet does that cannot grant a resize.
func (w *world) pend(t *testing.T, name, reason string) {
	t.Helper()
	pod := w.Pod(t, name)
	w.patch(t, name, "status", map[string]any{"status": map[string]any{"conditions": []any{map[string]any{
		"type": corev1.PodResizePending, "status": "True", "reason": reason, "observedGeneration": pod.Generation,
		"lastTransitionTime": metav1.Now(),
	}}}})
}

func (w *world) patch(t *testing.T, name, subresource string, change map[string]any) {
	t.Helper()
	data, err := json.Marshal(change)
	require.NoError(t, err)
	_, err = w.Client.CoreV1().Pods(w.Namespace).Patch(
		t.Context(), name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, subresource)
	require.NoError(t, err)
}

// defers asks for another size and has no room for it.
func (w *world) defers(t *testing.T, name, cores string) {
	t.Helper()
	w.resize(t, name, cores)
	w.pend(t, name, corev1.PodReasonDeferred)
}

// leads has the scheduler place a pod, by which it knows that it leads.
func (w *world) leads(t *testing.T, name string) {
	t.Helper()
	w.CreatePods(t, consumer(name, nil).Obj())
	w.WaitBound(t, name)
}

// waitTook waits until a pod says that it took so many placeholders, and is about to take none, and returns their UIDs.
func (w *world) waitTook(t *testing.T, name string, want int) []types.UID {
	t.Helper()
	var took swapevent.Took
	w.Eventually(t, "waiting for placeholders to be credited", func(context.Context) string {
		pod := w.Pod(t, name)
		took, _ = swapevent.ParseAnnotation(pod.Annotations[v1alpha1.AnnotationTook])
		if taking := pod.Annotations[v1alpha1.AnnotationTaking]; taking != "" || len(took.Placeholders) != want {
			return fmt.Sprintf("pod %s took %v, and is about to take %q", name, took.Placeholders, taking)
		}
		return ""
	})
	return took.Placeholders
}

// size is a node of so many cores.
func size(cores string) builders.Resources {
	return builders.Resources{corev1.ResourceCPU: cores, corev1.ResourcePods: "50"}
}

func TestARunningPodGrowsIntoThePlaceholdersOfItsNode(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("10"), "a", "b")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Consumers(onlyFor("web")).Obj())
	units := w.fill(t, spare, "n0", "n0", "n0", "n1")
	uids := w.uidsOf(t, units)
	web := w.running(t, consumer("web", cpu("4")).Label("app", "web").Node("n0"))
	faults := schedulerharness.NewFaults()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.leads(t, "first")
	before := len(faults.Writes())

	w.defers(t, web, "5")

	took := w.waitTook(t, web, 1)
	left := w.remaining(t, units)
	require.Len(t, left, 3, "one is enough")
	require.Contains(t, left, units[3], "the other node has nothing to do with it")
	require.Len(t, faults.Writes()[before:], 3, "what is about to go, the eviction, what went")
	w.allocate(t, web)

	w.defers(t, web, "8")

	require.Contains(t, w.waitTook(t, web, 2), took[0], "what it took before stays written down")
	require.Len(t, w.remaining(t, units), 2)
	w.allocate(t, web)
	credited := w.credits(t)
	for name, uid := range uids {
		if w.Pod(t, name) == nil {
			require.Equal(t, []string{web}, credited[uid])
		}
	}
	w.namedInEvents(t, 2)
	list, err := w.Client.EventsV1().Events(w.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=" + swapevent.Reason})
	require.NoError(t, err)
	require.Equal(t, swapevent.ActionGrow, list.Items[0].Action)
	require.Contains(t, list.Items[0].Note, "on node n0: to grow in place, for which it lacked ")
	w.judge(t)
}

func TestNothingGoesForAResizeThatDoesNotNeedOrGetIt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("10"), repeat(3, "a", "b", "c")[:7]...)
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Consumers(onlyFor("web")).Obj())
	units := w.fill(t, spare, "n0", "n0", "n0", "n1", "n1", "n1", "n2", "n2", "n3", "n3", "n3", "n4", "n4", "n4", "n5", "n5", "n5")
	control := w.fill(t, spare, "n6", "n6", "n6")
	pod := func(i int) *st.PodWrapper {
		return consumer(fmt.Sprint("web-", i), cpu("4")).Label("app", "web").Node(fmt.Sprint("n", i))
	}
	infeasible, withdrawn, large, undecided := w.running(t, pod(0)), w.running(t, pod(1)), w.running(t, pod(2)), w.running(t, pod(3))
	w.running(t, ordinary("neighbour", "n2", "2", 0)) // the API server itself refuses what no node could ever hold
	foreign := w.running(t, pod(4).SchedulerName("default-scheduler"))
	other := w.running(t, consumer("db", cpu("4")).Label("app", "db").Node("n5"))
	served := w.running(t, pod(6))
	w.startPlugin(t)
	w.leads(t, "first")

	w.resize(t, infeasible, "5")
	w.pend(t, infeasible, corev1.PodReasonInfeasible)
	w.pend(t, withdrawn, corev1.PodReasonDeferred) // it asks for what it has
	w.defers(t, large, "9")
	w.resize(t, undecided, "5")
	w.defers(t, foreign, "5")
	w.defers(t, other, "5")
	w.defers(t, served, "5")

	w.waitTook(t, served, 1)
	require.Len(t, w.remaining(t, control), 2)
	require.Never(t, func() bool { return len(w.remaining(t, units)) < len(units) }, time.Second, 100*time.Millisecond)
	for _, name := range []string{infeasible, withdrawn, large, undecided, foreign, other} {
		require.Empty(t, w.Pod(t, name).Annotations[v1alpha1.AnnotationTaking], name)
	}
	w.judge(t)
}

func TestOfTwoResizesOfOneNodeTheMoreImportantIsServed(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("10"), "a")
	units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Obj()), "n0")
	low := w.running(t, consumer("low", cpu("4")).Priority(1).Node("n0"))
	high := w.running(t, consumer("high", cpu("4")).Priority(2).Node("n0"))
	w.defers(t, low, "6")
	w.defers(t, high, "6")

	w.startPlugin(t)
	w.leads(t, "first")

	w.waitTook(t, high, 1)
	require.Empty(t, w.remaining(t, units))
	require.Empty(t, w.Pod(t, low).Annotations[v1alpha1.AnnotationTook])
	w.allocate(t, high)
	w.judge(t)
}

// TestGrowthAndSwapsShareANode has pods come to a node while pods of it grow; every take is credited to one pod, and in the end all fit.
func TestGrowthAndSwapsShareANode(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("20"), "a")
	var nodes []string
	for range 12 {
		nodes = append(nodes, "n0")
	}
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	units := w.fill(t, spare, nodes...)
	uids := w.uidsOf(t, units)
	var grow []string
	for i := range 4 {
		grow = append(grow, w.running(t, consumer(fmt.Sprint("grows-", i), cpu("2")).Node("n0")))
	}
	w.startPlugin(t)
	w.leads(t, "first")

	var came []string
	for i := range 4 {
		w.defers(t, grow[i], "4")
		came = append(came, fmt.Sprint("comes-", i))
		w.CreatePods(t, consumer(came[i], cpu("1")).Obj())
	}

	w.WaitBound(t, came...)
	w.Eventually(t, "waiting for the room", func(context.Context) string {
		if left := len(w.remaining(t, units)); left != 0 {
			return fmt.Sprintf("%d units are left, of 12 for 4 pods that came and 4 that grow by two cores", left)
		}
		return ""
	})
	w.Eventually(t, "waiting for the account", func(context.Context) string {
		credited := w.credits(t)
		for name, uid := range uids {
			if len(credited[uid]) != 1 {
				return fmt.Sprintf("%s is credited to %v", name, credited[uid])
			}
		}
		return ""
	})
	for _, name := range grow {
		w.allocate(t, name)
	}
	w.judge(t)
}

func TestP13AResizeIsCreditedOnceWhereverTheSchedulerIsKilled(t *testing.T) {
	marks := func(r schedulerharness.Request) bool {
		return r.Method == http.MethodPatch && strings.HasSuffix(r.Path, "/pods/web/status")
	}
	evictions := func(r schedulerharness.Request) bool { return r.IsEviction() }
	for _, c := range []struct {
		name string
		at   func(schedulerharness.Request) bool
		nth  int
		sent bool
	}{
		{"before it is written down what is about to go", marks, 1, false},
		{"after that, the answer lost", marks, 1, true},
		{"before the first eviction", evictions, 1, false},
		{"after the first eviction, its answer lost", evictions, 1, true},
		{"before the second eviction", evictions, 2, false},
		{"after the second eviction, its answer lost", evictions, 2, true},
		{"before it is written down what went", marks, 2, false},
		{"after that, the answer lost", marks, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.nodes(t, size("10"), "a")
			units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Obj()), "n0", "n0", "n0")
			uids := w.uidsOf(t, units)
			web := w.running(t, consumer("web", cpu("4")).Node("n0"))
			faults, crashed := schedulerharness.NewFaults(), make(chan struct{})
			faults.Inject(crashAt(faults, crashed, c.at, c.nth, c.sent))
			doomed := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
			w.leads(t, "first")
			w.defers(t, web, "7")
			await(t, crashed, "the crash")
			doomed.Kill()

			w.startPlugin(t)
			w.leads(t, "second")

			w.waitTook(t, web, 2)
			require.Len(t, w.remaining(t, units), 1, "two make the room, the third stays")
			credited := w.credits(t)
			for name, uid := range uids {
				if w.Pod(t, name) == nil {
					require.Equal(t, []string{web}, credited[uid])
				} else {
					require.Empty(t, credited[uid])
				}
			}
			w.allocate(t, web)
			w.judge(t)
		})
	}
}

func TestAnEvictionForAResizeThatIsRefusedIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("10"), "a")
	units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Obj()), "n0", "n0", "n0")
	web := w.running(t, consumer("web", cpu("4")).Node("n0"))
	faults, refused := schedulerharness.NewFaults(), 0
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() || refused == 3 {
			return nil
		}
		refused++
		return refuse()
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.leads(t, "first")

	w.defers(t, web, "7")

	w.waitTook(t, web, 2)
	require.Len(t, w.remaining(t, units), 1)
	w.judge(t)
}

func TestGrowthInPlaceCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, size("10"), "a")
	units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Obj()), "n0", "n0", "n0")
	web := w.running(t, consumer("web", cpu("4")).Node("n0"))
	cfg := schedulerharness.SecondScheduler(t)
	for i := range cfg.Profiles[0].PluginConfig {
		if args, ok := cfg.Profiles[0].PluginConfig[i].Args.(*config.HeadroomArgs); ok {
			args.GrowInPlace = false
		}
	}
	w.StartHeadroom(t, cfg, nil)
	w.leads(t, "first")

	w.defers(t, web, "5")

	require.Never(t, func() bool { return len(w.remaining(t, units)) < 3 }, time.Second, 100*time.Millisecond)
	w.judge(t)
}

// TestASidecarGrowsIntoTheSampleOfEveryNode has the reserve that the sample per-node.yaml keeps on every node taken by a sidecar that grows.
func TestASidecarGrowsIntoTheSampleOfEveryNode(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"n0", "n1"} {
		w.CreateNodes(t, builders.Node(name, "a", builders.Resources{"cpu": "4", "memory": "8Gi", "pods": "20"}).Label("pool", "apps").Obj())
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "manifests", "samples", "per-node.yaml"))
	require.NoError(t, err)
	sample := &v1alpha1.Headroom{}
	require.NoError(t, yaml.UnmarshalStrict(text, sample))
	set := placeholder.BuildDaemonSet(w.CreateHeadroom(t, sample), placeholder.Defaults{SchedulerName: schedulerharness.HeadroomScheduler})
	set, err = w.Client.AppsV1().DaemonSets(w.Namespace).Create(t.Context(), set, metav1.CreateOptions{})
	require.NoError(t, err)
	units := map[string]string{}
	for _, node := range []string{"n0", "n1"} { // as the DaemonSet controller, which does not run here, makes them
		unit := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: *set.Spec.Template.Spec.DeepCopy()}
		unit.Name, unit.Spec.NodeName, unit.Spec.PriorityClassName, unit.Spec.Priority = "unit-"+node, node, "", ptr.To[int32](-10)
		unit.Annotations = map[string]string{placedByTest: "true"}
		unit.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		units[node] = w.CreatePods(t, unit)[0].Name
	}
	web := consumer("web", cpu("3")).Node("n0").Obj()
	web.Annotations = map[string]string{placedByTest: "true"}
	always, half := corev1.ContainerRestartPolicyAlways, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}
	web.Spec.InitContainers = []corev1.Container{{
		Name: "proxy", Image: "proxy", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: half},
	}}
	w.CreatePods(t, web)
	w.allocate(t, "web")
	w.startPlugin(t)
	w.leads(t, "first")

	w.patch(t, "web", "resize", map[string]any{"spec": map[string]any{"initContainers": []any{map[string]any{
		"name": "proxy", "resources": map[string]any{"requests": map[string]string{"cpu": "1"}},
	}}}})
	w.pend(t, "web", corev1.PodReasonDeferred)

	w.waitTook(t, "web", 1)
	require.Nil(t, w.Pod(t, units["n0"]))
	require.NotNil(t, w.Pod(t, units["n1"]))
	w.allocate(t, "web")
	w.judge(t)
}

// TestGrowthIsServedInTheQueueWhereKubeSchedulerBringsItThere has the feature gate on by which kube-scheduler preempts for resizes itself.
func TestGrowthIsServedInTheQueueWhereKubeSchedulerBringsItThere(t *testing.T) {
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.InPlacePodVerticalScalingSchedulerPreemption, true)
	w := newWorld(t)
	w.nodes(t, size("10"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("2")).Consumers(onlyFor("web")).Obj())
	units := w.fill(t, spare, "n0", "n0")
	bystander := w.place(t, ordinary("bystander", "n0", "2", -100))
	web := w.running(t, consumer("web", cpu("4")).Label("app", "web").Node("n0"))
	w.startPlugin(t)

	w.defers(t, web, "5")

	w.waitTook(t, web, 1)
	require.Len(t, w.remaining(t, units), 1)
	require.NotNil(t, w.Pod(t, bystander), "kube-scheduler's own preemption would take the pod of the lowest priority")
	w.allocate(t, web)
	w.judge(t)
}
