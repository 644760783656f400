package explain

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestWhatIsAssumedOfWhatPluginsCannotKnow(t *testing.T) {
	const devices, volumes = "devices for the pod's resourceClaims are there on every node", "the pod's persistent volumes can be had on every node"
	claim := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}
	for name, tc := range map[string]struct {
		change func(*corev1.PodSpec)
		want   []string
	}{
		"nothing": {change: func(*corev1.PodSpec) {}},
		"a volume of the node": {change: func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}},
		"a claim for a volume, after others": {change: func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, claim}
		}, want: []string{volumes}},
		"a volume of its own": {change: func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
				VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{},
			}}}}
		}, want: []string{volumes}},
		"devices": {change: func(s *corev1.PodSpec) {
			s.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: ptr.To("gpu")}}
		}, want: []string{devices}},
		"devices and volumes": {change: func(s *corev1.PodSpec) {
			s.ResourceClaims, s.Volumes = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: ptr.To("gpu")}}, []corev1.Volume{claim}
		}, want: []string{devices, volumes}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := dns(1)
			tc.change(&pod.Spec)
			predicted, err := explained(t, nil, []string{"a"}, nil, func(*Profile) {}).Predict(t.Context(), pod)
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, predicted.Fits, "what cannot be known keeps no pod from a node")
			require.Equal(t, []string{
				"nothing else happens meanwhile: no other pod comes or goes, no preemption is under way, and no unit is reserved",
				"the scheduler's configuration is kube-scheduler's default profile with the plugin's default arguments; " +
					"--scheduler-config reads another",
			}, predicted.Assumptions[:2])
			require.Equal(t, tc.want, append([]string(nil), predicted.Assumptions[2:]...))
		})
	}
}

func TestAPredictionNamesTheConfigurationThatItIsFor(t *testing.T) {
	cluster := explained(t, nil, []string{"a"}, nil, func(p *Profile) { p.Source = "scheduler.yaml" })
	predicted, err := cluster.Predict(t.Context(), dns(1))
	require.NoError(t, err)
	require.Equal(t, "the scheduler's configuration is the profile default-scheduler of scheduler.yaml", predicted.Assumptions[1])
}

// TestWhatPluginsSayOfANodeIsSaidBeforeItsRoom has a node that is tainted, one that is full, and one whose unit is too small.
func TestWhatPluginsSayOfANodeIsSaidBeforeItsRoom(t *testing.T) {
	h := builders.Headroom("spare", cpu("100m")).Namespace("shop").UID("spare").Obj()
	cluster := explained(t, []*v1alpha1.Headroom{h}, []string{"c", "b", "a"}, []*corev1.Pod{
		builders.Consumer("full", cpu("1")).Namespace("shop").UID("full").Node("b").Obj(),
		builders.Consumer("most", cpu("900m")).Namespace("shop").UID("most").Node("c").Obj(),
		builders.Placeholder(h, 0).Node("c").UID("unit").Obj(),
	}, func(*Profile) {})
	for _, node := range cluster.objects.Nodes {
		if node.Name == "a" {
			node.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		}
	}
	predicted, err := cluster.Predict(t.Context(), dns(1))
	require.NoError(t, err)
	require.Nil(t, predicted.Swap)
	require.Len(t, predicted.Misfits, 3)
	require.Equal(t, "a", predicted.Misfits[0].Node, "in the order of names")
	require.Contains(t, predicted.Misfits[0].Why, "untolerated taint")
	require.Equal(t, Misfit{Node: "b", Why: "it has too little room, and holds no headroom"}, predicted.Misfits[1])
	require.Equal(t, Misfit{Node: "c", Why: "it does not hold enough headroom"}, predicted.Misfits[2])
}

func TestAPodForWhichThereIsNoHeadroomAtAllIsToldSo(t *testing.T) {
	full := builders.Consumer("full", cpu("1")).Namespace("shop").UID("full").Node("a").Obj()
	predicted, err := explained(t, nil, []string{"a"}, []*corev1.Pod{full}, func(*Profile) {}).Predict(t.Context(), dns(1))
	require.NoError(t, err)
	require.Equal(t, "no node holds headroom", predicted.Message)
	require.Empty(t, predicted.Reason)
	require.Equal(t, []Misfit{{Node: "a", Why: "it has too little room, and holds no headroom"}}, predicted.Misfits)
}

func TestAPodThatPluginsRejectBeforeTheyLookAtNodesIsToldWhy(t *testing.T) {
	pod := dns(1)
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}},
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"c"}},
		}}},
	}}}
	predicted, err := explained(t, nil, []string{"a"}, nil, func(*Profile) {}).Predict(t.Context(), pod)
	require.NoError(t, err)
	require.Regexp(t, "^the scheduler looks at no node for it: .*affinity", predicted.Message)
	require.Empty(t, predicted.Fits)
}

// TestUnitsAreInTheOrderInWhichTheyGo: those that are being deleted first, then the smaller ones.
func TestUnitsAreInTheOrderInWhichTheyGo(t *testing.T) {
	small := builders.Headroom("small", cpu("100m")).Namespace("shop").UID("small").Obj()
	large := builders.Headroom("large", cpu("300m")).Namespace("shop").UID("large").Obj()
	cluster := explained(t, []*v1alpha1.Headroom{small, large}, []string{"a", "bare"}, []*corev1.Pod{
		builders.Placeholder(large, 0).Node("a").UID("1").Obj(), builders.Placeholder(small, 0).Node("a").UID("2").Obj(),
		builders.Placeholder(large, 1).Node("a").UID("3").Terminating().Obj(),
	}, func(*Profile) {})
	held := cluster.Placeholders()
	require.Len(t, held, 1, "a node without any is left out")
	var uids []string
	for _, p := range held[0].Placeholders {
		uids = append(uids, p.UID)
	}
	require.Equal(t, []string{"3", "2", "1"}, uids)
	require.Equal(t, int64(100_000), held[0].Placeholders[1].Surplus, "a tenth of the node")
}

func TestUnitsOfDaemonSetsAreThoseOfTheirHeadrooms(t *testing.T) {
	h := builders.Headroom("each", cpu("1")).Namespace("shop").UID("each").Obj()
	set := func(name string, uid types.UID, owner ...metav1.OwnerReference) *appsv1.DaemonSet {
		return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: uid, OwnerReferences: owner}}
	}
	ours := set("each-headroom", "set", *metav1.NewControllerRef(h, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom)))
	unit := builders.Placeholder(h, 0).Node("a").UID("unit").Obj()
	unit.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(ours, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	for name, tc := range map[string]struct {
		sets []*appsv1.DaemonSet
		want int
	}{
		"it is known":                        {sets: []*appsv1.DaemonSet{set("other", "other"), ours}, want: 1},
		"it is not":                          {},
		"another one of the name was before": {sets: []*appsv1.DaemonSet{set("each-headroom", "earlier", ours.OwnerReferences...)}},
		"nobody controls it":                 {sets: []*appsv1.DaemonSet{set("each-headroom", "set")}},
	} {
		t.Run(name, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), "", "")
			require.NoError(t, err)
			cluster, err := New(Objects{
				Headrooms: []*v1alpha1.Headroom{h}, Pods: []*corev1.Pod{unit}, DaemonSets: tc.sets,
				Nodes: []*corev1.Node{builders.Node("a", "z-1", cpu("1")).Obj()},
			}, profile)
			require.NoError(t, err)
			require.Len(t, cluster.Placeholders(), tc.want)
		})
	}
}

func TestNamespacesAreThoseOfTheObjects(t *testing.T) {
	h := builders.Headroom("spare", cpu("1")).Namespace("other").UID("spare").Consumers(v1alpha1.Consumers{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}},
	}).Obj()
	for team, want := range map[string]int{"a": 1, "b": 0} {
		t.Run(team, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), "", "")
			require.NoError(t, err)
			cluster, err := New(Objects{
				Headrooms: []*v1alpha1.Headroom{h}, Nodes: []*corev1.Node{builders.Node("a", "z-1", cpu("1")).Obj()},
				Pods:       []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()},
				Namespaces: []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": team}}}},
			}, profile)
			require.NoError(t, err)
			options, _ := cluster.Nodes(dns(1))
			require.Len(t, options, want)
		})
	}
}

// configuration is one of kube-scheduler with a profile without the plugin, and one with it and these arguments.
func configuration(t *testing.T, arguments string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: plain
- schedulerName: ours
  plugins:
    multiPoint:
      enabled: [{name: Headroom}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {ignoredResources: [example.com/ignored]}
  - name: Headroom
    args: {`+arguments+`}
`), 0o600))
	return path
}

func TestWhichProfileOfAConfigurationIsMeant(t *testing.T) {
	file := configuration(t, "ignoredResources: [example.com/own]")
	for name, scheduler := range map[string]string{"by the pod's scheduler": "ours", "the first one with the plugin": ""} {
		t.Run(name, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), file, scheduler)
			require.NoError(t, err)
			require.Equal(t, "ours", profile.Scheduler.SchedulerName)
			require.Equal(t, file, profile.Source)
			require.Equal(t, []string{"example.com/own", "example.com/ignored"}, profile.Args.IgnoredResources)
		})
	}
	_, err := ReadProfile(t.Context(), file, "plain")
	require.EqualError(t, err, "the profile plain of "+file+" does not have the plugin Headroom, so its pods take no headroom")
	_, err = ReadProfile(t.Context(), file, "other")
	require.EqualError(t, err, file+" has no profile other, which is the pod's schedulerName; it has plain, ours")
	_, err = ReadProfile(t.Context(), file+".none", "ours")
	require.ErrorContains(t, err, "reading the scheduler's configuration "+file+".none")
	_, err = ReadProfile(t.Context(), configuration(t, "minNodesToScore: -1"), "ours")
	require.ErrorContains(t, err, `profiles[1].pluginConfig[Headroom].args.minNodesToScore`)

	_, err = ParseProfile([]byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles: [{schedulerName: plain}]"), "x", "")
	require.EqualError(t, err, "no profile of x has the plugin Headroom")
	_, err = ParseProfile([]byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: NodeAffinityArgs"), "x", "")
	require.EqualError(t, err, "the configuration of x is a NodeAffinityArgs, not one of kube-scheduler")
}
