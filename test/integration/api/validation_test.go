package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// verdict is a case of validation: what the API server says about a Headroom.
type verdict struct {
	name     string
	headroom string // metadata.name; empty: example
	spec     string
	// refused is part of the message; empty: accepted.
	refused string
}

const requests = "requests: {cpu: 1}\n"

// many is n times a line, with %d as its number.
func many(n int, line string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line+"\n", i)
	}
	return b.String()
}

// Every rule and bound of the CRD has cases on both sides here; TestEveryRuleAndBoundIsTried sees to it.
var verdicts = []verdict{
	{name: "a name of 63 characters", headroom: strings.Repeat("n", 63), spec: requests},
	{
		name: "a name of 64 characters", headroom: strings.Repeat("n", 64), spec: requests,
		refused: "metadata.name must have at most 63 characters",
	},
	{
		name: "a name of 253 characters", headroom: strings.Repeat("n", 253), spec: requests,
		refused: "metadata.name must have at most 63 characters",
	},
	{name: "a name with dots", headroom: "web.eu-1.example", spec: requests},

	{name: "no replicas at all", spec: requests + "replicas: 0"},
	{name: "most replicas", spec: requests + "replicas: 10000"},
	{
		name:    "too many replicas",
		spec:    requests + "replicas: 10001",
		refused: "spec.replicas: Invalid value: 10001: spec.replicas in body should be less than or equal to 10000",
	},
	{name: "a million replicas", spec: requests + "replicas: 1000000", refused: "should be less than or equal to 10000"},
	{name: "negative replicas", spec: requests + "replicas: -1", refused: "spec.replicas in body should be greater than or equal to 0"},

	{name: "reserved units for pods by their labels", spec: requests + "reserved: true\nconsumers: {podSelector: {matchLabels: {app: web}}}"},
	{name: "reserved units for a namespace", spec: requests + "reserved: true\nconsumers: {namespaceSelector: {}}\npriorityClassName: headroom-reserved"},
	{name: "reserved units for everybody", spec: requests + "reserved: true", refused: "consumers must have a podSelector or a namespaceSelector with reserved"},
	{
		name: "reserved units for pods from a priority on", spec: requests + "reserved: true\nconsumers: {minPriority: 10}",
		refused: "consumers must have a podSelector or a namespaceSelector with reserved",
	},
	{
		name: "reserved units of another class", spec: requests + "reserved: true\nconsumers: {podSelector: {}}\npriorityClassName: high",
		refused: "priorityClassName must be absent with reserved",
	},
	{name: "units that are not reserved, for everybody", spec: requests + "reserved: false\npriorityClassName: high"},

	{name: "no spec", spec: "", refused: "spec: Required value"},
	{name: "no requests", spec: "replicas: 1", refused: "exactly one of requests and shapeFrom must be set"},
	{name: "the shape of a workload", spec: "shapeFrom: {apiVersion: apps/v1, kind: Deployment, name: web}"},
	{
		name: "the shape of a workload and requests", spec: requests + "shapeFrom: {apiVersion: apps/v1, kind: Deployment, name: web}",
		refused: "exactly one of requests and shapeFrom must be set",
	},
	{name: "empty requests", spec: "requests: {}", refused: "spec.requests in body should have at least 1 properties"},
	{name: "12 resources", spec: "requests:\n" + many(12, "  example.com/r%d: 1")},
	{
		name:    "13 resources",
		spec:    "requests:\n" + many(13, "  example.com/r%d: 1"),
		refused: "spec.requests: Too many: 13: must have at most 12 items",
	},
	{name: "requests in all notations", spec: `requests: {cpu: 1, memory: "1073741824", ephemeral-storage: 1.5Gi, nvidia.com/gpu: "2"}`},
	{name: "requests that are no quantity", spec: "requests: {cpu: lots}", refused: "spec.requests.cpu in body should match"},
	{name: "a request of zero beside others", spec: "requests: {cpu: 0, memory: 1Gi}"},
	{name: "requests of zero", spec: "requests: {cpu: 0, memory: 0Gi}", refused: "requests must have at least one resource above zero"},
	{name: "negative requests", spec: "requests: {cpu: 1, memory: -1Gi}", refused: "requests must not be negative"},
	{name: "an extended resource", spec: "requests: {nvidia.com/gpu: 1}"},
	{
		name: "an unknown resource", spec: "requests: {cpus: 1}",
		refused: "requests must name resources that a container can request",
	},
	{name: "the pods of a node", spec: "requests: {pods: 1}", refused: "requests must name resources that a container can request"},
	{
		name:    "a resource of a quota",
		spec:    "requests: {requests.nvidia.com/gpu: 1}",
		refused: "requests must name resources that a container can request",
	},
	{
		name:    "a malformed extended resource",
		spec:    "requests: {nvidia.com/a/b: 1}",
		refused: "requests must name resources that a container can request",
	},
	{
		name:    "a fraction of an extended resource",
		spec:    "requests: {nvidia.com/gpu: 500m}",
		refused: "requests of extended resources and huge pages must be whole numbers",
	},
	{name: "huge pages with memory", spec: "requests: {hugepages-2Mi: 4Mi, memory: 1Gi}"},
	{name: "huge pages alone", spec: "requests: {hugepages-2Mi: 4Mi}", refused: "requests of huge pages need cpu or memory"},

	{name: "placement PerNode", spec: requests + "placement: PerNode"},
	{
		name:    "an unknown placement",
		spec:    requests + "placement: Everywhere",
		refused: `spec.placement: Unsupported value: "Everywhere": supported values: "Cluster", "PerNode"`,
	},
	{name: "PerNode with the replicas that are the default", spec: requests + "placement: PerNode\nreplicas: 1"},
	{
		name: "PerNode with more replicas", spec: requests + "placement: PerNode\nreplicas: 2",
		refused: "replicas must be 1, the default, with placement PerNode",
	},
	{name: "PerNode with none", spec: requests + "placement: PerNode\nreplicas: 0", refused: "replicas must be 1, the default, with placement PerNode"},
	{name: "PerNode with an empty list of spread constraints", spec: requests + "placement: PerNode\ntopologySpreadConstraints: []"},
	{
		name:    "PerNode with spread constraints",
		spec:    requests + "placement: PerNode\ntopologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]",
		refused: "topologySpreadConstraints must be absent with placement PerNode",
	},

	{name: "a priority class", spec: requests + "priorityClassName: spare"},
	{
		name:    "an empty priority class",
		spec:    requests + `priorityClassName: ""`,
		refused: "spec.priorityClassName in body should be at least 1 chars long",
	},
	{name: "the longest priority class", spec: requests + "priorityClassName: " + strings.Repeat("p", 253)},
	{
		name:    "a priority class too long",
		spec:    requests + "priorityClassName: " + strings.Repeat("p", 254),
		refused: "spec.priorityClassName: Too long: may not be more than 253 bytes",
	},
	{name: "a runtime class", spec: requests + "runtimeClassName: gvisor"},
	{
		name:    "an empty runtime class",
		spec:    requests + `runtimeClassName: ""`,
		refused: "spec.runtimeClassName in body should be at least 1 chars long",
	},
	{
		name:    "a runtime class too long",
		spec:    requests + "runtimeClassName: " + strings.Repeat("r", 254),
		refused: "spec.runtimeClassName: Too long: may not be more than 253 bytes",
	},
	{name: "no scheduler's name", spec: requests + `schedulerName: ""`, refused: "spec.schedulerName in body should be at least 1 chars long"},
	{name: "no image's name", spec: requests + `image: ""`, refused: "spec.image in body should be at least 1 chars long"},
	{name: "a scheduler", spec: requests + "schedulerName: headroom-scheduler"},
	{
		name:    "a scheduler's name too long",
		spec:    requests + "schedulerName: " + strings.Repeat("s", 254),
		refused: "spec.schedulerName: Too long: may not be more than 253 bytes",
	},
	{name: "an image", spec: requests + "image: registry.example/pause@sha256:" + strings.Repeat("0", 64)},
	{
		name:    "an image's name too long",
		spec:    requests + "image: " + strings.Repeat("i", 1025),
		refused: "spec.image: Too long: may not be more than 1024 bytes",
	},

	{name: "64 node labels", spec: requests + "nodeSelector:\n" + many(64, "  l%d: x")},
	{
		name:    "65 node labels",
		spec:    requests + "nodeSelector:\n" + many(65, "  l%d: x"),
		refused: "spec.nodeSelector: Too many: 65: must have at most 64 items",
	},
	{name: "64 tolerations", spec: requests + "tolerations:\n" + many(64, "- {key: t%d, operator: Exists}")},
	{
		name:    "65 tolerations",
		spec:    requests + "tolerations:\n" + many(65, "- {key: t%d, operator: Exists}"),
		refused: "spec.tolerations: Too many: 65: must have at most 64 items",
	},
	{
		name: "16 spread constraints",
		spec: requests + "topologySpreadConstraints:\n" + many(16, "- {maxSkew: 1, topologyKey: k%d, whenUnsatisfiable: DoNotSchedule}"),
	},
	{
		name:    "17 spread constraints",
		spec:    requests + "topologySpreadConstraints:\n" + many(17, "- {maxSkew: 1, topologyKey: k%d, whenUnsatisfiable: DoNotSchedule}"),
		refused: "spec.topologySpreadConstraints: Too many: 17: must have at most 16 items",
	},
	{name: "16 pull secrets", spec: requests + "imagePullSecrets:\n" + many(16, "- {name: s%d}")},
	{
		name:    "17 pull secrets",
		spec:    requests + "imagePullSecrets:\n" + many(17, "- {name: s%d}"),
		refused: "spec.imagePullSecrets: Too many: 17: must have at most 16 items",
	},

	{name: "labels", spec: requests + "podLabels: {team: search, example.com/tier: spare, empty: ''}"},
	{
		name:    "the reserved label of OpenFaaS",
		spec:    requests + "podLabels: {headroom: other}",
		refused: "podLabels must not set the label headroom",
	},
	{
		name:    "a reserved label",
		spec:    requests + "podLabels: {headroom.dev/headroom: other}",
		refused: "podLabels must not set the label headroom",
	},
	{name: "a label key with a space", spec: requests + "podLabels: {two words: team}", refused: "podLabels must be valid labels"},
	{
		name:    "a label value too long",
		spec:    requests + "podLabels: {team: " + strings.Repeat("v", 64) + "}",
		refused: "podLabels must be valid labels",
	},
	{name: "64 labels", spec: requests + "podLabels:\n" + many(64, "  l%d: x")},
	{
		name:    "65 labels",
		spec:    requests + "podLabels:\n" + many(65, "  l%d: x"),
		refused: "spec.podLabels: Too many: 65: must have at most 64 items",
	},

	{name: "annotations", spec: requests + "podAnnotations: {example.com/Note: 'any text, of any length'}"},
	{
		name: "a reserved annotation", spec: requests + "podAnnotations: {headroom.dev/template-hash: x}",
		refused: "podAnnotations must not set cluster-autoscaler.kubernetes.io/safe-to-evict",
	},
	{
		name: "not safe to evict", spec: requests + "podAnnotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'}",
		refused: "podAnnotations must not set cluster-autoscaler.kubernetes.io/safe-to-evict",
	},
	{
		name: "an annotation key with a space", spec: requests + "podAnnotations: {two words: x}",
		refused: "podAnnotations must have valid keys",
	},
	{name: "a low deletion cost", spec: requests + "podAnnotations: {controller.kubernetes.io/pod-deletion-cost: '-99999999'}"},
	{
		name: "a deletion cost with which Karpenter deletes the node", spec: requests + "podAnnotations: {controller.kubernetes.io/pod-deletion-cost: '-100000000'}",
		refused: "podAnnotations must not set a controller.kubernetes.io/pod-deletion-cost of -100000000 or less",
	},
	{name: "64 annotations", spec: requests + "podAnnotations:\n" + many(64, "  a%d: x")},
	{
		name:    "65 annotations",
		spec:    requests + "podAnnotations:\n" + many(65, "  a%d: x"),
		refused: "spec.podAnnotations: Too many: 65: must have at most 64 items",
	},

	{name: "limits at and above the requests", spec: "requests: {cpu: '1', memory: 1Gi}\nlimits: {cpu: 2500m, memory: 1Gi}\n"},
	{
		name: "four limits", spec: "requests: {cpu: 1}\nlimits: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi, example.com/x: 1}\n",
		refused: "spec.limits: Too many: 4: must have at most 3 items",
	},
	{
		name: "a limit below the request", spec: "requests: {cpu: '1', memory: 1Gi}\nlimits: {memory: 1023Mi}\n",
		refused: "limits must not be below requests",
	},
	{
		name: "a limit of what is not requested", spec: "requests: {cpu: 1}\nlimits: {memory: 1Gi}\n",
		refused: "limits must name resources that requests name",
	},
	{
		name: "a limit of devices", spec: "requests: {nvidia.com/gpu: 1}\nlimits: {nvidia.com/gpu: 1}\n",
		refused: "limits must name cpu, memory or ephemeral-storage",
	},

	{name: "pods that never preempt as consumers", spec: requests + "consumers: {nonPreempting: Allow}"},
	{name: "an unknown answer about them", spec: requests + "consumers: {nonPreempting: Maybe}", refused: "spec.consumers.nonPreempting"},
	{name: "consumers by labels, namespace and priority", spec: requests + `consumers:
  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}, {key: x, operator: Exists}]}
  namespaceSelector: {matchLabels: {team: search}, matchExpressions: [{key: env, operator: NotIn, values: [test]}]}
  minPriority: 1000`},
	{name: "empty selectors", spec: requests + "consumers: {podSelector: {}, namespaceSelector: {}}"},
	{name: "no restriction", spec: requests + "consumers: {}"},
	{
		name: "an operator without values", spec: requests + "consumers: {podSelector: {matchExpressions: [{key: app, operator: In}]}}",
		refused: "podSelector.matchExpressions must have the operator In or NotIn",
	},
	{
		name: "an unknown operator", spec: requests + "consumers: {podSelector: {matchExpressions: [{key: app, operator: Gt, values: ['1']}]}}",
		refused: "podSelector.matchExpressions must have the operator In or NotIn",
	},
	{
		name: "an operator with values too many", spec: requests + "consumers: {namespaceSelector: {matchExpressions: [{key: team, operator: Exists, values: [a]}]}}",
		refused: "namespaceSelector.matchExpressions must have the operator In or NotIn",
	},
	{
		name:    "a minimal priority out of range",
		spec:    requests + "consumers: {minPriority: 2147483648}",
		refused: "spec.consumers.minPriority",
	},

	{
		name:    "units with ResourceClaims of their own",
		spec:    requests + "resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]",
		refused: `unknown field "spec.resourceClaims"`,
	},

	{name: "a misspelt field", spec: requests + "replica: 1", refused: `unknown field "spec.replica"`},
}

func TestValidation(t *testing.T) {
	c, cl := apiServer(t)
	namespace := clustertest.Namespace(t, c, nil)
	for _, tc := range slices.Concat(verdicts, sizingVerdicts, refillVerdicts, ladderVerdicts, edgeVerdicts) {
		t.Run(tc.name, func(t *testing.T) {
			err := tryCreate(t.Context(), cl, headroom(t, namespace, tc.headroom, tc.spec))
			if tc.refused == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.refused)
		})
	}
}

func TestPlacementCannotBeChanged(t *testing.T) {
	c, cl := apiServer(t)
	obj := headroom(t, clustertest.Namespace(t, c, nil), "", requests)
	require.NoError(t, cl.Create(t.Context(), obj))

	obj.Object["spec"].(map[string]any)["placement"] = "PerNode"
	require.ErrorContains(t, cl.Update(t.Context(), obj), placementRule)

	obj.Object["spec"].(map[string]any)["placement"] = "Cluster"
	obj.Object["spec"].(map[string]any)["replicas"] = int64(2)
	require.NoError(t, cl.Update(t.Context(), obj))
}

const placementRule = "placement cannot be changed; make another Headroom instead"

// A rule or bound that comes new into the CRD, and is not tried by a case, fails here.
func TestEveryRuleAndBoundIsTried(t *testing.T) {
	schema := crdSchema(t)

	refusals := []string{placementRule}
	for _, tc := range slices.Concat(verdicts, sizingVerdicts, refillVerdicts, ladderVerdicts, edgeVerdicts) {
		refusals = append(refusals, tc.refused)
	}
	tried := func(part string) bool {
		return slices.ContainsFunc(refusals, func(r string) bool { return strings.Contains(r, part) })
	}
	for _, rule := range rules(*schema) {
		met := slices.ContainsFunc(refusals, func(r string) bool { return len(r) > 20 && strings.Contains(rule, r) })
		assert.True(t, met, "no case is refused with %q", rule)
	}
	for field, s := range schema.Properties["spec"].Properties {
		for bound, set := range bounds(s) {
			assert.True(t, !set || tried("spec."+field+bound), "no case breaks a bound of spec.%s (%s)", field, bound)
		}
	}
}

// rules are the messages of all validation rules.
func rules(schema apiextensionsv1.JSONSchemaProps) []string {
	var messages []string
	for _, rule := range schema.XValidations {
		messages = append(messages, rule.Message)
	}
	for _, property := range schema.Properties {
		messages = append(messages, rules(property)...)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		messages = append(messages, rules(*schema.Items.Schema)...)
	}
	return messages
}

// bounds says which bounds are set, by the beginning of what the API server says about values beyond.
func bounds(s apiextensionsv1.JSONSchemaProps) map[string]bool {
	return map[string]bool{
		" in body should be less than or equal to":    s.Maximum != nil,
		" in body should be greater than or equal to": s.Minimum != nil,
		" in body should be at least":                 s.MinLength != nil,
		" in body should have at least":               s.MinProperties != nil,
		": Too long":                                  s.MaxLength != nil,
		": Too many":                                  s.MaxItems != nil || s.MaxProperties != nil,
		": Unsupported value":                         s.Enum != nil,
	}
}
