package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestDefaults(t *testing.T) {
	c, cl := apiServer(t)
	got := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", "requests: {cpu: 1}"))
	require.Equal(t, v1alpha1.HeadroomSpec{
		Replicas:          ptr.To[int32](1),
		Requests:          got.Spec.Requests,
		Placement:         v1alpha1.PlacementCluster,
		PriorityClassName: "headroom",
	}, got.Spec)
	require.Equal(t, "1", got.Spec.Requests.Cpu().String())
}

func TestDefaultsOfWhatIsInside(t *testing.T) {
	c, cl := apiServer(t)
	got := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", `
requests: {cpu: 1}
refill: {}
sizing:
  max: 5
  scaleDown: {}
  rules:
  - {name: tenth, percentOf: {percent: 10, pods: {}}}
  - {name: office, schedule: {start: "08:00", end: "19:00", replicas: 2}}
  - {name: learned, demand: {}}`))
	require.Equal(t, &v1alpha1.Refill{Policy: v1alpha1.RefillAlways, Delay: &metav1.Duration{}}, got.Spec.Refill)
	require.Equal(t, v1alpha1.SizingApply, got.Spec.Sizing.Mode)
	require.Equal(t, 10*time.Minute, got.Spec.Sizing.ScaleDown.StabilizationWindow.Duration)
	require.Equal(t, v1alpha1.PercentOfCount, got.Spec.Sizing.Rules[0].PercentOf.By)
	require.Equal(t, "Etc/UTC", got.Spec.Sizing.Rules[1].Schedule.TimeZone)
	require.Equal(t, &v1alpha1.Demand{Served: "99.9", Season: v1alpha1.SeasonWeek, TimeZone: "Etc/UTC"}, got.Spec.Sizing.Rules[2].Demand)
}

func TestStatusIsASubresource(t *testing.T) {
	c, cl := apiServer(t)
	obj := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", "requests: {cpu: 1}"))

	obj.Status.ReadyReplicas = 5
	require.NoError(t, cl.Update(t.Context(), obj))
	require.Zero(t, obj.Status.ReadyReplicas, "an update of the spec leaves the status alone")

	generation := obj.Generation
	obj.Status = filledStatus()
	require.NoError(t, cl.Status().Update(t.Context(), obj))
	require.Equal(t, int32(4), obj.Status.ReadyReplicas)
	require.Equal(t, generation, obj.Generation)
}

func TestScaleSubresource(t *testing.T) {
	c, cl := apiServer(t)
	obj := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", "requests: {cpu: 1}\nreplicas: 4"))
	obj.Status = filledStatus()
	require.NoError(t, cl.Status().Update(t.Context(), obj))

	scale := &autoscalingv1.Scale{}
	require.NoError(t, cl.SubResource("scale").Get(t.Context(), obj, scale))
	require.Equal(t, int32(4), scale.Spec.Replicas)
	require.Equal(t, int32(4), scale.Status.Replicas, "scaleReplicas")
	require.Equal(t, "headroom.dev/headroom=example", scale.Status.Selector)

	for replicas, refused := range map[int32]string{
		0: "", 10000: "", 10001: "should be less than or equal to 10000", -1: "should be greater than or equal to 0",
	} {
		scale.Spec.Replicas = replicas
		err := cl.SubResource("scale").Update(t.Context(), obj.DeepCopy(), client.WithSubResourceBody(scale.DeepCopy()), client.DryRunAll)
		if refused == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, refused)
		}
	}
}

// filledStatus is a status in which no column is empty.
func filledStatus() v1alpha1.HeadroomStatus {
	return v1alpha1.HeadroomStatus{
		DesiredReplicas: 5, Replicas: 5, ReadyReplicas: 4, PendingReplicas: 1,
		Selector:          "headroom.dev/headroom=example",
		ScaleReplicas:     4,
		UnitRequests:      corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")},
		PriorityClassName: "headroom-ladder-*",
		Sizing:            &v1alpha1.SizingStatus{Replicas: 5, Rule: "a", Message: "5 units: rule a asks for 5 and no rule for more."},
		Spread: v1alpha1.SpreadStatus{
			TopologyKey: "topology.kubernetes.io/zone", Summary: "a:3 b:1",
			Domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 3}, {Name: "b", ReadyReplicas: 1}},
		},
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonValid),
			condition(v1alpha1.ConditionFilled, metav1.ConditionFalse, v1alpha1.ReasonWaitingForRoom),
		},
	}
}

func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(time.Unix(1_800_000_000, 0))}
}

func TestColumns(t *testing.T) {
	c, cl := apiServer(t)
	obj := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", "requests: {cpu: 2, memory: 4Gi}\nreplicas: 5"))
	obj.Status = filledStatus()
	require.NoError(t, cl.Status().Update(t.Context(), obj))

	table := tableOf(t.Context(), t, c, obj)
	var names, wide []string
	cells := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		if column.Priority == 0 {
			names = append(names, column.Name)
		} else {
			wide = append(wide, column.Name)
		}
		cells[column.Name] = table.Rows[0].Cells[i]
		require.NotEmpty(t, column.Description)
	}
	require.Equal(t, []string{"Name", "Desired", "Ready", "Pending", "CPU", "Memory", "Placement", "Filled", "Age"}, names)
	require.Equal(t, []string{"Priority", "Spread", "Parked", "Sizing"}, wide)
	require.NotEmpty(t, cells["Age"])
	delete(cells, "Age")
	require.Equal(t, map[string]any{
		"Name": "example", "Desired": int64(5), "Ready": int64(4), "Pending": int64(1), "Parked": int64(0), "CPU": "2", "Memory": "4Gi",
		"Placement": "Cluster", "Filled": "False", "Priority": "headroom-ladder-*", "Spread": "a:3 b:1",
		"Sizing": "5 units: rule a asks for 5 and no rule for more.",
	}, cells)
}

// tableOf asks for what kubectl get shows.
func tableOf(ctx context.Context, t *testing.T, c *cluster.Cluster, obj client.Object) *metav1.Table {
	t.Helper()
	config := rest.CopyConfig(c.RESTConfig())
	config.APIPath = "/apis"
	config.GroupVersion = &schema.GroupVersion{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(config)
	require.NoError(t, err)
	table := &metav1.Table{}
	require.NoError(t, rc.Get().Namespace(obj.GetNamespace()).Resource("headrooms").Name(obj.GetName()).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Into(table))
	return table
}

func TestShortName(t *testing.T) {
	c, cl := apiServer(t)
	namespace := clustertest.Namespace(t, c, nil)
	created(t, cl, headroom(t, namespace, "", "requests: {cpu: 1}"))
	for _, resource := range []string{"hdr", "headroom", "headrooms.headroom.dev"} {
		out := kubectl(t, c, "get", resource, "-n", namespace, "-o", "name")
		require.Contains(t, out, "headroom.headroom.dev/example", resource)
	}
	out, err := tryKubectl(t, c, "get", "hr", "-n", namespace)
	require.Error(t, err, "hr is Flux's HelmRelease: %s", out)
}

func TestDeletingAllDeletesNoCapacity(t *testing.T) {
	c, cl := apiServer(t)
	obj := created(t, cl, headroom(t, clustertest.Namespace(t, c, nil), "", "requests: {cpu: 1}"))
	kubectl(t, c, "delete", "all", "--all", "-n", obj.Namespace)
	require.NoError(t, cl.Get(t.Context(), client.ObjectKeyFromObject(obj), obj))
	require.Nil(t, obj.DeletionTimestamp)
}
