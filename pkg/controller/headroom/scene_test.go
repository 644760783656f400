package headroom

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/accounts"
	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// scene is a Reconciler that tests call themselves, by a clock of their own, over a fake API server: what these tests are about are the
// requests themselves, answers that a real one cannot be made to give, a cache that is behind, and time. test/integration/controller has
// the Reconciler on a real one.
type scene struct {
	*Reconciler
	t        *testing.T
	api      client.WithWatch
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	registry *prometheus.Registry

	mu sync.Mutex // creations are many at a time
	// requests are the writes that the API server was asked for, such as "create Pod web-headroom-0", dry runs included.
	requests []string
	created  int
	// compared is how often it was asked what would become of a DaemonSet.
	compared int
	// deletions are the options of the deletions among them, by the name of the object.
	deletions map[string]client.DeleteOptions
	// patches are the bodies of the status writes.
	patches []string
	// answers are errors that the API server gives instead of doing what the key of requests says.
	answers map[string]error
	// unreadable are errors of reads, by the kind that is read, such as "PodList" from the cache, or "live PodList" from the API server.
	unreadable map[string]error
	// deleting is called when a deletion is asked for and not done yet, deleted when it is done and not answered yet; nil: nobody is.
	deleting, deleted func(client.Object)
	// idle says that writes are noted and not done.
	idle bool
	// admit plays a policy or webhook that changes new pods; nil if there is none.
	admit func(*corev1.Pod)
	// unseen are objects that the cache does not show yet, stale are Headrooms as it shows them.
	unseen map[types.UID]bool
	stale  *v1alpha1.Headroom
}

// newScene has a node and the PriorityClass "headroom" beside these objects.
func newScene(t *testing.T, objects ...client.Object) *scene {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	class := &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: "headroom"}, Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever),
	}
	node := readyNode("n1")
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, class, node)...).WithStatusSubresource(&v1alpha1.Headroom{})
	builder.WithIndex(&corev1.Pod{}, fieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} })
	builder.WithIndex(&eventsv1.Event{}, "reason", func(o client.Object) []string { return []string{o.(*eventsv1.Event).Reason} })
	require.NoError(t, addIndexes(t.Context(), indexes{builder}, placeholder.Defaults{}))
	s := &scene{
		t: t, api: builder.Build(), clock: testingclock.NewFakeClock(epoch), recorder: events.NewFakeRecorder(1000), registry: prometheus.NewRegistry(),
		deletions: map[string]client.DeleteOptions{}, answers: map[string]error{}, unreadable: map[string]error{}, unseen: map[types.UID]bool{},
	}
	counted := metrics.NewController(s.registry)
	s.Reconciler = New(Options{
		Accounts: accounts.New(accounts.Options{Clock: s.clock, Metrics: counted}),
		Client: interceptor.NewClient(s.api, interceptor.Funcs{
			Get: s.get, List: s.list, Create: s.create, Update: s.update, Delete: s.delete, SubResourcePatch: s.patch,
		}),
		Workloads: workload.New(t.Context(), workload.Options{}),
		Live:      interceptor.NewClient(s.api, interceptor.Funcs{Get: s.getLive, List: s.listLive}), Recorder: s.recorder, Clock: s.clock, Metrics: counted,
		Limits: priority.Limits{Max: -1, Min: -10}, Policy: anyImage(t),
	})
	return s
}

// anyImage allows every image, and enforces baseline.
func anyImage(t *testing.T) *podpolicy.Policy {
	t.Helper()
	policy, err := podpolicy.New([]string{"*"}, "")
	require.NoError(t, err)
	return policy
}

// indexes lets a fake API server have the indexes of the cache.
type indexes struct{ builder *fake.ClientBuilder }

func (i indexes) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.builder.WithIndex(object, field, extract)
	return nil
}

// request notes a write and returns how it is to fail.
func (s *scene) request(verb string, object client.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := fmt.Sprintf("%s %s %s", verb, kindOf(object), object.GetName())
	s.requests = append(s.requests, request)
	for prefix, err := range s.answers {
		if strings.HasPrefix(request, prefix) {
			return err
		}
	}
	return nil
}

func kindOf(object runtime.Object) string {
	kind := fmt.Sprintf("%T", object)
	return kind[strings.LastIndex(kind, ".")+1:]
}

// nextUID returns a UID that no other object has.
func (s *scene) nextUID() types.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created++
	return types.UID(fmt.Sprint("uid-", s.created))
}

func (s *scene) get(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := s.unreadable[kindOf(object)]; err != nil {
		return err
	}
	if headroom, ok := object.(*v1alpha1.Headroom); ok && s.stale != nil {
		s.stale.DeepCopyInto(headroom)
		return nil
	}
	if err := api.Get(ctx, key, object, options...); err != nil {
		return err
	}
	if s.unseen[object.GetUID()] {
		return notFound(object.GetName())
	}
	return nil
}

func (s *scene) list(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	if err := s.unreadable[kindOf(list)]; err != nil {
		return err
	}
	err := api.List(ctx, list, options...)
	if pods, ok := list.(*corev1.PodList); ok {
		pods.Items = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return s.unseen[pod.UID] })
	}
	return err
}

func (s *scene) getLive(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := s.unreadable["live "+kindOf(object)]; err != nil {
		return err
	}
	return api.Get(ctx, key, object, options...)
}

func (s *scene) listLive(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	if err := s.unreadable["live "+kindOf(list)]; err != nil {
		return err
	}
	return api.List(ctx, list, options...)
}

func (s *scene) create(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
	verb := "create"
	if slices.Contains(options, client.CreateOption(client.DryRunAll)) {
		verb = "try"
	}
	err := s.request(verb, object)
	if pod, ok := object.(*corev1.Pod); ok && s.admit != nil {
		s.admit(pod)
	}
	if err != nil || verb == "try" {
		return err
	}
	object.SetUID(s.nextUID())
	object.SetCreationTimestamp(metav1.NewTime(s.clock.Now()))
	if s.idle {
		object.SetResourceVersion("1")
		return nil
	}
	return api.Create(ctx, object, options...)
}

func (s *scene) update(ctx context.Context, api client.WithWatch, object client.Object, options ...client.UpdateOption) error {
	if slices.Contains(options, client.UpdateOption(client.DryRunAll)) {
		s.compared++
		return api.Update(ctx, object, options...) // a question, which changes nothing
	}
	if err := s.request("update", object); err != nil {
		return err
	}
	return api.Update(ctx, object, options...)
}

func (s *scene) delete(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
	if s.deleting != nil {
		s.deleting(object)
	}
	err := s.request("delete", object)
	s.mu.Lock()
	s.deletions[object.GetName()] = *(&client.DeleteOptions{}).ApplyOptions(options)
	s.mu.Unlock()
	if err != nil || s.idle {
		return err
	}
	err = api.Delete(ctx, object, options...)
	if s.deleted != nil {
		s.deleted(object)
	}
	return err
}

func (s *scene) patch(
	ctx context.Context, api client.Client, _ string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption,
) error {
	data, err := patch.Data(object)
	require.NoError(s.t, err)
	s.patches = append(s.patches, string(data))
	if err := s.request("report", object); err != nil {
		return err
	}
	return api.Status().Patch(ctx, object, patch, options...)
}

// reconcile reconciles the Headroom web and returns when it wants to be called again.
func (s *scene) reconcile() time.Duration {
	s.t.Helper()
	result, err := s.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: web})
	require.NoError(s.t, err)
	return result.RequeueAfter
}

// writes returns the writes since the last call but for those of the status, and forgets them; nil if there were none.
func (s *scene) writes() []string {
	var writes []string
	for _, request := range s.requests {
		if !strings.HasPrefix(request, "report ") {
			writes = append(writes, request)
		}
	}
	s.requests = nil
	return writes
}

// headroom returns the Headroom web as it is.
func (s *scene) headroom() *v1alpha1.Headroom {
	s.t.Helper()
	h := &v1alpha1.Headroom{}
	require.NoError(s.t, s.api.Get(s.t.Context(), web, h))
	return h
}

// change changes the spec of the Headroom web.
func (s *scene) change(change func(*v1alpha1.HeadroomSpec)) {
	s.t.Helper()
	h := s.headroom()
	change(&h.Spec)
	h.Generation++
	require.NoError(s.t, s.api.Update(s.t.Context(), h))
}

// reason returns the reason of a condition of the Headroom web.
func (s *scene) reason(kind string) string {
	s.t.Helper()
	c := meta.FindStatusCondition(s.headroom().Status.Conditions, kind)
	require.NotNil(s.t, c)
	return c.Reason
}

// pods returns the pods that there are, by name.
func (s *scene) pods() map[string]*corev1.Pod {
	s.t.Helper()
	list := &corev1.PodList{}
	require.NoError(s.t, s.api.List(s.t.Context(), list))
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods
}

// all does something to every pod that there is.
func (s *scene) all(change func(*corev1.Pod)) {
	s.t.Helper()
	for _, pod := range s.pods() {
		change(pod)
		wanted := pod.DeepCopy()
		require.NoError(s.t, s.api.Update(s.t.Context(), pod))
		pod.Status = wanted.Status
		require.NoError(s.t, s.api.Status().Update(s.t.Context(), pod))
	}
}

// counted returns the sum of a counter, or of a histogram's samples in seconds, and of how many it is made.
func (s *scene) counted(name string) (sum float64, samples int) {
	s.t.Helper()
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name {
				sum += metric.GetCounter().GetValue() + metric.GetHistogram().GetSampleSum()
				samples += max(1, int(metric.GetHistogram().GetSampleCount())) //nolint:gosec // a handful
				if metric.GetHistogram() != nil && metric.GetHistogram().GetSampleCount() == 0 {
					samples--
				}
			}
		}
	}
	return sum, samples
}

// readyNode is a node in zone a.
func readyNode(name string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{corev1.LabelTopologyZone: "a"}}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return node
}

// bind binds a pod to the node.
func bind(pod *corev1.Pod) { pod.Spec.NodeName = "n1" }

// fail ends a pod as a kubelet does that has no room for it.
func fail(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed }

// webOf is the Headroom web with that many units, as the API server has it.
func webOf(units int32) *v1alpha1.Headroom {
	h := headroomOf(units)
	h.UID, h.Generation = "uid-web", 1
	h.Spec.PriorityClassName = "headroom"
	h.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	return h
}

// perNode is the Headroom web with a unit on each node.
func perNode() *v1alpha1.Headroom {
	h := webOf(0)
	h.Spec.Placement, h.Spec.Replicas = v1alpha1.PlacementPerNode, nil
	return h
}

// daemonSetOf is the DaemonSet of a Headroom, changed.
func daemonSetOf(h *v1alpha1.Headroom, change func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
	set := placeholder.BuildDaemonSet(h, placeholder.Defaults{})
	set.UID, set.Generation = "uid-set", 1
	change(set)
	return set
}

// placeholderOf is placeholder number i of a Headroom on the node, changed.
func placeholderOf(h *v1alpha1.Headroom, i int, change func(*corev1.Pod)) *corev1.Pod {
	pod := placeholder.Build(h, placeholder.Defaults{}, i)
	pod.UID = types.UID("uid-" + pod.Name)
	bind(pod)
	if change != nil {
		change(pod)
	}
	return pod
}
