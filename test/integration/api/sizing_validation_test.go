package api_test

import "strings"

// sized is a spec with these fields of sizing beside the rules, one of which is there.
func sized(fields string) string { return requests + "sizing:\n  rules: [" + tenth + "]\n  " + fields }

// ruled is a spec with these rules of sizing.
func ruled(rules string) string { return requests + "sizing: {max: 40, rules: [" + rules + "]}" }

// scheduled is a spec with a schedule of these fields.
func scheduled(fields string) string { return ruled("{name: it, schedule: {" + fields + "}}") }

// learned is a spec with a rule of demand of these fields.
func learned(fields string) string { return ruled("{name: it, demand: {" + fields + "}}") }

// targeted is a spec with a percentage of a target of these fields.
func targeted(fields string) string {
	return ruled("{name: it, percentOf: {percent: 10, target: {" + fields + "}}}")
}

const (
	toWeb = "target: {apiVersion: apps/v1, kind: Deployment, name: web}"
	tenth = "{name: tenth, percentOf: {percent: 10, " + toWeb + "}}"
	top   = "{name: top, upToMaxReplicasOf: {" + toWeb + "}}"

	exactlyOneRule  = "a rule must have exactly one of percentOf, upToMaxReplicasOf, schedule and demand"
	exactlyOneBase  = "percentOf must have exactly one of target and pods"
	ownNamespace    = "name must be that of an object in the Headroom's own namespace, without the namespace"
	wrongAPIVersion = "apiVersion must be a version, after a group and '/' unless the group is the core, such as apps/v1"
	wrongRuleName   = "name of a rule must be a DNS label: lower case letters, digits and '-'"
	wrongStart      = "start must be a time of day from 00:00 to 23:59"
	wrongEnd        = "end must be a time of day from 00:00 to 24:00"
	wrongLead       = "lead must be from 0s to 12h"
	wrongServed     = "served must be a share in percent from 50 to 99.999, with at most three decimals, such as '99.9'"
	wrongHistory    = "history must be from 1h to 360h"
	wrongWindow     = "stabilizationWindow must be from 0s to 24h"
)

// The cases of spec.sizing, beside those of verdicts.
var sizingVerdicts = []verdict{
	{name: "all of sizing", spec: `replicas: 2
requests: {cpu: 1}
sizing:
  mode: Advise
  max: 40
  maxResources: {cpu: 60, memory: 1Ti}
  scaleDown: {stabilizationWindow: 1h30m}
  rules:
  - ` + tenth + `
  - {name: by-requests, percentOf: {percent: 1000, by: Requests, pods: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a]}]}}}
  - ` + top + `
  - {name: office, schedule: {days: [Mon, Tue, Wed, Thu, Fri], start: "08:00", end: "19:00", timeZone: Europe/Berlin, lead: 10m, replicas: 20}}
  - {name: night, schedule: {start: "22:00", end: "06:00", replicas: 10000}}
  - {name: rockets, percentOf: {percent: 1, target: {apiVersion: example.com/v1alpha1, kind: Rocket, name: web.eu-1}}}
  - {name: learned, demand: {served: "99.99", history: 168h, season: Day, timeZone: Europe/Berlin}}`},
	{name: "no rules", spec: requests + "sizing: {rules: []}", refused: "spec.sizing.rules in body should have at least 1 items"},
	{name: "sizing of nothing", spec: requests + "sizing: {max: 1}", refused: "spec.sizing.rules: Required value"},
	{name: "eight rules", spec: requests + "sizing:\n  rules:\n" + many(8, "  - {name: r%d, schedule: {start: '08:00', end: '09:00', replicas: 1}}")},
	{
		name: "nine rules", spec: requests + "sizing:\n  rules:\n" + many(9, "  - {name: r%d, schedule: {start: '08:00', end: '09:00', replicas: 1}}"),
		refused: "spec.sizing.rules: Too many: 9: must have at most 8 items",
	},
	{name: "two rules of one name", spec: ruled(tenth + "," + tenth), refused: `spec.sizing.rules[1]: Duplicate value: {"name":"tenth"}`},
	{name: "a rule without a name", spec: ruled("{schedule: {start: '08:00', end: '09:00', replicas: 1}}"), refused: "spec.sizing.rules[0].name: Required value"},
	{name: "a rule's name in capitals", spec: ruled("{name: Office, schedule: {start: '08:00', end: '09:00', replicas: 1}}"), refused: wrongRuleName},
	{name: "a rule that says nothing", spec: ruled("{name: it}"), refused: exactlyOneRule},
	{
		name: "a rule that says two things", spec: ruled("{name: it, upToMaxReplicasOf: {" + toWeb + "}, schedule: {start: '08:00', end: '09:00', replicas: 1}}"),
		refused: exactlyOneRule,
	},
	{name: "an unknown mode", spec: sized("mode: Guess"), refused: "spec.sizing.mode: Unsupported value"},

	{name: "sizing with PerNode", spec: sized("max: 3") + "\nplacement: PerNode", refused: "sizing must be absent with placement PerNode"},
	{name: "a maximum of none", spec: sized("max: 0") + "\nreplicas: 0"},
	{name: "a maximum of the floor", spec: sized("max: 3") + "\nreplicas: 3"},
	{name: "a maximum below the floor", spec: sized("max: 3") + "\nreplicas: 4", refused: "sizing.max must not be below replicas"},
	{name: "a maximum below the default of the floor", spec: sized("max: 0"), refused: "sizing.max must not be below replicas"},
	{name: "a negative maximum", spec: sized("max: -1"), refused: "spec.sizing.max in body should be greater than or equal to 0"},
	{name: "a maximum too large", spec: sized("max: 10001"), refused: "spec.sizing.max in body should be less than or equal to 10000"},
	{name: "resources that units do not have", spec: sized("maxResources: {memory: 1Ti}"), refused: "sizing.maxResources must have a resource of requests"},
	{name: "a negative limit", spec: sized("maxResources: {cpu: -1}"), refused: "maxResources must not be negative"},
	{name: "up to the maximum without a limit", spec: requests + "sizing: {rules: [" + top + "]}", refused: "sizing with upToMaxReplicasOf must have max or maxResources"},
	{name: "up to the maximum with a limit of resources", spec: requests + "sizing: {maxResources: {cpu: 9}, rules: [" + top + "]}"},

	{name: "demand", spec: learned("")},
	{name: "demand and something else", spec: ruled("{name: it, demand: {}, upToMaxReplicasOf: {" + toWeb + "}}"), refused: exactlyOneRule},
	{
		name: "demand without a limit", spec: requests + "sizing: {rules: [{name: it, demand: {}}]}",
		refused: "sizing with demand must have max or maxResources: what pods ask for must not be the only limit",
	},
	{name: "demand with a limit of resources", spec: requests + "sizing: {maxResources: {cpu: 9}, rules: [{name: it, demand: {}}]}"},
	{name: "demand with PerNode", spec: learned("") + "\nplacement: PerNode", refused: "sizing must be absent with placement PerNode"},
	{name: "half of the demand", spec: learned("served: '50'")},
	{name: "less than half of the demand", spec: learned("served: '49.9'"), refused: wrongServed},
	{name: "all of the demand", spec: learned("served: '100'"), refused: wrongServed},
	{name: "nearly all of the demand", spec: learned("served: '99.999'")},
	{name: "more nearly all of the demand", spec: learned("served: '99.9999'"), refused: "Too long: may not be more than 6 bytes"},
	{name: "a share that is a number", spec: learned("served: 99.9"), refused: "served in body must be of type string"},
	{name: "a share with a sign", spec: learned("served: '99%'"), refused: wrongServed},
	{name: "a history of an hour", spec: learned("history: 1h")},
	{name: "a history of no time", spec: learned("history: 0s"), refused: wrongHistory},
	{name: "a history longer than accounts are", spec: learned("history: 360h1s"), refused: wrongHistory},
	{name: "a history in days", spec: learned("history: 7d"), refused: wrongHistory},
	{name: "an unknown season", spec: learned("season: Month"), refused: "demand.season: Unsupported value"},

	{name: "a window of zero", spec: sized("scaleDown: {stabilizationWindow: 0s}")},
	{name: "a window of a day", spec: sized("scaleDown: {stabilizationWindow: 24h}")},
	{name: "a window of more than a day", spec: sized("scaleDown: {stabilizationWindow: 24h1s}"), refused: wrongWindow},
	{name: "a window of a year", spec: sized("scaleDown: {stabilizationWindow: 8760h}"), refused: wrongWindow},
	{name: "a window of a year in years", spec: sized("scaleDown: {stabilizationWindow: 1y}"), refused: wrongWindow},
	{name: "a window that is longer than durations can be", spec: sized("scaleDown: {stabilizationWindow: 9999999999h}"), refused: wrongWindow},
	{name: "a negative window", spec: sized("scaleDown: {stabilizationWindow: -5m}"), refused: wrongWindow},
	{name: "a window without a unit", spec: sized("scaleDown: {stabilizationWindow: '300'}"), refused: wrongWindow},
	{name: "a window that is empty", spec: sized("scaleDown: {stabilizationWindow: ''}"), refused: wrongWindow},

	{name: "no percent", spec: ruled("{name: it, percentOf: {percent: 0, " + toWeb + "}}"), refused: "percent in body should be greater than or equal to 1"},
	{name: "absurdly much", spec: ruled("{name: it, percentOf: {percent: 1001, " + toWeb + "}}"), refused: "percent in body should be less than or equal to 1000"},
	{name: "a percentage of nothing", spec: ruled("{name: it, percentOf: {percent: 1}}"), refused: exactlyOneBase},
	{name: "a percentage of two things", spec: ruled("{name: it, percentOf: {percent: 1, pods: {}, " + toWeb + "}}"), refused: exactlyOneBase},
	{name: "a percentage of all pods", spec: ruled("{name: it, percentOf: {percent: 1, pods: {}}}")},
	{name: "a percentage by volume", spec: ruled("{name: it, percentOf: {percent: 1, by: Volume, pods: {}}}"), refused: "percentOf.by: Unsupported value"},

	{name: "a target of the core group", spec: targeted("apiVersion: v1, kind: ReplicationController, name: web")},
	{name: "a target of no version", spec: targeted("apiVersion: apps, kind: Deployment, name: web"), refused: wrongAPIVersion},
	{name: "a target without a kind", spec: targeted("apiVersion: apps/v1, name: web"), refused: "target.kind: Required value"},
	{name: "a target without a name", spec: targeted("apiVersion: apps/v1, kind: Deployment"), refused: "target.name: Required value"},
	{name: "a target in another namespace, by a field", spec: targeted("apiVersion: apps/v1, kind: Deployment, name: web, namespace: other"), refused: "unknown field"},
	{name: "a target in another namespace, by its name", spec: targeted("apiVersion: apps/v1, kind: Deployment, name: other/web"), refused: ownNamespace},

	{name: "a schedule over midnight", spec: scheduled("start: '19:00', end: '08:00', replicas: 1")},
	{name: "a whole day", spec: scheduled("start: '00:00', end: '24:00', replicas: 1")},
	{name: "a schedule of no time", spec: scheduled("start: '08:00', end: '08:00', replicas: 1"), refused: "start and end of a schedule must differ"},
	{name: "a start that is no time of day", spec: scheduled("start: '24:00', end: '08:00', replicas: 1"), refused: wrongStart},
	{name: "a start in the evening of America", spec: scheduled("start: '8 pm', end: '08:00', replicas: 1"), refused: "start in body should be at least 5 chars long"},
	{name: "an end that is no time of day", spec: scheduled("start: '08:00', end: '24:01', replicas: 1"), refused: wrongEnd},
	{name: "an end with seconds", spec: scheduled("start: '08:00', end: '19:00:00', replicas: 1"), refused: "Too long: may not be more than 5 bytes"},
	{name: "no end", spec: scheduled("start: '08:00', replicas: 1"), refused: "schedule.end: Required value"},
	{name: "a day by its full name", spec: scheduled("days: [Monday], start: '08:00', end: '19:00', replicas: 1"), refused: `Unsupported value: "Monday"`},
	{name: "a day twice", spec: scheduled("days: [Mon, Mon], start: '08:00', end: '19:00', replicas: 1"), refused: "Duplicate value"},
	{name: "no day", spec: scheduled("days: [], start: '08:00', end: '19:00', replicas: 1"), refused: "days in body should have at least 1 items"},
	{name: "a lead of twelve hours", spec: scheduled("start: '08:00', end: '19:00', lead: 12h, replicas: 1")},
	{name: "a lead of a day", spec: scheduled("start: '08:00', end: '19:00', lead: 24h, replicas: 1"), refused: wrongLead},
	{name: "a negative lead", spec: scheduled("start: '08:00', end: '19:00', lead: -1m, replicas: 1"), refused: wrongLead},
	{name: "a schedule of no units", spec: scheduled("start: '08:00', end: '19:00', replicas: 0"), refused: "replicas in body should be greater than or equal to 1"},
	{name: "a schedule of absurdly many units", spec: scheduled("start: '08:00', end: '19:00', replicas: 10001"), refused: "replicas in body should be less than or equal to 10000"},
	{name: "no time zone", spec: scheduled("start: '08:00', end: '19:00', timeZone: '', replicas: 1"), refused: "timeZone in body should be at least 1 chars long"},
	{
		name: "a time zone too long", spec: scheduled("start: '08:00', end: '19:00', replicas: 1, timeZone: " + strings.Repeat("z", 65)),
		refused: "Too long: may not be more than 64 bytes",
	},
}
