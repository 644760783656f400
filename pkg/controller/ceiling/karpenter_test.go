package ceiling

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"
)

// object parses an object of Karpenter.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
	return o
}

// reader reads these objects, where Karpenter's definitions are installed.
func reader(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	for _, kind := range []string{"NodePool", "NodeClaim"} {
		scheme.AddKnownTypeWithName(nodeClaims.GroupVersion().WithKind(kind), &unstructured.Unstructured{})
		scheme.AddKnownTypeWithName(nodeClaims.GroupVersion().WithKind(kind+"List"), &unstructured.UnstructuredList{})
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&eventsv1.Event{}, "reason", func(o client.Object) []string { return []string{o.(*eventsv1.Event).Reason} }).Build()
}

const full = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: full}
spec:
  limits: {cpu: "8", memory: 64Gi}
  template:
    metadata: {labels: {pool: apps}}
    spec:
      requirements: [{key: topology.kubernetes.io/zone, operator: In, values: [a, b]}]
status:
  resources: {cpu: "7", memory: 28Gi, nodes: "2"}
`

func TestThePoolsAtTheirLimitsAreNamed(t *testing.T) {
	roomy := `{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: roomy}, spec: {limits: {cpu: "80"}}, status: {resources: {cpu: "7"}}}`
	nodes := `{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: few}, spec: {limits: {nodes: "2"}}, status: {resources: {nodes: "2"}}}`
	unlimited := `{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: unlimited}, spec: {}, status: {resources: {cpu: "700"}}}`
	live := reader(t, object(t, full), object(t, roomy), object(t, nodes), object(t, unlimited))
	for name, tc := range map[string]struct {
		selector map[string]string
		cpu      string
		want     string
	}{
		"all that have no room for one more":   {cpu: "2", want: "NodePool few has 2 of at most 2 nodes, NodePool full has 7 of at most 8 cpu"},
		"one more fits":                        {cpu: "1", want: "NodePool few has 2 of at most 2 nodes"},
		"units go to other nodes by a label":   {cpu: "2", selector: map[string]string{"pool": "gpus"}, want: "NodePool few has 2 of at most 2 nodes"},
		"units go to other nodes by the zone":  {cpu: "2", selector: map[string]string{"topology.kubernetes.io/zone": "c"}, want: "NodePool few has 2 of at most 2 nodes"},
		"units go to these nodes, by the zone": {cpu: "2", selector: map[string]string{"topology.kubernetes.io/zone": "b"}, want: "NodePool few has 2 of at most 2 nodes, NodePool full has 7 of at most 8 cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AtLimit(t.Context(), live, tc.selector, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(tc.cpu)})
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// TestWhatIsSaidOfPoolsIsInTheOrderOfNames: limits are a map, and pools come in any order, and a condition must not change with either.
func TestWhatIsSaidOfPoolsIsInTheOrderOfNames(t *testing.T) {
	two := corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("2Gi"), "example.com/gpu": resource.MustParse("2")}
	var a, b pool
	a.Metadata.Name, b.Metadata.Name = "a", "b"
	for _, p := range []*pool{&a, &b} {
		p.Spec.Limits, p.Status.Resources = two, corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}
	}
	a.Spec.Template.Metadata.Labels = map[string]string{"team": "web"}
	const each = "1 of at most 2 cpu and 1Gi of at most 2Gi memory"
	for range 20 {
		require.Equal(t, "NodePool a has "+each+", NodePool b has "+each, atLimit([]pool{b, a}, map[string]string{"team": "web"}, two))
	}
}

func TestAPoolWhoseNodesAreElsewhereIsNotNamed(t *testing.T) {
	const zone = "topology.kubernetes.io/zone"
	var p pool
	p.Metadata.Name, p.Spec.Limits = "few", corev1.ResourceList{"nodes": resource.MustParse("0")}
	p.Spec.Template.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: zone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"a"}}}
	require.Empty(t, atLimit([]pool{p}, map[string]string{zone: "a"}, nil))
	require.NotEmpty(t, atLimit([]pool{p}, map[string]string{zone: "b"}, nil))
	require.NotEmpty(t, atLimit([]pool{p}, map[string]string{"team": "a"}, nil), "it says nothing of that")
	for _, operator := range []corev1.NodeSelectorOperator{corev1.NodeSelectorOpExists, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt} {
		p.Spec.Template.Spec.Requirements[0].Operator = operator
		require.NotEmpty(t, atLimit([]pool{p}, map[string]string{zone: "b"}, nil), "%s contradicts nothing for sure", operator)
	}
}

func TestMostPoolsAreCounted(t *testing.T) {
	var p pool
	p.Spec.Limits = corev1.ResourceList{"nodes": resource.MustParse("0")}
	pools := []pool{p, p, p, p, p}
	for i := range pools {
		pools[i].Metadata.Name = string(rune('a' + i))
	}
	const three = "NodePool a has 0 of at most 0 nodes, NodePool b has 0 of at most 0 nodes, NodePool c has 0 of at most 0 nodes"
	for n, more := range map[int]string{3: "", 4: ", and so for 1 more", 5: ", and so for 2 more"} {
		require.Equal(t, three+more, atLimit(pools[:n], nil, nil))
	}
}

func TestWithoutKarpenterNothingIsSaidOfIt(t *testing.T) {
	none := interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return &meta.NoKindMatchError{GroupKind: nodePools.GroupKind()}
		},
	})
	got, err := AtLimit(t.Context(), none, nil, nil)
	require.NoError(t, err)
	require.Empty(t, got)
	gone := interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewNotFound(schema.GroupResource{Group: "karpenter.sh", Resource: "nodepools"}, "")
		},
	})
	got, err = AtLimit(t.Context(), gone, nil, nil)
	require.NoError(t, err, "its definitions were removed a moment ago")
	require.Empty(t, got)
	broken := interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("no answer")
		},
	})
	_, err = AtLimit(t.Context(), broken, nil, nil)
	require.ErrorContains(t, err, "listing NodePools: no answer")
}

func TestAMachineThatComesIsProgress(t *testing.T) {
	claim := object(t, `
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: default-x2v9p}
status:
  conditions:
  - {type: Launched, status: "True", reason: Launched, message: "", lastTransitionTime: "2026-01-01T00:09:00Z"}
  - {type: Registered, status: "False", reason: Waiting, message: "", lastTransitionTime: "2026-01-01T00:11:00Z"}
`)
	nominated := event("karpenter", "Nominated", "u", 3, func(e *eventsv1.Event) { e.Note = "Pod should schedule on: nodeclaim/default-x2v9p" })
	other := event("karpenter", "Nominated", "v", 3, func(e *eventsv1.Event) { e.Note = "Pod should schedule on: nodeclaim/default-gone" })
	live := reader(t, claim, nominated, other)

	said, err := Read(t.Context(), live, "shop", map[types.UID]bool{"u": true, "v": true})
	require.NoError(t, err)
	require.Equal(t, minute(9), said.Announced.UTC(), "later than the event")
	said, err = Read(t.Context(), live, "shop", map[types.UID]bool{"v": true})
	require.NoError(t, err)
	require.Equal(t, minute(3), said.Announced.UTC(), "the other unit waits for another node")
}

func TestAMachineThatWasNotLaunchedIsNoProgress(t *testing.T) {
	failed := object(t, `
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: default-x2v9p}
status:
  conditions:
  - {type: Launched, status: "False", reason: LaunchFailed, message: "", lastTransitionTime: "2026-01-01T00:09:00Z"}
`)
	earlier := object(t, `
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: default-early}
status:
  conditions:
  - {type: Launched, status: "True", reason: Launched, message: "", lastTransitionTime: "2026-01-01T00:01:00Z"}
`)
	for _, claim := range []string{"default-x2v9p", "default-early", "default-gone"} {
		nominated := event("karpenter", "Nominated", "u", 3, func(e *eventsv1.Event) { e.Note = "Pod should schedule on: nodeclaim/" + claim })
		said, err := Read(t.Context(), reader(t, failed, earlier, nominated), "shop", map[types.UID]bool{"u": true})
		require.NoError(t, err)
		require.Equal(t, minute(3), said.Announced.UTC(), "%s: when it was announced last", claim)
	}
}

func TestOfSeveralMachinesTheOneThatWasLaunchedLastIsTheProgress(t *testing.T) {
	machine := func(name, launched string) *unstructured.Unstructured {
		return object(t, `
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: `+name+`}
status:
  conditions:
  - {type: Launched, status: "True", reason: Launched, message: "", lastTransitionTime: "2026-01-01T00:`+launched+`:00Z"}
`)
	}
	live := reader(t, machine("default-a", "05"), machine("default-b", "09"), machine("default-c", "07"))
	for _, names := range [][]string{
		{"default-a", "default-b", "default-c"}, {"default-b", "default-a"}, {"default-c", "default-a", "default-b", "default-gone"},
	} {
		last, err := launched(t.Context(), live, names)
		require.NoError(t, err)
		require.Equal(t, minute(9), last.UTC(), names)
	}

	nominated := event("karpenter", "Nominated", "u", 3, func(e *eventsv1.Event) {
		e.Note = "Pod should schedule on: nodeclaim/default-a, nodeclaim/default-b"
	})
	again := event("karpenter", "Nominated", "u", 4, func(e *eventsv1.Event) { e.Note = "Pod should schedule on: nodeclaim/default-c" })
	live = reader(t, machine("default-a", "05"), machine("default-b", "07"), machine("default-c", "09"), nominated, again)
	said, err := Read(t.Context(), live, "shop", map[types.UID]bool{"u": true})
	require.NoError(t, err)
	require.Equal(t, []string{"default-a", "default-b", "default-c"}, said.claims)
	require.Equal(t, minute(9), said.Announced.UTC())
}

// TestAMachineIsReadOnceHoweverManyUnitsWaitForIt has a cluster without Karpenter in the end, one that forbids to read, and one that fails.
func TestAMachineIsReadOnceHoweverManyUnitsWaitForIt(t *testing.T) {
	nominated := []client.Object{}
	for i, unit := range []types.UID{"u", "v", "u"} {
		nominated = append(nominated, event("karpenter", "Nominated", unit, i, func(e *eventsv1.Event) {
			e.Note = "Pod should schedule on: nodeclaim/default-x2v9p, nodeclaim/default-x2v9p"
		}))
	}
	for name, tc := range map[string]struct {
		answer error
		says   string
	}{
		"there is no Karpenter":   {answer: &meta.NoKindMatchError{GroupKind: nodeClaims.GroupKind()}},
		"nobody may read it":      {answer: apierrors.NewForbidden(schema.GroupResource{Resource: "nodeclaims"}, "default-x2v9p", nil)},
		"the machine is gone":     {answer: apierrors.NewNotFound(schema.GroupResource{Resource: "nodeclaims"}, "default-x2v9p")},
		"the server has a defect": {answer: errors.New("no answer"), says: "reading NodeClaim default-x2v9p: no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			live := interceptor.NewClient(reader(t, nominated...).(client.WithWatch), interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					reads++
					return tc.answer
				},
			})
			said, err := Read(t.Context(), live, "shop", map[types.UID]bool{"u": true, "v": true})
			if tc.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.says)
			}
			require.Equal(t, 1, reads)
			require.Equal(t, minute(2), said.Announced.UTC())
		})
	}
}
