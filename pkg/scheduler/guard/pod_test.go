package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: system, Name: name} }

func TestAGuardKeepsEveryPodOffItsNodeAndHoldsNothing(t *testing.T) {
	pod := Build(system, "a", image, "host")
	require.NoError(t, usable(pod))
	info, err := framework.NewPodInfo(pod)
	require.NoError(t, err)
	require.Zero(t, info.CalculateResource().Resource.GetMilliCPU())
	require.Zero(t, info.CalculateResource().Non0CPU, "no score counts on a request that it does not make")
	require.Zero(t, info.CalculateResource().Non0Mem)
	require.Len(t, info.GetRequiredAntiAffinityTerms(), 1)
	term := info.GetRequiredAntiAffinityTerms()[0]
	require.Equal(t, corev1.LabelHostname, term.TopologyKey)
	for _, other := range []*corev1.Pod{
		builders.Consumer("web", nil).Namespace("shop").Obj(), builders.Consumer("web", nil).Namespace(system).Label("app", "web").Obj(),
	} {
		require.True(t, term.Matches(other, nil))
	}
}

// TestAGuardIsAPodThatNothingKeepsFromItsNodeAndThatRunsNothing: a namespace that is restricted admits it, a taint does not evict it, and
// whoever may not preempt reserved units cannot preempt it.
func TestAGuardIsAPodThatNothingKeepsFromItsNodeAndThatRunsNothing(t *testing.T) {
	pod := Build(system, "a", image, "host")
	require.Equal(t, "a", pod.Spec.NodeName)
	require.Equal(t, []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Spec.Tolerations)
	require.Equal(t, v1alpha1.ReservedPriorityClassName, pod.Spec.PriorityClassName)
	require.Equal(t, "true", pod.Annotations[placeholder.AnnotationSafeToEvict], "no autoscaler keeps a node for it")
	require.Equal(t, "false", pod.Labels["sidecar.istio.io/inject"], "a sidecar would have requests")
	require.EqualValues(t, 30, *pod.Spec.ActiveDeadlineSeconds, "nobody may be left to delete it")
	require.Zero(t, *pod.Spec.TerminationGracePeriodSeconds)
	require.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	require.False(t, *pod.Spec.AutomountServiceAccountToken)
	require.False(t, *pod.Spec.EnableServiceLinks)
	require.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
	require.NotZero(t, *pod.Spec.SecurityContext.RunAsUser)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.Spec.SecurityContext.SeccompProfile.Type)
	require.Len(t, pod.Spec.Containers, 1)
	runs := pod.Spec.Containers[0]
	require.Equal(t, corev1.PullNever, runs.ImagePullPolicy, "nothing is pulled for some milliseconds")
	require.False(t, *runs.SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []corev1.Capability{"ALL"}, runs.SecurityContext.Capabilities.Drop)
	require.True(t, *runs.SecurityContext.ReadOnlyRootFilesystem)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		require.Contains(t, runs.Resources.Requests, name, "a LimitRange gives requests where there are none")
	}
}

func TestTheSchedulersOwnInformerTakesTheAntiAffinityFromItsGuardsAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		namespace, label string
		want             bool
	}{
		"from a guard":                        {namespace: system, label: v1alpha1.GuardLabelValue},
		"not from a pod of another namespace": {namespace: "shop", label: v1alpha1.GuardLabelValue, want: true},
		"not from a pod without the label":    {namespace: system, want: true},
		"not where it says something else":    {namespace: system, label: "not " + v1alpha1.GuardLabelValue, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := Build(tc.namespace, "a", image, "")
			pod.Labels[v1alpha1.LabelGuard] = tc.label
			pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
			transform := Transform(system)
			for range 2 { // a resync does it again
				_, err := transform(pod)
				require.NoError(t, err)
			}
			require.Equal(t, tc.want, pod.Spec.Affinity != nil)
			require.Empty(t, pod.ManagedFields, "as kube-scheduler's own transformation does")
		})
	}
	require.False(t, Is(Build("", "a", image, ""), ""), "without a namespace there are none")
	node := builders.Node("a", "z-1", nil).Obj()
	node.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	same, err := Transform(system)(node)
	require.NoError(t, err)
	require.Same(t, node, same)
	require.Empty(t, node.ManagedFields, "of all objects")
	same, err = Transform(system)("something else")
	require.NoError(t, err)
	require.Equal(t, "something else", same)
}

func TestWhichSwapsHaveAGuard(t *testing.T) {
	h := builders.Headroom("web", builders.Resources{"cpu": "1"}).Reserved().Obj()
	ordinary, reserved := builders.Placeholder(h, 0).Obj(), builders.ReservedUnit(h, 1).Obj()
	ordinary.Spec.Containers[0].Image, reserved.Spec.Containers[0].Image = "ordinary", "reserved"
	for name, tc := range map[string]struct {
		holes   config.GuardHoles
		victims []*corev1.Pod
		want    string
	}{
		"that of a reserved unit":             {config.GuardReserved, []*corev1.Pod{reserved}, "reserved"},
		"that of several, one of them such":   {config.GuardReserved, []*corev1.Pod{ordinary, reserved}, "reserved"},
		"not that of ordinary units":          {config.GuardReserved, []*corev1.Pod{ordinary}, ""},
		"that of ordinary units on request":   {config.GuardAll, []*corev1.Pod{ordinary}, "ordinary"},
		"that of several of these as well":    {config.GuardAll, []*corev1.Pod{ordinary, ordinary.DeepCopy()}, "ordinary"},
		"none on request":                     {config.GuardNever, []*corev1.Pod{reserved}, ""},
		"none that takes nothing but devices": {config.GuardAll, nil, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Image(tc.holes, tc.victims)) })
	}
}

func TestWhatMattersOfANode(t *testing.T) {
	node := builders.Node("a", "z-1", builders.Resources{"cpu": "1", "pods": "10"}).Obj()
	info := framework.NewNodeInfo(builders.Consumer("web", nil).Node("a").Obj())
	info.SetNode(node)
	node.Labels[corev1.LabelHostname] = "host-of-a"
	require.Equal(t, Node{Name: "a", Hostname: true, Slots: 9}, NodeOf(info))
	delete(node.Labels, corev1.LabelHostname)
	require.False(t, NodeOf(info).Hostname)
}
