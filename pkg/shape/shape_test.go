package shape

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

func resources(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func container(requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func TestRequestsAreThoseOfTheScheduler(t *testing.T) {
	sidecar := container(resources("cpu", "100m"), nil)
	sidecar.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	for name, tc := range map[string]struct {
		spec corev1.PodSpec
		want corev1.ResourceList
	}{
		"the sum of its containers": {
			corev1.PodSpec{Containers: []corev1.Container{container(resources("cpu", "1", "memory", "1Gi"), nil), container(resources("cpu", "500m"), nil)}},
			resources("cpu", "1500m", "memory", "1Gi"),
		},
		"the largest init container": {
			corev1.PodSpec{
				InitContainers: []corev1.Container{container(resources("cpu", "3"), nil), container(resources("cpu", "2"), nil)},
				Containers:     []corev1.Container{container(resources("cpu", "1"), nil)},
			},
			resources("cpu", "3"),
		},
		"a sidecar beside it, and beside the containers": {
			corev1.PodSpec{
				InitContainers: []corev1.Container{sidecar, container(resources("cpu", "3"), nil)},
				Containers:     []corev1.Container{container(resources("cpu", "1"), nil)},
			},
			resources("cpu", "3100m"),
		},
		"what the pod as a whole requests": {
			corev1.PodSpec{
				Resources:  &corev1.ResourceRequirements{Requests: resources("cpu", "4")},
				Containers: []corev1.Container{container(resources("cpu", "1", "memory", "1Gi"), nil)},
			},
			resources("cpu", "4", "memory", "1Gi"),
		},
		"limits where there are no requests": {
			corev1.PodSpec{Containers: []corev1.Container{container(resources("cpu", "1"), resources("cpu", "2", "memory", "1Gi", "nvidia.com/gpu", "1"))}},
			resources("cpu", "1", "memory", "1Gi", "nvidia.com/gpu", "1"),
		},
		"limits of the second container": {
			corev1.PodSpec{Containers: []corev1.Container{
				container(resources("cpu", "1"), nil), container(nil, resources("cpu", "2", "memory", "1Gi")),
			}},
			resources("cpu", "3", "memory", "1Gi"),
		},
		"limits of an init container that has no requests": {
			corev1.PodSpec{
				InitContainers: []corev1.Container{container(nil, resources("cpu", "3"))},
				Containers:     []corev1.Container{container(resources("cpu", "1"), nil)},
			},
			resources("cpu", "3"),
		},
		"no overhead, which admission adds": {
			corev1.PodSpec{
				Overhead: resources("cpu", "250m"), RuntimeClassName: ptr.To("kata"), Containers: []corev1.Container{container(resources("cpu", "1"), nil)},
			},
			resources("cpu", "1"),
		},
		"no zeros": {corev1.PodSpec{Containers: []corev1.Container{container(resources("cpu", "0", "memory", "1Gi"), nil)}}, resources("memory", "1Gi")},
		"nothing":  {corev1.PodSpec{Containers: []corev1.Container{{}}}, corev1.ResourceList{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.spec.DeepCopy()
			got := Requests(&tc.spec)
			require.True(t, equality.Semantic.DeepEqual(tc.want, got), "%v", got)
			require.Equal(t, before, &tc.spec, "the template is left alone")
		})
	}
}

func TestPlacementIsMadeFitForPlaceholders(t *testing.T) {
	own := &metav1.LabelSelector{MatchLabels: map[string]string{"headroom.dev/headroom": "web"}}
	nodes := &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}}}
	spot := corev1.Toleration{Key: "spot", Operator: corev1.TolerationOpExists}
	got := Of(&corev1.PodSpec{
		NodeSelector:     map[string]string{"pool": "general"},
		RuntimeClassName: ptr.To("kata"),
		Affinity: &corev1.Affinity{
			NodeAffinity: nodes, PodAffinity: &corev1.PodAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{},
		},
		Tolerations: []corev1.Toleration{
			spot, {Operator: corev1.TolerationOpExists}, {Key: "karpenter.sh/disrupted", Operator: corev1.TolerationOpExists},
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](30)},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule, MinDomains: ptr.To[int32](3),
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, MatchLabelKeys: []string{"pod-template-hash"},
		}},
		ServiceAccountName: "web", Volumes: []corev1.Volume{{Name: "data"}}, PriorityClassName: "high", HostNetwork: true,
	}, own)
	require.Empty(t, cmp.Diff(Shape{
		Requests: corev1.ResourceList{}, NodeSelector: map[string]string{"pool": "general"}, NodeAffinity: nodes, RuntimeClassName: "kata",
		Tolerations: []corev1.Toleration{spot},
		Spread: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule, MinDomains: ptr.To[int32](3), LabelSelector: own,
		}},
	}, got))
}

// TestPlaceholdersStayOnNoNodeThatIsTakenAway, whatever the workload tolerates there, and for whatever effect.
func TestPlaceholdersStayOnNoNodeThatIsTakenAway(t *testing.T) {
	for _, key := range []string{
		"", "node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "karpenter.sh/disrupted",
		"ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler",
	} {
		for _, effect := range []corev1.TaintEffect{"", corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
			other := corev1.Toleration{Key: "node.kubernetes.io/disk-pressure", Operator: corev1.TolerationOpExists, Effect: effect}
			for _, leaving := range []corev1.Toleration{
				{Key: key, Operator: corev1.TolerationOpExists, Effect: effect},
				{Key: key, Operator: corev1.TolerationOpEqual, Value: "1", Effect: effect},
			} {
				got := Of(&corev1.PodSpec{Tolerations: []corev1.Toleration{other, leaving, other}}, nil)
				require.Equal(t, []corev1.Toleration{other, other}, got.Tolerations, "%v", leaving)
			}
		}
	}
}

func TestEveryConstraintIsMadeOneOfThePlaceholders(t *testing.T) {
	own := &metav1.LabelSelector{MatchLabels: map[string]string{"headroom.dev/headroom": "web"}}
	got := Of(&corev1.PodSpec{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
		{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{}}, {TopologyKey: "rack", MatchLabelKeys: []string{"pod-template-hash"}},
	}}, own)
	require.Equal(t, []corev1.TopologySpreadConstraint{
		{TopologyKey: "zone", LabelSelector: own}, {TopologyKey: "rack", LabelSelector: own},
	}, got.Spread)
}

func TestATemplateThatMayGoAnywhereAsksForNoPlace(t *testing.T) {
	own := &metav1.LabelSelector{MatchLabels: map[string]string{"headroom.dev/headroom": "web"}}
	for name, template := range map[string]*corev1.PodSpec{
		"it says nothing": {}, "its affinity is to pods": {Affinity: &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(Shape{Requests: corev1.ResourceList{}}, Of(template, own)))
		})
	}
}

func TestAShapeSharesNoMemoryWithItsTemplate(t *testing.T) {
	template := func() *corev1.PodSpec {
		return &corev1.PodSpec{
			NodeSelector: map[string]string{"pool": "general"},
			Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}},
			}},
			Tolerations:               []corev1.Toleration{{Key: "spot", TolerationSeconds: ptr.To[int64](30)}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{MinDomains: ptr.To[int32](3)}},
		}
	}
	of, own := template(), &metav1.LabelSelector{MatchLabels: map[string]string{"headroom.dev/headroom": "web"}}
	s := Of(of, own)
	s.NodeSelector["pool"], *s.Tolerations[0].TolerationSeconds, *s.Spread[0].MinDomains = "other", 1, 1
	s.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].Weight = 2
	s.Spread[0].LabelSelector.MatchLabels["headroom.dev/headroom"] = "other"
	require.Empty(t, cmp.Diff(template(), of))
	require.Equal(t, "web", own.MatchLabels["headroom.dev/headroom"])
}

func TestLarger(t *testing.T) {
	got := Larger(resources("cpu", "1", "memory", "2Gi"), resources("cpu", "1500m", "memory", "1Gi", "nvidia.com/gpu", "1", "example.com/x", "0"))
	require.True(t, equality.Semantic.DeepEqual(resources("cpu", "1500m", "memory", "2Gi", "nvidia.com/gpu", "1"), got), "%v", got)
	require.Empty(t, Larger(nil, nil))
	require.Equal(t, resources("cpu", "1"), Larger(resources("cpu", "1"), nil))
	require.Equal(t, resources("cpu", "1"), Larger(nil, resources("cpu", "1")))
	have := resources("cpu", "1")
	Larger(have, resources("cpu", "2"))
	require.Equal(t, resources("cpu", "1"), have, "neither is changed")
}

func TestRemembered(t *testing.T) {
	held := resources("cpu", "1500m", "memory", "1Gi")
	for name, tc := range map[string]struct{ seen, template, want corev1.ResourceList }{
		"the template is as it was":           {resources("cpu", "1", "memory", "1Gi"), resources("cpu", "1", "memory", "1Gi"), held},
		"it requests a little less":           {resources("cpu", "1", "memory", "1Gi"), resources("cpu", "950m", "memory", "1Gi"), held},
		"a little more, of what it decides":   {resources("cpu", "1", "memory", "1Gi"), resources("cpu", "1", "memory", "1100000Ki"), resources("cpu", "1500m", "memory", "1100000Ki")},
		"it is another one":                   {resources("cpu", "1", "memory", "1Gi"), resources("cpu", "2", "memory", "1Gi"), resources("cpu", "2", "memory", "1Gi")},
		"it is another one, and smaller":      {resources("cpu", "1", "memory", "1Gi"), resources("cpu", "500m", "memory", "1Gi"), resources("cpu", "500m", "memory", "1Gi")},
		"no pod was larger than its template": {nil, resources("cpu", "1"), resources("cpu", "1")},
		"and now it requests nothing at all":  {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Remembered(held, tc.seen, tc.template)
			require.True(t, equality.Semantic.DeepEqual(tc.want, got), "%v", got)
		})
	}
}

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

func TestWhenUnitsFollow(t *testing.T) {
	held := Shape{Requests: resources("cpu", "1", "memory", "1000Mi")}
	long := noon.Add(-time.Hour)
	for name, tc := range map[string]struct {
		held  *Shape
		since time.Time
		found Shape
		rolls bool
		want  Verdict
		wait  time.Duration
	}{
		"the first shape":                       {nil, time.Time{}, held, true, Follow, 0},
		"the same":                              {&held, long, Shape{Requests: resources("cpu", "1000m", "memory", "1000Mi")}, false, Same, 0},
		"9.9 percent more":                      {&held, long, Shape{Requests: resources("cpu", "1099m", "memory", "1000Mi")}, false, Same, 0},
		"10 percent more":                       {&held, long, Shape{Requests: resources("cpu", "1100m", "memory", "1000Mi")}, false, Follow, 0},
		"10 percent less":                       {&held, long, Shape{Requests: resources("cpu", "1", "memory", "900Mi")}, false, Follow, 0},
		"another resource":                      {&held, long, Shape{Requests: resources("cpu", "1", "memory", "1000Mi", "nvidia.com/gpu", "1")}, false, Follow, 0},
		"another resource in the place of one":  {&held, long, Shape{Requests: resources("cpu", "1", "nvidia.com/gpu", "1")}, false, Follow, 0},
		"nothing of a resource, as before":      {&Shape{Requests: resources("cpu", "0")}, long, Shape{Requests: resources("cpu", "0")}, false, Same, 0},
		"some of one in the place of no other":  {&Shape{Requests: resources("cpu", "0")}, long, Shape{Requests: resources("memory", "1Gi")}, false, Follow, 0},
		"no requests, since a moment":           {&Shape{}, noon.Add(-time.Minute), held, false, Later, 9 * time.Minute},
		"a resource less":                       {&held, long, Shape{Requests: resources("cpu", "1")}, false, Follow, 0},
		"another place":                         {&held, long, Shape{Requests: held.Requests, NodeSelector: map[string]string{"a": "b"}}, false, Follow, 0},
		"while it rolls":                        {&held, long, Shape{Requests: resources("cpu", "2", "memory", "1000Mi")}, true, Rolls, 0},
		"nothing new while it rolls":            {&held, long, held, true, Same, 0},
		"4 minutes after the last change":       {&held, noon.Add(-4 * time.Minute), Shape{Requests: resources("cpu", "2")}, false, Later, 6 * time.Minute},
		"10 minutes after the last change":      {&held, noon.Add(-10 * time.Minute), Shape{Requests: resources("cpu", "2")}, false, Follow, 0},
		"a change after which a clock was back": {&held, noon.Add(time.Hour), Shape{Requests: resources("cpu", "2")}, false, Follow, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, wait := Next(tc.held, tc.since, tc.found, tc.rolls, noon)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.wait, wait)
		})
	}
}

// Whatever the workload does, units change their shape at most once in 10 minutes, and not for what is alike.
func TestUnitsAreNotRolledMoreOftenThanEveryTenMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var held *Shape
		var since, now time.Time
		now = noon
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
			found := Shape{Requests: corev1.ResourceList{"cpu": *resource.NewMilliQuantity(rapid.Int64Range(900, 1100).Draw(t, "cpu"), resource.DecimalSI)}}
			rolls := rapid.Bool().Draw(t, "rolls")
			verdict, wait := Next(held, since, found, rolls, now)
			if verdict == Follow {
				if held != nil {
					require.GreaterOrEqual(t, now.Sub(since), Pause)
					require.False(t, rolls)
					difference := held.Requests.Cpu().MilliValue() - found.Requests.Cpu().MilliValue()
					require.GreaterOrEqual(t, 10*max(difference, -difference), held.Requests.Cpu().MilliValue())
				}
				held, since = &found, now
			}
			require.Equal(t, verdict == Later, wait > 0)
		}
	})
}
