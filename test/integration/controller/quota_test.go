package controller

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
)

func (e *environment) quota(spec corev1.ResourceQuotaSpec) *corev1.ResourceQuota {
	e.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "team"}, Spec: spec}
	require.NoError(e, e.client.Create(e.Context(), quota))
	e.eventually("the quota's controller has counted, before which it refuses nothing", func() error {
		if err := e.client.Get(e.Context(), client.ObjectKeyFromObject(quota), quota); err != nil {
			return err
		}
		if len(quota.Status.Hard) < len(spec.Hard) {
			return errNotYet
		}
		return nil
	})
	return quota
}

// TestAQuotaThatPlaceholdersShareWithTheirConsumers: four units of one CPU under a quota of five leave room for one consumer. With that
// one the quota is used up, although room for four pods is held.
func TestAQuotaThatPlaceholdersShareWithTheirConsumers(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	quota := e.quota(corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("5"), "pods": resource.MustParse("20")}})
	e.headroom("web", replicas(4))
	e.waitFilled("web", 4)

	consumer := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "web-1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "c", Image: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
		}}},
	}
	require.NoError(t, e.client.Create(t.Context(), consumer))
	h := e.waitStatus("web", v1alpha1.ReasonQuotaShort, v1alpha1.ReasonFilled, 4, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "ResourceQuota team leaves 0 of requests.cpu, less than the 1 of one unit")
	e.waitEvent("web", "QuotaShort", "ResourceQuota team leaves 0")

	require.NoError(t, e.client.Delete(t.Context(), quota))
	e.waitFilled("web", 4)
}

// TestAQuotaForAllButPlaceholders is the recipe of the docs and the samples.
func TestAQuotaForAllButPlaceholders(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	samples, err := cluster.ParseFiles(filepath.Join(root, "manifests", "samples", "quota.yaml"))
	require.NoError(t, err)
	recipe := &corev1.ResourceQuota{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(samples[0].Object, recipe))
	recipe.Spec.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("2"), "pods": resource.MustParse("2")}
	e.quota(recipe.Spec)
	e.headroom("web", replicas(4))
	e.waitFilled("web", 4)
	for _, name := range []string{"web-1", "web-2"} {
		consumer := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "c", Image: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
			}}},
		}
		require.NoError(t, e.client.Create(t.Context(), consumer), "the whole quota is theirs")
	}
	e.change("web", replicas(5))
	e.waitFilled("web", 5)
}

// TestAQuotaThatDemandsLimits is used up by nothing, but refuses units without limits.
func TestAQuotaThatDemandsLimits(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.quota(corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("8"), "limits.cpu": resource.MustParse("16")}})
	e.waitRefused("must specify limits.cpu")
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(2))
	h := e.waitStatus("web", v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "must specify limits.cpu")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Limits = corev1.ResourceList{"cpu": resource.MustParse("2")} })
	e.waitFilled("web", 2)
}
