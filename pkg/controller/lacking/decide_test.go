package lacking

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/message"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func headroom(t *testing.T, name string, consumers *v1alpha1.Consumers, unit corev1.ResourceList) Headroom {
	t.Helper()
	key := types.NamespacedName{Namespace: "shop", Name: name}
	rule, err := entitlement.Compile(key, consumers)
	require.NoError(t, err)
	return Headroom{NamespacedName: key, Rule: rule, Priority: -10, Unit: unit, Place: Place{NodeSelector: map[string]string{"pool": "a"}}}
}

func TestOf(t *testing.T) {
	onlyAPI := &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}}
	open := headroom(t, "open", nil, list("cpu", "1", "memory", "1Gi"))
	ours := headroom(t, "ours", onlyAPI, list("cpu", "500m", "memory", "1Gi"))
	polite := headroom(t, "polite", &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}, list("cpu", "1", "memory", "1Gi"))
	large := headroom(t, "large", nil, list("cpu", "4", "memory", "1Gi"))
	reserved, openReserved := headroom(t, "reserved", onlyAPI, list("cpu", "1", "memory", "1Gi")), open
	reserved.Priority, reserved.Reserved, openReserved.Priority, openReserved.Reserved = 1_000_000, true, 1_000_000, true
	inPoolA, kata := open, headroom(t, "kata", nil, list("cpu", "1500m", "memory", "1Gi"))
	inPoolA.Place = Place{Terms: pools(corev1.NodeSelectorOpIn, "a")}
	runc := kata
	kata.RuntimeClass = "kata"
	high := open
	high.Name, high.Priority = "high", 7
	for name, tc := range map[string]struct {
		change    func(*Pod)
		headrooms []Headroom
		ready     int
		want      string
		units     int
		why       account.Miss
	}{
		"a reserved unit would have, whatever its priority": {headrooms: []Headroom{reserved}, want: "reserved", units: 2},
		"a reserved unit that is for nobody by name":        {headrooms: []Headroom{openReserved}, want: "open", why: account.MissPriority},
		"a unit would have served":                          {headrooms: []Headroom{open}, want: "open", units: 2},
		"one that names the pod goes first":                 {headrooms: []Headroom{open, ours}, want: "ours", units: 3},
		"then the one of which it needs fewest":             {headrooms: []Headroom{open, large}, want: "large", units: 1},
		"it was not told":                                   {change: func(p *Pod) { p.Told = time.Time{} }, headrooms: []Headroom{open}},
		"it may not preempt":                                {change: func(p *Pod) { p.Identity.NonPreempting = true }, headrooms: []Headroom{open}},
		"a Headroom lets it all the same":                   {change: func(p *Pod) { p.Identity.NonPreempting = true }, headrooms: []Headroom{open, polite}, want: "polite", units: 2},
		"its priority is not above": {
			change: func(p *Pod) { p.Identity.Priority = -10 }, headrooms: []Headroom{open}, want: "open", why: account.MissPriority,
		},
		"its priority is not above, though it is named": {
			change: func(p *Pod) { p.Identity.Priority = -10 }, headrooms: []Headroom{ours}, want: "ours", why: account.MissPriority,
		},
		"its priority is above that of another": {
			change: func(p *Pod) { p.Identity.Priority = 7 }, headrooms: []Headroom{high, open}, want: "open", units: 2, why: account.MissNoneReady,
		},
		"units are ready, and none is large enough": {
			change: func(p *Pod) { p.Message += " " + message.NoneLargeEnough }, headrooms: []Headroom{open}, ready: 3, want: "open", units: 2,
			why: account.MissTooSmall,
		},
		"none is large enough, and none of it is ready": {
			change: func(p *Pod) { p.Message += " " + message.NoneLargeEnough }, headrooms: []Headroom{open}, want: "open", units: 2,
			why: account.MissNoneReady,
		},
		"units are ready, and nobody says why they do not serve": {
			headrooms: []Headroom{open}, ready: 3, want: "open", units: 2, why: account.MissOther,
		},
		"pods are preempted for it": {
			change: func(p *Pod) { p.Nominated = true }, headrooms: []Headroom{open}, ready: 3, want: "open", units: 2, why: account.MissPreemption,
		},
		"pods are preempted for it, and none is ready": {
			change: func(p *Pod) { p.Nominated = true }, headrooms: []Headroom{open}, want: "open", units: 2, why: account.MissPreemption,
		},
		"it is not entitled":   {change: func(p *Pod) { p.Identity.Labels = nil }, headrooms: []Headroom{ours}},
		"it must go elsewhere": {change: func(p *Pod) { p.NodeSelector = map[string]string{"pool": "b"} }, headrooms: []Headroom{open}},
		"it may go there":      {change: func(p *Pod) { p.NodeSelector = map[string]string{"pool": "a"} }, headrooms: []Headroom{open}, want: "open", units: 2},
		"it must go elsewhere, by affinity": {
			change: func(p *Pod) { p.Terms = pools(corev1.NodeSelectorOpIn, "b", "c") }, headrooms: []Headroom{open},
		},
		"it may go there, by affinity": {
			change: func(p *Pod) { p.Terms = pools(corev1.NodeSelectorOpIn, "b", "a") }, headrooms: []Headroom{open}, want: "open", units: 2,
		},
		"the units must be elsewhere, by affinity": {
			change: func(p *Pod) { p.NodeSelector = map[string]string{"pool": "b"} }, headrooms: []Headroom{inPoolA},
		},
		"pods and units have the overhead of one RuntimeClass": {
			change:    func(p *Pod) { p.RuntimeClass, p.Requests = "kata", list("cpu", "1750m", "memory", "1Gi") },
			headrooms: []Headroom{kata}, want: "kata", units: 1,
		},
		"the pod has that of another": {
			change:    func(p *Pod) { p.RuntimeClass, p.Requests = "gvisor", list("cpu", "1750m", "memory", "1Gi") },
			headrooms: []Headroom{kata}, want: "kata", units: 2,
		},
		"only the pod has it": {
			change:    func(p *Pod) { p.RuntimeClass, p.Requests = "kata", list("cpu", "1750m", "memory", "1Gi") },
			headrooms: []Headroom{runc}, want: "kata", units: 2,
		},
		"no unit has what it asks for": {
			change: func(p *Pod) { p.Requests = list("cpu", "1", "example.com/gpu", "1") }, headrooms: []Headroom{open},
		},
		"too many pods are there, and a unit is one": {
			change: func(p *Pod) { p.Message = "0/5 nodes are available: 5 Too many pods." }, headrooms: []Headroom{open}, want: "open", units: 2,
		},
		"another resource is lacking than CPU": {
			change:    func(p *Pod) { p.Message = "0/5 nodes are available: 5 Insufficient memory." },
			headrooms: []Headroom{open}, want: "open", units: 2,
		},
		"no lack of resources": {
			change: func(p *Pod) { p.Message = "0/5 nodes are available: 5 node(s) had untolerated taint(s)." }, headrooms: []Headroom{open},
		},
		"headroom is there, and does not suit it": {
			change: func(p *Pod) {
				p.Message += " 1 of 5 nodes hold headroom, none for this pod: 1 would have the room, but do not suit it for other reasons"
			}, headrooms: []Headroom{open}, want: "open", why: account.MissFiltered,
		},
		"headroom is there, and the message says why it does not suit it": {
			change: func(p *Pod) {
				p.Message += " 1 of 5 nodes hold headroom, none for this pod: 1 would have the room, but 1 node(s) had untolerated taint(s)"
			}, headrooms: []Headroom{open}, want: "open", why: account.MissFiltered,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &Pod{
				Identity: entitlement.Consumer{Namespace: "shop", Labels: map[string]string{"app": "api"}},
				Requests: list("cpu", "1500m", "memory", "1Gi"), Bare: list("cpu", "1500m", "memory", "1Gi"), Told: epoch, Message: "0/5 nodes are available: 5 Insufficient cpu.",
			}
			if tc.change != nil {
				tc.change(pod)
			}
			miss, ok := Of(pod, tc.headrooms, func(types.NamespacedName) int { return tc.ready })
			require.Equal(t, tc.want != "", ok)
			require.Equal(t, tc.want, miss.Headroom.Name)
			require.Equal(t, tc.units, miss.Units)
			if tc.units > 0 && tc.why == "" {
				tc.why = account.MissNoneReady
			}
			require.Equal(t, tc.why, miss.Why)
		})
	}
}

// pools is an affinity to nodes by the pool that they are in.
func pools(operator corev1.NodeSelectorOperator, values ...string) []corev1.NodeSelectorTerm {
	return []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "pool", Operator: operator, Values: values}}}}
}

func TestWhereAffinityAllowsNodes(t *testing.T) {
	inA, elsewhere := Place{NodeSelector: map[string]string{"pool": "a"}}, Place{NodeSelector: map[string]string{"zone": "a"}}
	for name, tc := range map[string]struct {
		terms []corev1.NodeSelectorTerm
		want  bool
	}{
		"none":                  {nil, true},
		"in":                    {pools(corev1.NodeSelectorOpIn, "b"), false},
		"not in":                {pools(corev1.NodeSelectorOpNotIn, "a"), false},
		"not in another":        {pools(corev1.NodeSelectorOpNotIn, "b"), true},
		"in any":                {pools(corev1.NodeSelectorOpExists), true},
		"in none":               {pools(corev1.NodeSelectorOpDoesNotExist), false},
		"larger":                {pools(corev1.NodeSelectorOpGt, "1"), true},
		"one of two":            {append(pools(corev1.NodeSelectorOpIn, "b"), pools(corev1.NodeSelectorOpIn, "a")...), true},
		"all of one":            {[]corev1.NodeSelectorTerm{{MatchExpressions: append(pools(corev1.NodeSelectorOpIn, "a")[0].MatchExpressions, pools(corev1.NodeSelectorOpIn, "b")[0].MatchExpressions...)}}, false},
		"a field, which is not": {[]corev1.NodeSelectorTerm{{MatchFields: pools(corev1.NodeSelectorOpIn, "b")[0].MatchExpressions}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			place := Place{Terms: tc.terms}
			require.Equal(t, tc.want, place.meets(&inA))
			require.Equal(t, tc.want, inA.meets(&place))
			require.True(t, place.meets(&elsewhere), "nothing is known of its pool")
		})
	}
}

func TestUnitsFor(t *testing.T) {
	for name, tc := range map[string]struct {
		requests, unit corev1.ResourceList
		want           int
	}{
		"nothing is asked for": {list(), list("cpu", "1"), 1},
		"exactly one":          {list("cpu", "1"), list("cpu", "1"), 1},
		"a little more":        {list("cpu", "1001m"), list("cpu", "1"), 2},
		"huge memory":          {list("memory", "16Pi"), list("memory", "8Pi"), 2},
		"more than that":       {list("memory", "24Pi"), list("memory", "8Pi"), 3},
		"of huge units":        {list("memory", "8Pi"), list("memory", "24Pi"), 1},
		"the most that fits":   {list("memory", "8Pi"), list("memory", "5Pi"), 2},
		"of a unit of none":    {list("cpu", "1"), list("cpu", "0"), 0},
		"more of one":          {list("cpu", "3", "memory", "1Gi"), list("cpu", "1", "memory", "1Gi"), 3},
		"more of both":         {list("cpu", "3", "memory", "2Gi"), list("cpu", "1", "memory", "1Gi"), 3},
		"absurd":               {list("cpu", "1000000"), list("cpu", "1m"), maxUnits},
		"a zero":               {list("cpu", "0"), list("memory", "1Gi"), 1},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, unitsFor(tc.requests, tc.unit)) })
	}
}

func TestWhereAPodIsNominatedIsKeptOfIt(t *testing.T) {
	pod := &corev1.Pod{Status: corev1.PodStatus{NominatedNodeName: "n1"}}
	kept, err := trim(pod)
	require.NoError(t, err)
	require.Equal(t, pod.Status, kept.(*corev1.Pod).Status)
}

func TestWhatIsKeptOfAPodIsAllThatTheDecisionAsks(t *testing.T) {
	told := metav1.NewTime(epoch.Add(time.Minute))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api-1", UID: "u", Labels: map[string]string{"app": "api"}},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"pool": "a"}, Priority: ptr.To[int32](7), PreemptionPolicy: ptr.To(corev1.PreemptNever),
			Overhead: list("cpu", "250m"), RuntimeClassName: ptr.To("kata"),
			Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: pools(corev1.NodeSelectorOpIn, "a"),
			}}},
			Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list("cpu", "1", "memory", "1Gi")}}},
		},
		Status: corev1.PodStatus{NominatedNodeName: "n1", Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "another condition"},
			{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: told,
				Message: "0/5 nodes are available: 5 Insufficient cpu.",
			},
		}},
	}
	consumer := account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api-1"}, UID: "u"}
	got := podOf(pod, consumer, map[string]string{"team": "a"})
	for name, quantity := range list("cpu", "1250m", "memory", "1Gi") {
		require.Zero(t, quantity.Cmp(got.Requests[name]), "%s", name)
	}
	require.Equal(t, "1", got.Bare.Cpu().String())
	got.Requests, got.Bare = nil, nil
	require.Equal(t, &Pod{
		Consumer: consumer, RuntimeClass: "kata",
		Place: Place{NodeSelector: map[string]string{"pool": "a"}, Terms: pools(corev1.NodeSelectorOpIn, "a")},
		Identity: entitlement.Consumer{
			Namespace: "shop", NamespaceLabels: map[string]string{"team": "a"}, Labels: map[string]string{"app": "api"}, Priority: 7, NonPreempting: true,
		},
		Told: told.Time, Message: "0/5 nodes are available: 5 Insufficient cpu.", Nominated: true,
	}, got)
	pod.Labels["app"] = "changed"
	require.Equal(t, "api", got.Identity.Labels["app"], "the pod belongs to the cache")
}

// TestOfHeadroomsThatServeAPodAlikeTheFirstByNameMisses, so that it is always the same one.
func TestOfHeadroomsThatServeAPodAlikeTheFirstByNameMisses(t *testing.T) {
	var all []Headroom
	for _, name := range []types.NamespacedName{{Namespace: "b", Name: "a"}, {Namespace: "a", Name: "c"}, {Namespace: "a", Name: "b"}} {
		h := headroom(t, name.Name, nil, list("cpu", "1"))
		h.NamespacedName = name
		rule, err := entitlement.Compile(name, &v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{}})
		require.NoError(t, err)
		h.Rule = rule
		all = append(all, h)
	}
	for range all {
		all = append(all[1:], all[0])
		pod := &Pod{Identity: entitlement.Consumer{Namespace: "a"}, Requests: list("cpu", "1"), Told: epoch, Message: "Insufficient cpu"}
		miss, ok := Of(pod, all, func(types.NamespacedName) int { return 0 })
		require.True(t, ok)
		require.Equal(t, types.NamespacedName{Namespace: "a", Name: "b"}, miss.Headroom)
	}
}

func TestARequirementOfSeveralValuesIsOfEachOfThem(t *testing.T) {
	for _, value := range []string{"a", "b", "c"} {
		known := map[string]string{"pool": value}
		in := pools(corev1.NodeSelectorOpIn, "a", "b")[0].MatchExpressions[0]
		notIn := pools(corev1.NodeSelectorOpNotIn, "a", "b")[0].MatchExpressions[0]
		require.Equal(t, value == "c", contradicts(&in, known), value)
		require.Equal(t, value != "c", contradicts(&notIn, known), value)
	}
}
