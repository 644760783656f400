package controller

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/controller/podwire"
)

// requests are a container's, of CPU and memory.
func requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}}
}

// overheadClass is a RuntimeClass with an overhead.
func (e *environment) overheadClass() *nodev1.RuntimeClass {
	e.Helper()
	class := &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: e.namespace}, Handler: "sandboxed",
		Overhead: &nodev1.Overhead{PodFixed: corev1.ResourceList{"cpu": resource.MustParse("250m")}},
	}
	require.NoError(e, e.client.Create(e.Context(), class))
	e.Cleanup(func() { _ = e.client.Delete(context.WithoutCancel(e.Context()), class) })
	return class
}

// awkwardPods makes pods whose requests are more than those of one container, on a node that exists, and returns their names.
func (e *environment) awkwardPods(node string) []string {
	e.Helper()
	class := e.overheadClass()
	var names []string
	for name, change := range map[string]func(*corev1.Pod){
		"plain": func(*corev1.Pod) {},
		"init": func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "i", Resources: requests("2", "1Mi")}}
		},
		"sidecar": func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{
				{Name: "sidecar", Image: "i", Resources: requests("300m", "1Gi"), RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)},
				{Name: "init", Image: "i", Resources: requests("1", "1Mi")},
			}
		},
		"whole": func(p *corev1.Pod) {
			p.Spec.Resources = ptr.To(requests("3", "3Gi"))
		},
		"overhead": func(p *corev1.Pod) { p.Spec.RuntimeClassName = &class.Name },
		"limits": func(p *corev1.Pod) { // which become its requests
			p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: requests("4", "4Gi").Requests}
		},
		"two": func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "second", Image: "i", Resources: requests("1m", "1")})
		},
		"nothing":   func(p *corev1.Pod) { p.Spec.Containers[0].Resources, p.Labels = corev1.ResourceRequirements{}, nil },
		"ephemeral": func(*corev1.Pod) {},
		"leaving":   func(p *corev1.Pod) { p.Finalizers = []string{"example.com/test"} },
		"failed":    func(*corev1.Pod) {},
		"unbound":   func(p *corev1.Pod) { p.Spec.NodeName = "" },
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: e.namespace, Name: name, Labels: map[string]string{"app": "web", "example.com/tier": ""},
			Annotations: map[string]string{"a": "b"},
		}}
		pod.Spec = corev1.PodSpec{NodeName: node, SchedulerName: "nobody", Containers: []corev1.Container{{
			Name: "main", Image: "i", Resources: requests("500m", "0.5Gi"), Env: []corev1.EnvVar{{Name: "A", Value: "B"}},
		}}}
		change(pod)
		require.NoError(e, e.client.Create(e.Context(), pod), name)
		names = append(names, name)
	}
	return names
}

// happen has what happens to pods happen to some of them, while a kubelet writes to them, too.
func (e *environment) happen(clients kubernetes.Interface, node string) {
	e.Helper()
	api := clients.CoreV1().Pods(e.namespace)
	debugged, err := api.Patch(e.Context(), "ephemeral", types.StrategicMergePatchType, []byte(
		`{"spec":{"ephemeralContainers":[{"name":"debug","image":"i"}]}}`), metav1.PatchOptions{}, "ephemeralcontainers")
	require.NoError(e, err)
	require.Len(e, debugged.Spec.EphemeralContainers, 1)
	e.fail(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "failed"}}, "", "")
	_, err = api.Patch(e.Context(), "init", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"api"}}}`), metav1.PatchOptions{})
	require.NoError(e, err)
	e.resize("plain", "1500m")
	require.NoError(e, api.Delete(e.Context(), "leaving", metav1.DeleteOptions{}))
	require.NoError(e, api.Delete(e.Context(), "two", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "unbound"}, Target: corev1.ObjectReference{Name: node}}
	require.NoError(e, api.Bind(e.Context(), binding, metav1.CreateOptions{}))
}

// resize changes in place how much CPU a pod's container requests. A kubelet that can do that says what containers have; the simulated one
// does not.
func (e *environment) resize(pod, cpu string) {
	e.Helper()
	key := client.ObjectKey{Namespace: e.namespace, Name: pod}
	e.eventually("pod "+pod+" is resized", func() error {
		p := &corev1.Pod{}
		if err := e.client.Get(e.Context(), key, p); err != nil {
			return err
		}
		for i := range p.Status.ContainerStatuses {
			p.Status.ContainerStatuses[i].Resources = p.Spec.Containers[i].Resources.DeepCopy()
		}
		if err := e.client.Status().Update(e.Context(), p); err != nil { //nolint:forbidigo // it is tried again together with what follows
			return err
		}
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
		return e.client.SubResource("resize").Update(e.Context(), p)
	})
}

// requireKept requires that of a pod the same is kept as whoever decodes it reads.
func requireKept(t *testing.T, whole *corev1.Pod, gone bool, kept *podwire.Pod) {
	t.Helper()
	require.Equal(t, whole.Namespace+"/"+whole.Name, kept.Namespace+"/"+kept.Name)
	require.Equal(t, whole.Spec.NodeName != "" && whole.DeletionTimestamp == nil && !gone, kept.Held, whole.Name)
	if !kept.Held {
		return
	}
	decoded, err := kept.Class.Pod()
	require.NoError(t, err)
	require.Equal(t, whole.Labels, decoded.Labels, whole.Name)
	options := resourcehelper.PodResourcesOptions{ExcludeOverhead: true}
	want, got := resourcehelper.PodRequests(whole, options), resourcehelper.PodRequests(decoded, options)
	require.True(t, equality.Semantic.DeepEqual(want, got), "%s requests %v, not %v", whole.Name, got, want)
}

// following is what two clients were sent of the same watch.
type following struct {
	whole, kept watch.Interface
	// changes were told together, and not all compared yet.
	changes podwire.Changes
}

func (e *environment) watchBoth(clients kubernetes.Interface, lean *podwire.Client, options metav1.ListOptions) *following {
	e.Helper()
	whole, err := clients.CoreV1().Pods(e.namespace).Watch(e.Context(), options)
	require.NoError(e, err)
	e.Cleanup(whole.Stop)
	kept, err := lean.Watch(e.Context(), e.namespace, options)
	require.NoError(e, err)
	e.Cleanup(kept.Stop)
	return &following{whole: whole, kept: kept}
}

// next requires that both are sent the same next, and returns what the one was sent who decodes it.
func (f *following) next(t *testing.T) (watch.EventType, *corev1.Pod) {
	t.Helper()
	receive := func(from watch.Interface) watch.Event {
		t.Helper()
		select {
		case event, ok := <-from.ResultChan():
			require.True(t, ok, "the watch ended")
			return event
		case <-time.After(patience):
			require.Fail(t, "nothing is sent")
		}
		return watch.Event{}
	}
	event := receive(f.whole)
	pod, ok := event.Object.(*corev1.Pod)
	require.True(t, ok, "got a %T", event.Object)
	for len(f.changes.Pods) == 0 {
		told := receive(f.kept)
		changes, ok := told.Object.(*podwire.Changes)
		require.True(t, ok, "got a %T", told.Object)
		f.changes = *changes
	}
	requireKept(t, pod, event.Type == watch.Deleted, f.changes.Pods[0])
	if f.changes.Pods = f.changes.Pods[1:]; len(f.changes.Pods) == 0 {
		require.Equal(t, pod.ResourceVersion, f.changes.ResourceVersion)
	}
	return event.Type, pod
}

func (e *environment) leanClient(access *rest.Config) *podwire.Client {
	e.Helper()
	connections, err := podwire.Connections(access)
	require.NoError(e, err)
	lean, err := podwire.New(access, connections)
	require.NoError(e, err)
	return lean
}

// Of awkward pods, and of what happens to them, the same is read as by the client that decodes them whole: when they are listed,
// and event by event.
func TestWhatIsKeptOfPodsIsWhatWhoeverDecodesThemReads(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	clients := kubernetes.NewForConfigOrDie(e.cluster.RESTConfig())
	lean := e.leanClient(e.cluster.RESTConfig())
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}}
	require.NoError(t, e.client.Create(t.Context(), node))
	t.Cleanup(func() { _ = e.client.Delete(context.WithoutCancel(t.Context()), node) })
	bound := metav1.ListOptions{FieldSelector: "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}

	begin, err := clients.CoreV1().Pods(e.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	since := bound
	since.ResourceVersion = begin.ResourceVersion
	events := e.watchBoth(clients, lean, since)
	names := e.awkwardPods(node.Name)
	e.happen(clients, node.Name)
	seen := map[string]watch.EventType{}
	last := map[string]*corev1.Pod{}
	for seen["unbound"] == "" { // it was bound last
		kind, pod := events.next(t)
		seen[pod.Name], last[pod.Name] = kind, pod
	}
	require.Len(t, seen, len(names))
	require.Equal(t, watch.Deleted, seen["failed"])
	require.Equal(t, watch.Deleted, seen["two"])
	require.Equal(t, watch.Modified, seen["leaving"])
	require.Equal(t, "1500m", last["plain"].Spec.Containers[0].Resources.Requests.Cpu().String(), "it was resized")

	for _, selector := range []metav1.ListOptions{bound, {}, {Limit: 3}} {
		whole, err := clients.CoreV1().Pods(e.namespace).List(t.Context(), selector)
		require.NoError(t, err)
		selector.ResourceVersion, selector.ResourceVersionMatch = whole.ResourceVersion, metav1.ResourceVersionMatchExact
		listed, err := lean.List(t.Context(), e.namespace, selector)
		require.NoError(t, err)
		kept, ok := listed.(*podwire.Pods)
		require.True(t, ok, "got a %T", listed)
		require.Equal(t, whole.ResourceVersion, kept.ResourceVersion)
		require.Equal(t, whole.Continue == "", kept.Continue == "")
		require.NotEmpty(t, whole.Items)
		require.Len(t, kept.Items, len(whole.Items))
		for i := range whole.Items {
			requireKept(t, &whole.Items[i], false, kept.Items[i])
		}
	}
}
