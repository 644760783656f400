package api_test

// refilled is a spec with these fields of refill.
func refilled(fields string) string { return requests + "refill: {" + fields + "}" }

const (
	wrongDelay    = "delay must be from 0s to 1h"
	wrongPark     = "parkAfter must be from 30s to 24h, and should be longer than a node takes to come"
	wrongTTL      = "ttl must be from 1s to 8760h"
	noneMayWait   = "maxPending must be at least 1: with none that may wait for room, no unit could ever be made; scale replicas to 0 to hold nothing"
	refillPerNode = "refill must be absent with placement PerNode"
	onceSized     = "refill.policy must not be Once with sizing"
)

// The cases of spec.refill, beside those of verdicts.
var refillVerdicts = []verdict{
	{name: "all of refill", spec: refilled("policy: Once, delay: 30s, maxPending: 10, ttl: 12h")},
	{name: "a refill that says nothing", spec: refilled("")},
	{name: "an unknown policy", spec: refilled("policy: Never"), refused: "spec.refill.policy: Unsupported value"},
	{name: "no delay", spec: refilled("delay: 0s")},
	{name: "the longest delay", spec: refilled("delay: 60m")},
	{name: "a delay that is too long", spec: refilled("delay: 1h1s"), refused: wrongDelay},
	{name: "a negative delay", spec: refilled("delay: -1s"), refused: wrongDelay},
	{name: "a delay without a unit", spec: refilled("delay: '30'"), refused: wrongDelay},
	{name: "a delay that is a number", spec: refilled("delay: 30"), refused: "spec.refill.delay"},
	{name: "one may wait", spec: refilled("maxPending: 1")},
	{name: "none may wait", spec: refilled("maxPending: 0"), refused: noneMayWait},
	{name: "fewer than none may wait", spec: refilled("maxPending: -1"), refused: noneMayWait},
	{name: "very many may wait", spec: refilled("maxPending: 10000")},
	{name: "too many may wait", spec: refilled("maxPending: 10001"), refused: "spec.refill.maxPending in body should be less than or equal to 10000"},
	{name: "parked after ten minutes", spec: refilled("parkAfter: 10m")},
	{name: "parked soonest", spec: refilled("parkAfter: 30s")},
	{name: "parked sooner than nodes come", spec: refilled("parkAfter: 29s"), refused: wrongPark},
	{name: "parked after a day", spec: refilled("parkAfter: 24h")},
	{name: "parked after more than a day", spec: refilled("parkAfter: 24h1s"), refused: wrongPark},
	{name: "a year", spec: refilled("ttl: 8760h")},
	{name: "more than a year", spec: refilled("ttl: 8760h1s"), refused: wrongTTL},
	{name: "no time at all", spec: refilled("ttl: 0s"), refused: wrongTTL},
	{name: "less than a second", spec: refilled("ttl: 0.5s"), refused: wrongTTL},
	{name: "refill with PerNode", spec: refilled("maxPending: 3") + "\nplacement: PerNode", refused: refillPerNode},
	{name: "Once with sizing", spec: refilled("policy: Once") + "\nsizing: {rules: [" + tenth + "]}", refused: onceSized},
	{name: "Always with sizing", spec: refilled("policy: Always") + "\nsizing: {rules: [" + tenth + "]}"},
	{name: "a delay with sizing", spec: refilled("delay: 30s") + "\nsizing: {rules: [" + tenth + "]}"},
}
