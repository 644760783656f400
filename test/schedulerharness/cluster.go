package schedulerharness

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// Timeout is how long a test waits for something that must happen. Far above what it takes, so that a busy machine does not
	// fail a test, and below the five minutes after which kube-scheduler tries every pod again, which would hide that nothing woke it.
	Timeout = 3 * time.Minute
	// poll is how often a wait looks.
	poll = 20 * time.Millisecond
)

// Cluster is what one test sees of the shared API server: no nodes, no pods, no Headrooms, and a namespace of its own.
type Cluster struct {
	// Config may do everything. Copy it before changing it.
	Config *rest.Config
	// Client is made from Config.
	Client kubernetes.Interface
	// Headrooms reads and writes Headrooms (and any other type of client-go).
	Headrooms ctrlclient.Client
	// Namespace is the test's own; it exists.
	Namespace string
}

// New returns a cluster for the test, empty. When the test ends, every node, pod, Headroom and disruption budget is removed again.
// Tests that use a Cluster must not run in parallel within one package: nodes are the cluster's, not a namespace's.
func New(t *testing.T) *Cluster {
	t.Helper()
	config, err := server()
	require.NoError(t, err, "the test's API server")
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	jsonConfig := rest.CopyConfig(config)
	jsonConfig.ContentType, jsonConfig.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	headrooms, err := ctrlclient.New(jsonConfig, ctrlclient.Options{Scheme: scheme})
	require.NoError(t, err, "making a client for Headrooms")
	c := &Cluster{Config: config, Client: kubernetes.NewForConfigOrDie(config), Headrooms: headrooms}
	c.Namespace = c.CreateNamespace(t, nil)
	t.Cleanup(func() { c.empty(t) })
	return c
}

// CreateNamespace creates a namespace with the labels and returns its name.
func (c *Cluster) CreateNamespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels}}
	created, err := c.Client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	require.NoError(t, err)
	return created.Name
}

// CreateNodes creates the nodes, with their status: allocatable is what the scheduler counts with.
func (c *Cluster) CreateNodes(t *testing.T, nodes ...*corev1.Node) {
	t.Helper()
	for _, node := range nodes {
		_, err := c.Client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
		require.NoError(t, err, "creating node %s", node.Name)
	}
}

// CreatePods creates the pods and returns them as created, in the same order. A pod without a namespace goes to the test's own. A
// pod with spec.nodeName is bound from birth.
func (c *Cluster) CreatePods(t *testing.T, pods ...*corev1.Pod) []*corev1.Pod {
	t.Helper()
	created := make([]*corev1.Pod, 0, len(pods))
	for _, pod := range pods {
		if pod.Namespace == "" {
			pod.Namespace = c.Namespace
		}
		got, err := c.Client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		require.NoError(t, err, "creating pod %s", pod.Name)
		created = append(created, got)
	}
	return created
}

// CreateHeadroom creates the Headroom in its namespace (the test's own if it has none) and returns it as created: its UID is what
// placeholders refer to.
func (c *Cluster) CreateHeadroom(t *testing.T, headroom *v1alpha1.Headroom) *v1alpha1.Headroom {
	t.Helper()
	if headroom.Namespace == "" {
		headroom.Namespace = c.Namespace
	}
	require.NoError(t, c.Headrooms.Create(t.Context(), headroom), "creating Headroom %s", headroom.Name)
	return headroom
}

// Pod returns the pod of the test's namespace as it is now, and nil when there is none.
func (c *Cluster) Pod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	pod, err := c.Client.CoreV1().Pods(c.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(t, err)
	return pod
}

// Pods returns the pods of the test's namespace as they are now, by name.
func (c *Cluster) Pods(t *testing.T) map[string]*corev1.Pod {
	t.Helper()
	list, err := c.Client.CoreV1().Pods(c.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	pods := make(map[string]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods
}

// Eventually waits until the condition holds and fails the test with the message, and with what the condition said last, when it
// does not hold in time. The condition returns "" when it holds, and else what is missing.
func (c *Cluster) Eventually(t *testing.T, message string, condition func(ctx context.Context) (missing string)) {
	t.Helper()
	missing := "nothing looked at"
	err := wait.PollUntilContextTimeout(t.Context(), poll, Timeout, true, func(ctx context.Context) (bool, error) {
		missing = condition(ctx)
		return missing == "", nil
	})
	require.NoError(t, err, "%s: %s", message, missing)
}

// WaitBound waits until every named pod of the test's namespace is bound and returns the node of each.
func (c *Cluster) WaitBound(t *testing.T, names ...string) map[string]string {
	t.Helper()
	nodes := make(map[string]string, len(names))
	c.Eventually(t, "waiting for pods to be bound", func(context.Context) string {
		pods := c.Pods(t)
		for _, name := range names {
			pod := pods[name]
			if pod == nil {
				return fmt.Sprintf("pod %s does not exist", name)
			}
			if pod.Spec.NodeName == "" {
				return fmt.Sprintf("pod %s is not bound: %s", name, describeConditions(pod))
			}
			nodes[name] = pod.Spec.NodeName
		}
		return ""
	})
	return nodes
}

// WaitUnschedulable waits until the pod's PodScheduled condition is False for the reason Unschedulable and returns its message.
func (c *Cluster) WaitUnschedulable(t *testing.T, name string) string {
	t.Helper()
	message := ""
	c.Eventually(t, "waiting for a pod to be unschedulable", func(context.Context) string {
		pod := c.Pod(t, name)
		if pod == nil {
			return fmt.Sprintf("pod %s does not exist", name)
		}
		condition := scheduled(pod)
		if condition == nil || condition.Status != corev1.ConditionFalse || condition.Reason != corev1.PodReasonUnschedulable {
			return fmt.Sprintf("pod %s: node %q, %s", name, pod.Spec.NodeName, describeConditions(pod))
		}
		message = condition.Message
		return ""
	})
	return message
}

// WaitGone waits until none of the named pods of the test's namespace exists.
func (c *Cluster) WaitGone(t *testing.T, names ...string) {
	t.Helper()
	c.Eventually(t, "waiting for pods to be gone", func(context.Context) string {
		pods := c.Pods(t)
		for _, name := range names {
			if pods[name] != nil {
				return fmt.Sprintf("pod %s exists", name)
			}
		}
		return ""
	})
}

// Scheduled returns the pod's PodScheduled condition, nil when it has none.
func scheduled(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodScheduled {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func describeConditions(pod *corev1.Pod) string {
	condition := scheduled(pod)
	if condition == nil {
		return "no scheduling attempt has failed yet"
	}
	return fmt.Sprintf("PodScheduled=%s, %s: %s", condition.Status, condition.Reason, condition.Message)
}

// empty removes what the test left, in whatever namespace. It runs after the schedulers have stopped, because they were started later.
// Namespaces stay, since nothing here would finish their deletion: so it looks for objects, not into every namespace.
func (c *Cluster) empty(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	require.NoError(t, c.removePods(ctx))
	lists := []ctrlclient.ObjectList{&policyv1.PodDisruptionBudgetList{}, &appsv1.DaemonSetList{}}
	if !shared.options.WithoutCRD {
		lists = append(lists, &v1alpha1.HeadroomList{})
	}
	for _, list := range lists {
		require.NoError(t, c.removeAll(ctx, list))
	}
	require.NoError(t, c.Client.CoreV1().Nodes().DeleteCollection(ctx, *metav1.NewDeleteOptions(0), metav1.ListOptions{}))
}

// removeAll deletes all objects of the list's kind.
func (c *Cluster) removeAll(ctx context.Context, list ctrlclient.ObjectList) error {
	if err := c.Headrooms.List(ctx, list); err != nil {
		return fmt.Errorf("listing what a test left: %w", err)
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		err := c.Headrooms.Delete(ctx, item.(ctrlclient.Object), ctrlclient.GracePeriodSeconds(0))
		return ctrlclient.IgnoreNotFound(err)
	})
}

// noFinalizers is a merge patch that removes them, whoever else writes to the object.
var noFinalizers = []byte(`{"metadata":{"finalizers":null}}`)

// removePods deletes all pods at once; finalizers that a test put on them are taken off.
func (c *Cluster) removePods(ctx context.Context) error {
	pods, err := c.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	for i := range pods.Items {
		pod, client := &pods.Items[i], c.Client.CoreV1().Pods(pods.Items[i].Namespace)
		if len(pod.Finalizers) > 0 {
			_, err := client.Patch(ctx, pod.Name, types.MergePatchType, noFinalizers, metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("removing the finalizers of pod %s: %w", pod.Name, err)
			}
		}
		if err := client.Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting pod %s: %w", pod.Name, err)
		}
	}
	return nil
}
