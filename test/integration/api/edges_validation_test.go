package api_test

import "strings"

const (
	wholeNumbers  = "requests of extended resources and huge pages must be whole numbers"
	namedRequests = "requests must name resources that a container can request"
	podOperators  = "podSelector.matchExpressions must have the operator In or NotIn"
	shapeOfWeb    = "shapeFrom: {apiVersion: apps/v1, kind: Deployment, name: web}\n"
)

// selected is a spec with these expressions in the pod selector and in the namespace selector.
func selected(pods, namespaces string) string {
	return requests + "consumers: {podSelector: {matchExpressions: [" + pods + "]}, namespaceSelector: {matchExpressions: [" + namespaces + "]}}"
}

// The cases of single conditions of rules, and of values just beside a bound.
var edgeVerdicts = []verdict{
	{name: "reserved units, and the default class spelt out", spec: requests + "reserved: true\nconsumers: {podSelector: {}}\npriorityClassName: headroom"},
	{name: "a resource of Kubernetes' own domain", spec: "requests: {kubernetes.io/batch: 1}", refused: namedRequests},
	{name: "local storage beside cpu", spec: "requests: {cpu: 1, ephemeral-storage: 1Gi}"},
	{name: "a fraction of a huge page", spec: "requests: {hugepages-2Mi: 1500m, memory: 1Gi}", refused: wholeNumbers},
	{name: "a fraction of a CPU and of a byte beside a device", spec: "requests: {cpu: 500m, memory: 1500m, nvidia.com/gpu: 1}"},
	{name: "huge pages with cpu", spec: "requests: {hugepages-2Mi: 4Mi, cpu: 1}"},
	{name: "a negative device", spec: "requests: {cpu: 1, nvidia.com/gpu: -1}", refused: "requests must not be negative"},

	{name: "limits of units that are made like pods of a workload", spec: shapeOfWeb + "limits: {cpu: 1}", refused: "limits must name resources that requests name"},
	{name: "a limit of resources for units that are made like pods of a workload", spec: shapeOfWeb + "sizing: {maxResources: {cpu: 9}, rules: [" + tenth + "]}"},
	{name: "a limit of local storage", spec: "requests: {ephemeral-storage: 1Gi}\nlimits: {ephemeral-storage: 1Gi}"},

	{name: "a label's value of 63 letters", spec: requests + "podLabels: {team: " + strings.Repeat("v", 63) + "}"},
	{name: "a label's key of 63 letters", spec: requests + "podLabels: {" + strings.Repeat("k", 63) + ": v}"},
	{name: "a label's key of 64 letters", spec: requests + "podLabels: {" + strings.Repeat("k", 64) + ": v}", refused: "podLabels must be valid labels"},
	{name: "a label of a domain like ours", spec: requests + "podLabels: {headroom.developers.example/x: team}"},
	{name: "any label of ours", spec: requests + "podLabels: {headroom.dev/any: x}", refused: "podLabels must not set the label headroom"},
	{
		name: "a deletion cost with zeros before it", spec: requests + "podAnnotations: {controller.kubernetes.io/pod-deletion-cost: '-0100000000'}",
		refused: "podAnnotations must not set a controller.kubernetes.io/pod-deletion-cost of -100000000 or less",
	},
	{name: "a high deletion cost", spec: requests + "podAnnotations: {controller.kubernetes.io/pod-deletion-cost: '100000000'}"},

	{name: "every operator", spec: selected(
		"{key: a, operator: In, values: [x]}, {key: b, operator: NotIn, values: [x]}, {key: c, operator: Exists}, {key: d, operator: DoesNotExist, values: []}",
		"{key: a, operator: In, values: [x]}, {key: b, operator: NotIn, values: [x]}, {key: c, operator: Exists, values: []}, {key: d, operator: DoesNotExist}")},
	{name: "NotIn without values", spec: selected("{key: a, operator: NotIn}", ""), refused: podOperators},
	{name: "In of none", spec: selected("{key: a, operator: In, values: []}", ""), refused: podOperators},
	{name: "Exists with values", spec: selected("{key: a, operator: Exists, values: [x]}", ""), refused: podOperators},
	{name: "DoesNotExist with values", spec: selected("{key: a, operator: DoesNotExist, values: [x]}", ""), refused: podOperators},
	{name: "one of two expressions without values", spec: selected("{key: a, operator: Exists}, {key: a, operator: In}", ""), refused: podOperators},
	{name: "an operator of namespaces without values", spec: selected("", "{key: a, operator: In}"), refused: "namespaceSelector.matchExpressions must have the operator In or NotIn"},
	{
		name: "an unknown operator of namespaces", spec: selected("", "{key: a, operator: Lt, values: ['1']}"),
		refused: "namespaceSelector.matchExpressions must have the operator In or NotIn",
	},

	{name: "a ladder of units that are not reserved, on any node", spec: requests + "ladder: Enabled\nreserved: false\nplacement: Cluster"},
	{name: "no ladder of reserved units", spec: requests + "ladder: Disabled\nreserved: true\nconsumers: {podSelector: {}}"},
	{name: "sizing and refill where there is no unit for each node", spec: refilled("ttl: 1s") + "\nplacement: Cluster\nsizing: {rules: [" + tenth + "]}"},

	{name: "a delay of a fraction", spec: refilled("delay: 1m30.5s")},
	{name: "no text as a delay", spec: refilled("delay: ''"), refused: wrongDelay},
	{name: "a second to live", spec: refilled("ttl: 1s")},
	{name: "a time to live without a unit", spec: refilled("ttl: '30'"), refused: wrongTTL},
	{name: "parked after no text", spec: refilled("parkAfter: ''"), refused: wrongPark},

	{name: "the longest history", spec: learned("history: 360h")},
	{name: "a history of less than an hour", spec: learned("history: 59m59s"), refused: wrongHistory},
	{name: "a share with two decimals below 60", spec: learned("served: '59.99'")},
	{name: "no lead", spec: scheduled("start: '08:00', end: '19:00', lead: 0s, replicas: 1")},
	{name: "a lead of a second more than twelve hours", spec: scheduled("start: '08:00', end: '19:00', lead: 12h1s, replicas: 1"), refused: wrongLead},
	{name: "the last minute of a day", spec: scheduled("start: '23:59', end: '23:58', replicas: 1")},
	{name: "a start at a minute that is none", spec: scheduled("start: '08:60', end: '19:00', replicas: 1"), refused: wrongStart},
	{name: "an end at a minute that is none", spec: scheduled("start: '08:00', end: '19:60', replicas: 1"), refused: wrongEnd},
	{name: "an end at an hour that is none", spec: scheduled("start: '08:00', end: '25:00', replicas: 1"), refused: wrongEnd},
	{name: "a target with a name of a domain", spec: targeted("apiVersion: apps/v1, kind: Deployment, name: web.eu-1.example")},
	{name: "a target of a version in capitals", spec: targeted("apiVersion: Apps/V1, kind: Deployment, name: web"), refused: wrongAPIVersion},
}
