package api_test

const (
	ladderPerNode = "ladder must not be Enabled with placement PerNode: a DaemonSet makes the units"
	ladderOrClass = "priorityClassName must be absent with ladder Enabled: the units get the PriorityClasses headroom-ladder-1 to headroom-ladder-10"
)

// The cases of spec.ladder, beside those of verdicts.
var ladderVerdicts = []verdict{
	{name: "a ladder", spec: requests + "ladder: Enabled"},
	{name: "no ladder", spec: requests + "ladder: Disabled"},
	{name: "another word for a ladder", spec: requests + "ladder: 'true'", refused: "spec.ladder: Unsupported value"},
	{name: "a ladder, and the default class spelt out", spec: requests + "ladder: Enabled\npriorityClassName: headroom"},
	{name: "a ladder, and a class", spec: requests + "ladder: Enabled\npriorityClassName: spare", refused: ladderOrClass},
	{name: "no ladder, and a class", spec: requests + "ladder: Disabled\npriorityClassName: spare"},
	{name: "a ladder with PerNode", spec: requests + "ladder: Enabled\nplacement: PerNode", refused: ladderPerNode},
	{
		name: "a ladder of reserved units", spec: requests + "ladder: Enabled\nreserved: true\nconsumers: {podSelector: {}}",
		refused: "ladder must not be Enabled with reserved: reserved units have the PriorityClass headroom-reserved",
	},
	{name: "no ladder with PerNode", spec: requests + "ladder: Disabled\nplacement: PerNode"},
}
