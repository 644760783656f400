package deploy

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/audit"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	system         = "headroom-system"
	controllerUser = "system:serviceaccount:headroom-system:headroom-controller"
)

// startAudited starts a cluster that logs what the product asks of it.
func startAudited(t *testing.T, args ...string) (*cluster.Cluster, *audit.Log) {
	t.Helper()
	log, err := audit.NewLog(t.TempDir(), controllerUser, schedulerUser)
	require.NoError(t, err)
	return clustertest.Start(t, cluster.Options{APIServerArgs: append(log.Args(), args...)}), log
}

// requireNothingForbidden checks, by the API server's own account, that the product asked for nothing that its manifests do not
// allow. It returns all that was asked.
func requireNothingForbidden(t *testing.T, log *audit.Log) []audit.Request {
	t.Helper()
	requests, err := log.Requests()
	require.NoError(t, err)
	asked := map[string]int{}
	for _, request := range requests {
		asked[request.User]++
		require.True(t, request.Allowed && request.Code != http.StatusForbidden, "%s: %s", request.User, request)
	}
	require.NotZero(t, asked[controllerUser])
	require.NotZero(t, asked[schedulerUser])
	return requests
}

// idle are the rights that TestEveryRightIsNeeded does not see used, and what they are for.
var idle = map[string]map[string]string{
	"controller": {
		"update headrooms/finalizers.headroom.dev": "is not asked for but checked, by OwnerReferencesPermissionEnforcement",
		"delete daemonsets.apps":                   "a Headroom that stops being PerNode, which today's CRD does not let it",
		"list nodepools.karpenter.sh":              "Karpenter, and units that wait for long",
		"get nodeclaims.karpenter.sh":              "Karpenter, and units that wait for long",
		"list limitranges":                         "a unit that is larger than a LimitRange's default limit",
		"get nodes":                                "a node that a placeholder is on before the watch has shown it",
		"patch events.events.k8s.io":               "the same event once more within six minutes",
	},
	"scheduler": {
		"patch events":                                  "the same event once more within ten minutes",
		"patch events.events.k8s.io":                    "the same event once more within six minutes",
		"create pods in headroom-system":                "a swap that takes reserved units, beside another scheduler",
		"get pods":                                      "a placeholder that another pod of its name has replaced",
		"get resourceclaims.resource.k8s.io":            "a claim that changed meanwhile",
		"delete resourceclaims.resource.k8s.io":         "the claim of an extended resource, when binding fails",
		"patch resourceclaims/status.resource.k8s.io":   "a claim that is given back",
		"patch resourceclaims/binding.resource.k8s.io":  "is not asked for but checked, when the status is patched",
		"update resourceclaims/binding.resource.k8s.io": "is not asked for but checked, when the status is updated",
		"update pods/finalizers":                        "is not asked for but checked, by OwnerReferencesPermissionEnforcement",
		"get podgroups.scheduling.x-k8s.io":             "a pod that is seen before its group is, where scheduler-plugins is installed",
		"watch podgroups.scheduling.x-k8s.io":           "the groups of scheduler-plugins, where it is installed",
		"list podgroups.scheduling.k8s.io":              "the feature gate GenericWorkload",
		"watch podgroups.scheduling.k8s.io":             "the feature gate GenericWorkload",
		"patch podgroups/status.scheduling.k8s.io":      "the feature gate GenericWorkload",
	},
}

// TestEveryRightIsNeeded makes both programs do all that they can do, and compares what the API server saw them ask for with what
// their manifests grant: nothing may be forbidden, and what is granted must be used, or explained above.
func TestEveryRightIsNeeded(t *testing.T) {
	t.Parallel()
	c, log := startAudited(t, "--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: nodes, Zones: zones, CPU: resource.MustParse("4")}))
	cl, err := c.Client()
	require.NoError(t, err)
	namespace := clustertest.Namespace(t, c, nil)
	controllerPort, schedulerPort := clustertest.FreeAddress(t), clustertest.FreeAddress(t)
	_, err = c.RunController(t.Context(), "--placeholder-scheduler-name=headroom-scheduler", "--metrics-bind-address="+controllerPort)
	require.NoError(t, err)
	runSchedulerWithPort(t, c, schedulerPort)

	headroom := burstAndRefill(t, cl, namespace)
	takeName(t, cl, headroom)
	shrink(t, cl, headroom)
	changePerNode(t, cl, namespace)
	sizeByWorkloads(t, cl, namespace)
	useVolumesAndDevices(t, c, cl)
	waitForAccount(t, cl, headroom)
	scrape(t, c, cl, controllerPort, schedulerPort)

	requests := requireNothingForbidden(t, log)
	for component, user := range map[string]string{"controller": controllerUser, "scheduler": schedulerUser} {
		t.Run(component, func(t *testing.T) {
			dir := component
			if component == "scheduler" {
				dir = filepath.Join("scheduler", cluster.SecondScheduler)
			}
			objects, err := c.Tools().Kustomize(t.Context(), manifests(t, dir))
			require.NoError(t, err)
			granted, err := audit.Granted(objects, system, "headroom-"+component)
			require.NoError(t, err)
			require.NotEmpty(t, granted)
			unused := audit.Unused(granted, requests, user)
			for _, right := range unused {
				// What is watched is listed where the API server does not begin a watch with what there is.
				watch := right
				watch.Verb = "watch"
				listed := right.Verb == "list" && slices.Contains(granted, watch) && !slices.Contains(unused, watch)
				if _, explained := idle[component][right.String()]; !listed && !explained {
					t.Errorf("%s is granted, but nobody uses it", right)
				}
			}
			for explained := range idle[component] {
				assert.True(t, slices.ContainsFunc(granted, func(r audit.Right) bool { return r.String() == explained }),
					"%s is explained but not granted", explained)
			}
		})
	}
}

// runSchedulerWithPort runs the scheduler with its port, as in a pod; outside of one it has to be told whom to ask about those who
// scrape its metrics.
func runSchedulerWithPort(t *testing.T, c *cluster.Cluster, address string) {
	t.Helper()
	base := manifests(t, filepath.Join("scheduler", "base"))
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(base, "namespace.yaml"), filepath.Join(base, "service-account.yaml")))
	kubeconfig, err := c.KubeconfigFor(t.Context(), system, "headroom-scheduler")
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	_, err = c.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler, "--bind-address="+host, "--secure-port="+port,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig)
	require.NoError(t, err)
}

// takeName puts strangers' pods in the place of the next placeholder, for which there is no room: under the lowest name that is free,
// and under the one after the highest, which is the next as long as the names of those that were taken rest.
func takeName(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	var pods corev1.PodList
	require.NoError(t, cl.List(t.Context(), &pods, client.InNamespace(headroom.Namespace)))
	used := map[int]bool{}
	for _, pod := range pods.Items {
		if ordinal, ok := placeholder.Ordinal(headroom.Name, pod.Name); ok {
			used[ordinal] = true
		}
	}
	lowest := 0
	for used[lowest] {
		lowest++
	}
	for ordinal := range map[int]bool{lowest: true, slices.Max(slices.Collect(maps.Keys(used))) + 1: true} {
		stranger := builders.Consumer(placeholder.Name(headroom.Name, ordinal), nil).Namespace(headroom.Namespace).SchedulerName("nobody").Obj()
		require.NoError(t, cl.Create(t.Context(), stranger))
	}
	scale(t, cl, headroom, nodes+1)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), headroom))
		require.EqualValues(t, 1, headroom.Status.PendingReplicas)
	}, soon, glance)
}

// scale asks for a number of units, whatever the status is meanwhile.
func scale(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom, replicas int32) {
	t.Helper()
	before := headroom.DeepCopy()
	headroom.Spec.Replicas = &replicas
	require.NoError(t, cl.Patch(t.Context(), headroom, client.MergeFrom(before)))
}

// shrink has the controller delete a placeholder.
func shrink(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	scale(t, cl, headroom, nodes-1)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), headroom))
		require.EqualValues(t, nodes-1, headroom.Status.Replicas)
	}, soon, glance)
}

// waitForAccount waits until the account of a Headroom was made, and until it was written once more because units went.
func waitForAccount(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	account := &v1alpha1.HeadroomAccount{}
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), account))
	}, soon, glance)
	first := account.ResourceVersion
	scale(t, cl, headroom, 1)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), account))
		require.NotEqual(t, first, account.ResourceVersion)
	}, soon, glance)
}

// changePerNode makes a reserve on every node and changes it.
func changePerNode(t *testing.T, cl client.Client, namespace string) {
	t.Helper()
	reserve := builders.Headroom("reserve", builders.Resources{"memory": "1Gi"}).Namespace(namespace).Obj()
	reserve.Spec.Placement, reserve.Spec.Replicas = v1alpha1.PlacementPerNode, nil
	require.NoError(t, cl.Create(t.Context(), reserve))
	waitCapacity := func(want string) {
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(reserve), reserve))
			require.EqualValues(t, nodes, reserve.Status.ReadyReplicas)
			require.Equal(t, want, reserve.Status.Capacity.Memory().String())
		}, soon, glance)
	}
	waitCapacity("12Gi")
	before := reserve.DeepCopy()
	reserve.Spec.Requests[corev1.ResourceMemory] = resource.MustParse("2Gi")
	require.NoError(t, cl.Patch(t.Context(), reserve, client.MergeFrom(before)))
	waitCapacity("24Gi")
}

// sizeByWorkloads has a Headroom look at workloads of each kind and at their autoscalers.
func sizeByWorkloads(t *testing.T, cl client.Client, namespace string) {
	t.Helper()
	sized := builders.Headroom("sized", builders.Resources{"cpu": "1"}).Namespace(namespace).Replicas(0).Obj()
	sized.Spec.Sizing = &v1alpha1.Sizing{Max: new(int32)}
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet"} {
		sized.Spec.Sizing.Rules = append(sized.Spec.Sizing.Rules, v1alpha1.SizingRule{
			Name: strings.ToLower(kind), UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{
				Target: v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: kind, Name: "web"},
			},
		})
	}
	sized.Spec.Sizing.Rules = append(sized.Spec.Sizing.Rules, v1alpha1.SizingRule{
		Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{
			Target: v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "idle"},
		},
	})
	idle := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "idle"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "idle"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "idle"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/app"}}},
			},
		},
	}
	for _, of := range []v1alpha1.WorkloadReference{
		{APIVersion: "batch/v1", Kind: "Job", Name: "none"}, {APIVersion: "batch/v1", Kind: "CronJob", Name: "none"},
		{APIVersion: "v1", Kind: "PodTemplate", Name: "none"},
	} {
		shaped := builders.Headroom(strings.ToLower(of.Kind), nil).Namespace(namespace).Replicas(0).Obj()
		shaped.Spec.Requests, shaped.Spec.ShapeFrom = nil, &of
		require.NoError(t, cl.Create(t.Context(), shaped))
	}
	require.NoError(t, cl.Create(t.Context(), idle))
	require.NoError(t, cl.Create(t.Context(), sized))
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(sized), sized))
		condition := meta.FindStatusCondition(sized.Status.Conditions, v1alpha1.ConditionSized)
		require.NotNil(t, condition)
		for _, kind := range []string{"job", "cronjob", "podtemplate"} {
			shaped := &v1alpha1.Headroom{}
			require.NoError(t, cl.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: kind}, shaped))
			require.True(t, meta.IsStatusConditionPresentAndEqual(shaped.Status.Conditions, v1alpha1.ConditionShaped, metav1.ConditionFalse))
		}
		for _, missing := range []string{
			"there is no Deployment web", "there is no StatefulSet web", "there is no ReplicaSet web",
			"no HorizontalPodAutoscaler has Deployment idle as scaleTargetRef",
		} {
			require.Contains(t, condition.Message, missing)
		}
	}, soon, glance)
}

func useVolumesAndDevices(t *testing.T, c *cluster.Cluster, cl client.Client) {
	t.Helper()
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join("testdata", "volumes-and-devices.yaml")))
	pods := make([]*corev1.Pod, 0, 3)
	for _, name := range []string{"has-local-volume", "has-device", "has-extended-resource"} {
		pods = append(pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}})
	}
	waitRunning(t, cl, pods)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var claim corev1.PersistentVolumeClaim
		require.NoError(t, cl.Get(context.Background(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "provisioned"}, &claim))
		require.NotEmpty(t, claim.Annotations["volume.kubernetes.io/selected-node"])
	}, soon, glance)
}

// scrape reads the metrics of both programs as somebody who may.
func scrape(t *testing.T, c *cluster.Cluster, cl client.Client, addresses ...string) {
	t.Helper()
	subject := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: "scraper"}
	require.NoError(t, cl.Create(t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: subject.Namespace, Name: subject.Name},
	}))
	require.NoError(t, cl.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: subject.Name}, Subjects: []rbacv1.Subject{subject},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "headroom-metrics-reader"},
	}))
	access, err := c.ConfigFor(t.Context(), subject.Namespace, subject.Name)
	require.NoError(t, err)
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // self-signed
	for _, address := range addresses {
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+address+"/metrics", nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+access.BearerToken)
			response, err := insecure.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
		}, soon, glance)
	}
}
