package tenants

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
)

const (
	onlyPods       = "only headroom-controller makes pods with the label"
	onlyDaemonSets = "only headroom-controller makes DaemonSets of pods with the label"
	onlyReserved   = "only headroom-controller makes pods of the PriorityClass headroom-reserved"
	onlyGuards     = "a scheduler creates no pods but guards"
	nothingElse    = "headroom-controller makes and deletes placeholders and their DaemonSets, and nothing else"
)

// refused wants an error of one of the policies.
func refused(t require.TestingT, err error, message string) {
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, message)
}

// labeled gives an object the label of the Headroom web.
func labeled[O client.Object](object O) O {
	object.SetLabels(map[string]string{v1alpha1.LabelHeadroom: "web"})
	return object
}

// TestOnlyTheControllerMakesPlaceholders has an administrator, who may do everything else, disguise pods as placeholders in every way there
// is, while the controller and the DaemonSet controller do their work.
func TestOnlyTheControllerMakesPlaceholders(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.eventually(func(t *assert.CollectT) { // until the API server has compiled the policies
		refused(t, w.admin.Create(ctx, labeled(w.pod("probe", nil)), client.DryRunAll), onlyPods)
	})
	web := w.headroom("web", 2, func(s *v1alpha1.HeadroomSpec) { s.Replicas = ptr.To[int32](2) })
	reserve := w.headroom("reserve", 1, func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode })

	t.Run("by making one", func(t *testing.T) {
		owned := labeled(w.pod("disguised", nil))
		owned.OwnerReferences = placeholder.Build(web, placeholder.Defaults{}, 0).OwnerReferences
		refused(t, w.admin.Create(ctx, owned), onlyPods)
	})
	t.Run("by changing one", func(t *testing.T) {
		ordinary := w.pod("ordinary", nil)
		w.create(ordinary)
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"headroom.dev/headroom":"web"}}}`))
		refused(t, w.admin.Patch(ctx, ordinary.DeepCopy(), patch), onlyPods)
		refused(t, w.admin.Status().Patch(ctx, ordinary.DeepCopy(), patch), onlyPods)
		binding := labeled(&corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "n"}})
		refused(t, w.admin.SubResource("binding").Create(ctx, ordinary.DeepCopy(), binding), onlyPods)
		require.NoError(t, w.admin.Patch(ctx, ordinary, client.RawPatch(patch.Type(), []byte(`{"metadata":{"labels":{"app":"ordinary"}}}`))))
	})
	t.Run("by giving one to another Headroom", func(t *testing.T) {
		unit := w.placeholders(web)[0]
		unit.ResourceVersion = "" // whatever has changed of it since, and so below
		moved := unit.DeepCopy()
		moved.Labels[v1alpha1.LabelHeadroom] = "reserve"
		refused(t, w.admin.Update(ctx, moved), onlyPods)
		moved = unit.DeepCopy()
		moved.OwnerReferences[0].UID = reserve.UID
		refused(t, w.admin.Update(ctx, moved), onlyPods)
		touched := unit.DeepCopy()
		touched.Annotations["touched"] = "true"
		require.NoError(t, w.admin.Update(ctx, touched), "others may change the rest, as kubelets and admission do")
	})
	t.Run("by another controller", func(t *testing.T) {
		set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "disguised"}}
		set.Spec.Replicas = ptr.To[int32](1)
		set.Spec.Template = template("web")
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: set.Spec.Template.Labels}
		w.create(set)
		w.eventually(func(t *assert.CollectT) {
			require.NoError(t, w.admin.Get(ctx, client.ObjectKeyFromObject(set), set))
			require.NotEmpty(t, set.Status.Conditions)
			assert.Contains(t, set.Status.Conditions[0].Message, onlyPods)
		})
	})
	t.Run("by a DaemonSet", func(t *testing.T) {
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "other-headroom"}}
		set.Spec.Template = template("other")
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: set.Spec.Template.Labels}
		refused(t, w.admin.Create(ctx, set), onlyDaemonSets)
		ours := &appsv1.DaemonSet{}
		key := client.ObjectKey{Namespace: w.namespace, Name: placeholder.DaemonSetName(reserve.Name)}
		require.NoError(t, w.admin.Get(ctx, key, ours))
		ours.ResourceVersion = ""
		ours.Spec.Template.Spec.Containers[0].Image = "tenant.example/miner:1"
		refused(t, w.admin.Update(ctx, ours), onlyDaemonSets)
	})
	t.Run("and they can be given up", func(t *testing.T) {
		require.NoError(t, w.admin.Delete(ctx, web, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
		w.eventually(func(t *assert.CollectT) {
			require.Len(t, w.placeholders(web), 2)
			for _, pod := range w.placeholders(web) {
				assert.Empty(t, pod.OwnerReferences)
			}
		})
	})
}

func template(headroom string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1alpha1.LabelHeadroom: headroom}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "main"}}},
	}
}

// TestTheControllersAccountMakesAndDeletesPlaceholdersOnly has somebody with the controller's credentials, and all rights, do what the
// controller does not.
func TestTheControllersAccountMakesAndDeletesPlaceholdersOnly(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	thief := w.as(controllerUser)
	w.eventually(func(t *assert.CollectT) {
		refused(t, thief.Create(ctx, w.pod("probe", nil), client.DryRunAll), nothingElse)
	})
	web := w.headroom("web", 2, func(s *v1alpha1.HeadroomSpec) { s.Replicas = ptr.To[int32](2) })
	reserve := w.headroom("reserve", 1, func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode })

	refused(t, thief.Create(ctx, labeled(w.pod("labeled", nil))), nothingElse)
	owned := placeholder.Build(web, placeholder.Defaults{}, 7)
	owned.Labels[v1alpha1.LabelHeadroom] = "another"
	refused(t, thief.Create(ctx, owned), nothingElse)
	victim := w.pod("victim", nil)
	w.create(victim)
	refused(t, thief.Delete(ctx, victim), nothingElse)
	daemon := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "proxy"}}
	daemon.Spec.Template = template("")
	daemon.Spec.Template.Labels = map[string]string{"app": "proxy"}
	daemon.Spec.Selector = &metav1.LabelSelector{MatchLabels: daemon.Spec.Template.Labels}
	w.create(daemon)
	refused(t, thief.Delete(ctx, daemon), nothingElse)
	hijacked := labeled(daemon.DeepCopy())
	hijacked.ResourceVersion, hijacked.OwnerReferences = "", owned.OwnerReferences
	refused(t, thief.Update(ctx, hijacked), nothingElse)
	daemon.ObjectMeta = metav1.ObjectMeta{Namespace: w.namespace, Name: "proxy-2"}
	refused(t, thief.Create(ctx, daemon), nothingElse)

	// What it is there for goes on: a unit of a DaemonSet is deleted, as when admission changed it, and the controller scales down and makes
	// a DaemonSet anew.
	require.NoError(t, thief.Delete(ctx, &w.placeholders(reserve)[0]))
	require.NoError(t, w.admin.Patch(ctx, web, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`))))
	w.eventually(func(t *assert.CollectT) { assert.Empty(t, w.placeholders(web)) })
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: placeholder.DaemonSetName(reserve.Name)}}
	require.NoError(t, w.admin.Get(ctx, client.ObjectKeyFromObject(set), set))
	before := set.UID
	require.NoError(t, w.admin.Delete(ctx, set))
	w.eventually(func(t *assert.CollectT) {
		require.NoError(t, w.admin.Get(ctx, client.ObjectKeyFromObject(set), set))
		assert.NotEqual(t, before, set.UID)
		assert.Len(t, w.placeholders(reserve), 1)
	})
}

// TestOnlyTheControllerMakesReservedUnits has an administrator use the PriorityClass of reserved units in every way there is, while the
// controller and the DaemonSet controller make some.
func TestOnlyTheControllerMakesReservedUnits(t *testing.T) {
	w := newWorld(t, "--allow-reserved")
	ctx := t.Context()
	reserved := func(name string) *corev1.Pod {
		return w.pod(name, func(p *corev1.Pod) {
			p.Spec.Priority, p.Spec.PriorityClassName = nil, v1alpha1.ReservedPriorityClassName
		})
	}
	w.eventually(func(t *assert.CollectT) { // until the API server has compiled the policies
		refused(t, w.admin.Create(ctx, reserved("probe"), client.DryRunAll), onlyReserved)
	})
	spec := func(s *v1alpha1.HeadroomSpec) {
		s.Reserved = true
		s.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	}
	units := w.placeholders(w.headroom("web", 1, spec))
	units = append(units, w.placeholders(w.headroom("reserve", 1, func(s *v1alpha1.HeadroomSpec) {
		spec(s)
		s.Placement = v1alpha1.PlacementPerNode
	}))...)
	for _, unit := range units {
		require.Equal(t, v1alpha1.ReservedPriorityClassName, unit.Spec.PriorityClassName, unit.Name)
		require.Equal(t, int32(1_000_000), *unit.Spec.Priority, unit.Name)
	}

	t.Run("in a pod", func(t *testing.T) { refused(t, w.admin.Create(ctx, reserved("stolen")), onlyReserved) })
	t.Run("in a pod of a DaemonSet", func(t *testing.T) {
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "stolen"}}
		set.Spec.Template = template("")
		set.Spec.Template.Labels = map[string]string{"app": "stolen"}
		set.Spec.Template.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: set.Spec.Template.Labels}
		w.create(set)
		w.eventually(func(t *assert.CollectT) {
			events := &corev1.EventList{}
			require.NoError(t, w.admin.List(ctx, events, client.InNamespace(w.namespace)))
			assert.True(t, slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
				return e.InvolvedObject.Name == set.Name && e.Reason == "FailedCreate" && strings.Contains(e.Message, onlyReserved)
			}))
		})
	})
}

// TestTheSchedulersAccountMakesGuardsOnly has somebody with the scheduler's credentials, and all rights, make other pods than guards. A guard
// passes Pod Security restricted, which the scheduler's namespace enforces.
func TestTheSchedulersAccountMakesGuardsOnly(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	thief := w.as("system:serviceaccount:headroom-system:headroom-scheduler")
	w.eventually(func(t *assert.CollectT) {
		refused(t, thief.Create(ctx, w.pod("probe", nil), client.DryRunAll), onlyGuards)
	})
	build := func() *corev1.Pod {
		return guard.Build("headroom-system", "node-0", placeholder.DefaultImage, "host")
	}
	w.eventually(func(t *assert.CollectT) { // until there is a service account
		assert.NoError(t, thief.Create(ctx, build(), client.DryRunAll))
	})
	refused(t, w.admin.Create(ctx, build(), client.DryRunAll), onlyReserved)
	for name, change := range map[string]func(*corev1.Pod){
		"without the label": func(p *corev1.Pod) { delete(p.Labels, v1alpha1.LabelGuard); p.Spec.PriorityClassName = "" },
		"with a command":    func(p *corev1.Pod) { p.Spec.Containers[0].Command = []string{"sh"} },
		"with two containers": func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b", Image: "b"})
		},
		"with an init container":    func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{Name: "b", Image: "b"}} },
		"with the variables of one": func(p *corev1.Pod) { p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "a", Value: "b"}} },
		"with a token":              func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = nil },
		"in the host's network":     func(p *corev1.Pod) { p.Spec.HostNetwork = true },
		"that stays":                func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = nil },
		"that is started again":     func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyAlways },
		"for no node":               func(p *corev1.Pod) { p.Spec.NodeName = "" },
		"that holds room":           func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["cpu"] = resource.MustParse("1m") },
		"with privileges":           func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = nil },
		"with a volume": func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "a", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := build()
			pod.Namespace = w.namespace // which enforces no Pod Security
			change(pod)
			refused(t, thief.Create(ctx, pod, client.DryRunAll), onlyGuards)
		})
	}
}
