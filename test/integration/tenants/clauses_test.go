package tenants

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	daemonSetUser     = "system:serviceaccount:kube-system:daemon-set-controller"
	controllerManager = "system:kube-controller-manager"
	mainScheduler     = "system:kube-scheduler"
	ownedBy           = types.UID("0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10")
	ownedByAnother    = types.UID("5f0f3a3e-6a6e-4a3b-9d63-0d5a4b6d4c11")
)

// newPolicies has the admission policies in force in a cluster in which nothing else happens.
func newPolicies(t *testing.T) *world {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true})
	w := &world{T: t, cluster: c, namespace: clustertest.Namespace(t, c, nil)}
	w.admin = w.as("")
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	manifests := filepath.Join(root, "manifests")
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(manifests, "admission-policy", "policy.yaml"),
		filepath.Join(manifests, "admission-policy", "placeholders.yaml"), filepath.Join(manifests, "controller", "priority-class.yaml")))
	thief, daemon := w.as("system:serviceaccount:headroom-system:headroom-scheduler"), &appsv1.DaemonSet{}
	daemon.Namespace, daemon.Name, daemon.Spec.Template = w.namespace, "probe", template("web")
	daemon.Spec.Selector = &metav1.LabelSelector{MatchLabels: daemon.Spec.Template.Labels}
	w.eventually(func(t *assert.CollectT) { // until the API server has compiled the policies
		refused(t, w.admin.Create(w.Context(), labeled(w.pod("probe", nil)), client.DryRunAll), onlyPods)
		refused(t, w.admin.Create(w.Context(), daemon.DeepCopy(), client.DryRunAll), onlyDaemonSets)
		refused(t, w.admin.Create(w.Context(), w.reserved("probe"), client.DryRunAll), onlyReserved)
		refused(t, thief.Create(w.Context(), w.pod("probe", nil), client.DryRunAll), onlyGuards)
		refused(t, w.as(controllerUser).Create(w.Context(), w.pod("probe", nil), client.DryRunAll), nothingElse)
	})
	return w
}

// reserved is a pod of the PriorityClass of reserved units.
func (w *world) reserved(name string) *corev1.Pod {
	return w.pod(name, func(p *corev1.Pod) {
		p.Spec.Priority, p.Spec.PriorityClassName = nil, v1alpha1.ReservedPriorityClassName
	})
}

// unit is a unit of the Headroom web, controlled by an object of this kind and name.
func (w *world) unit(apiVersion, kind, name string) *corev1.Pod {
	pod := labeled(w.pod("web-unit", nil))
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: name, UID: ownedBy, Controller: ptr.To(true)}}
	return pod
}

// uncontrolled makes the owner of a pod one that does not control it.
func uncontrolled(pod *corev1.Pod) *corev1.Pod {
	pod.OwnerReferences[0].Controller = nil
	return pod
}

// TestAPodIsAPlaceholderByAllOfItsMarks has every account that may make some leave out one of what makes a pod a placeholder.
func TestAPodIsAPlaceholderByAllOfItsMarks(t *testing.T) {
	w := newPolicies(t)
	const headroomVersion = "headroom.dev/v1alpha1"
	ofSet := func() *corev1.Pod { return w.unit("apps/v1", "DaemonSet", "web-headroom") }
	high := func(pod *corev1.Pod) *corev1.Pod {
		pod.Spec.Priority, pod.Spec.PriorityClassName = nil, v1alpha1.ReservedPriorityClassName
		return pod
	}
	for name, tc := range map[string]struct {
		user    string
		pod     *corev1.Pod
		message string
	}{
		"a unit of a DaemonSet":                      {user: daemonSetUser, pod: ofSet()},
		"one by a controller manager of one user":    {user: controllerManager, pod: ofSet()},
		"one by somebody else":                       {user: "alice", pod: ofSet(), message: onlyPods},
		"one of the DaemonSet of another Headroom":   {user: daemonSetUser, pod: w.unit("apps/v1", "DaemonSet", "db-headroom"), message: onlyPods},
		"one of a DaemonSet of a tenant":             {user: daemonSetUser, pod: w.unit("apps/v1", "DaemonSet", "web"), message: onlyPods},
		"one of a ReplicaSet":                        {user: controllerManager, pod: w.unit("apps/v1", "ReplicaSet", "web-headroom"), message: onlyPods},
		"one of a DaemonSet of another API":          {user: daemonSetUser, pod: w.unit("example.com/v1", "DaemonSet", "web-headroom"), message: onlyPods},
		"one that its DaemonSet does not control":    {user: daemonSetUser, pod: uncontrolled(ofSet()), message: onlyPods},
		"a reserved unit of a DaemonSet":             {user: daemonSetUser, pod: high(ofSet())},
		"a pod of a DaemonSet of the reserved class": {user: daemonSetUser, pod: w.reserved("stolen"), message: onlyReserved},
		"a unit of a Headroom":                       {user: controllerUser, pod: w.unit(headroomVersion, "Headroom", "web")},
		"a unit of a later version of the API":       {user: controllerUser, pod: w.unit("headroom.dev/v1", "Headroom", "web")},
		"a reserved unit of a Headroom":              {user: controllerUser, pod: high(w.unit(headroomVersion, "Headroom", "web"))},
		"one of another Headroom":                    {user: controllerUser, pod: w.unit(headroomVersion, "Headroom", "db"), message: nothingElse},
		"one of another kind":                        {user: controllerUser, pod: w.unit(headroomVersion, "Rocket", "web"), message: nothingElse},
		"one of another API":                         {user: controllerUser, pod: w.unit("example.com/v1", "Headroom", "web"), message: nothingElse},
		"one that no Headroom controls":              {user: controllerUser, pod: uncontrolled(w.unit(headroomVersion, "Headroom", "web")), message: nothingElse},
		"one of a DaemonSet, by our controller":      {user: controllerUser, pod: ofSet(), message: nothingElse},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.as(tc.user).Create(t.Context(), tc.pod, client.DryRunAll)
			if tc.message == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, tc.message)
		})
	}
}

// TestAPlaceholderStaysWhoseItWas has an administrator change placeholders and their DaemonSets.
func TestAPlaceholderStaysWhoseItWas(t *testing.T) {
	w := newPolicies(t)
	ctx := t.Context()
	unit := w.unit("headroom.dev/v1alpha1", "Headroom", "web")
	require.NoError(t, w.as(controllerUser).Create(ctx, unit))
	given := unit.DeepCopy()
	given.OwnerReferences[0].UID = ownedByAnother
	refused(t, w.admin.Update(ctx, given, client.DryRunAll), onlyPods)
	orphan := uncontrolled(unit.DeepCopy())
	require.NoError(t, w.admin.Update(ctx, orphan), "it may be given up")
	orphan.OwnerReferences[0].Controller = ptr.To(true)
	refused(t, w.admin.Update(ctx, orphan, client.DryRunAll), onlyPods)

	ordinary := w.pod("ordinary", nil)
	w.create(ordinary)
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: ordinary.Name}}
	binding.Target = corev1.ObjectReference{Kind: "Node", Name: "n"}
	refused(t, w.admin.Create(ctx, labeled(binding), client.DryRunAll), onlyPods)

	h := builders.Headroom("web", builders.Resources{"cpu": "1m"}).Namespace(w.namespace).Obj()
	h.UID = ownedBy
	set := placeholder.BuildDaemonSet(h, placeholder.Defaults{})
	refused(t, w.as(daemonSetUser).Create(ctx, set.DeepCopy(), client.DryRunAll), onlyDaemonSets)
	require.NoError(t, w.as(controllerUser).Create(ctx, set))
	touched := set.DeepCopy()
	touched.Annotations = map[string]string{"touched": "true"}
	require.NoError(t, w.admin.Update(ctx, touched, client.DryRunAll))
	stolen := set.DeepCopy()
	stolen.OwnerReferences[0].UID = ownedByAnother
	refused(t, w.admin.Update(ctx, stolen, client.DryRunAll), onlyDaemonSets)
	changed := set.DeepCopy()
	changed.Spec.Template.Annotations = map[string]string{"touched": "true"}
	refused(t, w.admin.Update(ctx, changed, client.DryRunAll), onlyDaemonSets)
}

// TestTheControllersAccountDeletesWhatIsAPlaceholderByAllOfItsMarks has it delete pods of others.
func TestTheControllersAccountDeletesWhatIsAPlaceholderByAllOfItsMarks(t *testing.T) {
	w := newPolicies(t)
	ctx := t.Context()
	thief := w.as(controllerUser)
	unit := w.unit("headroom.dev/v1alpha1", "Headroom", "web")
	unit.Name = "unit"
	require.NoError(t, thief.Create(ctx, unit))
	require.NoError(t, thief.Delete(ctx, unit, client.DryRunAll))
	require.NoError(t, w.admin.Update(ctx, uncontrolled(unit)))
	refused(t, thief.Delete(ctx, unit, client.DryRunAll), nothingElse)

	ofSet := w.unit("apps/v1", "DaemonSet", "web-headroom")
	ofSet.Name = "of-a-set"
	require.NoError(t, w.as(daemonSetUser).Create(ctx, ofSet))
	require.NoError(t, thief.Delete(ctx, ofSet, client.DryRunAll))
	for name, owner := range map[string]metav1.OwnerReference{
		"of-a-workload":       {APIVersion: "apps/v1", Kind: "DaemonSet", Name: "web-headroom"},
		"of-another-daemon":   {APIVersion: "apps/v1", Kind: "DaemonSet", Name: "proxy"},
		"of-a-headroom-alike": {APIVersion: "example.com/v1", Kind: "Headroom", Name: "web"},
		"of-a-headroom":       {APIVersion: "headroom.dev/v1alpha1", Kind: "Headroom", Name: "web"},
	} {
		victim := w.pod(name, nil)
		owner.UID, owner.Controller = ownedBy, ptr.To(true)
		victim.OwnerReferences = []metav1.OwnerReference{owner}
		w.create(victim)
		refused(t, thief.Delete(ctx, victim, client.DryRunAll), nothingElse)
	}
}

// TestAGuardIsOneByAllOfItsMarks changes what TestTheSchedulersAccountMakesGuardsOnly leaves alone.
func TestAGuardIsOneByAllOfItsMarks(t *testing.T) {
	w := newPolicies(t)
	for name, tc := range map[string]struct {
		change   func(*corev1.Pod)
		accepted bool
	}{
		"a guard":        {change: func(*corev1.Pod) {}, accepted: true},
		"another label":  {change: func(p *corev1.Pod) { p.Labels[v1alpha1.LabelGuard] = "yes" }},
		"longer":         {change: func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = ptr.To[int64](31) }},
		"ends slowly":    {change: func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](1) }},
		"sees processes": {change: func(p *corev1.Pod) { p.Spec.HostPID = true }},
		"sees memory":    {change: func(p *corev1.Pod) { p.Spec.HostIPC = true }},
		"has arguments":  {change: func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"x"} }},
		"has a port":     {change: func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80}} }},
		"has a token":    {change: func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = ptr.To(true) }},
		"holds memory":   {change: func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["memory"] = resource.MustParse("1") }},
		"has a controller": {change: func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x", UID: ownedBy}}
		}},
		"reads variables": {change: func(p *corev1.Pod) {
			p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}}}
		}},
		"runs something at its start": {change: func(p *corev1.Pod) {
			p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
		}},
		"may gain privileges": {change: func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil }},
	} {
		for _, user := range []string{"system:serviceaccount:headroom-system:headroom-scheduler", mainScheduler} {
			t.Run(name+" by "+user, func(t *testing.T) {
				pod := guard.Build(w.namespace, "node-0", placeholder.DefaultImage, "host")
				tc.change(pod)
				err := w.as(user).Create(t.Context(), pod, client.DryRunAll)
				if tc.accepted {
					require.NoError(t, err)
					return
				}
				refused(t, err, onlyGuards)
			})
		}
	}
}
