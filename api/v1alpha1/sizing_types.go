package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SizingMode says what becomes of the number that the rules come to.
// +kubebuilder:validation:Enum=Apply;Advise
type SizingMode string

const (
	// SizingApply holds that many units.
	SizingApply SizingMode = "Apply"
	// SizingAdvise shows the number in status.sizing, and spec.replicas counts.
	SizingAdvise SizingMode = "Advise"
)

// Sizing says by which rules the number of units is found.
//
// +kubebuilder:validation:XValidation:rule="has(self.max) || has(self.maxResources) || !self.rules.exists(r, has(r.upToMaxReplicasOf))",message="sizing with upToMaxReplicasOf must have max or maxResources: a limit that belongs to another object must not be the only one"
// +kubebuilder:validation:XValidation:rule="has(self.max) || has(self.maxResources) || !self.rules.exists(r, has(r.demand))",message="sizing with demand must have max or maxResources: what pods ask for must not be the only limit"
type Sizing struct {
	// mode is Apply (default: hold as many units as the rules come to) or Advise
	// (show the number in status.sizing, and hold spec.replicas units).
	// +optional
	// +default="Apply"
	Mode SizingMode `json:"mode,omitempty"`

	// rules each come to a number of units, and the largest counts; 1 to 8. A rule
	// that cannot be evaluated keeps the number that it came to last.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Rules []SizingRule `json:"rules,omitempty"`

	// max is the largest number of units, from 0 to 10000, and not below
	// spec.replicas. Default: 10000.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Max *int32 `json:"max,omitempty"`

	// maxResources is the most that all units may hold together; 1 to 12 resources.
	// It goes before spec.replicas. Default: no limit. Example: {cpu: "60"}.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="self.all(r, !string(self[r]).startsWith('-'))",message="maxResources must not be negative"
	MaxResources corev1.ResourceList `json:"maxResources,omitempty"`

	// scaleDown says how fast the number falls. It rises at once.
	// +optional
	ScaleDown *SizingScaleDown `json:"scaleDown,omitempty"`
}

// SizingScaleDown says how fast the number of units falls.
type SizingScaleDown struct {
	// stabilizationWindow is how long the largest number that the rules came to
	// counts, from 0s (not at all) to 24h; default 10m. It may count up to a
	// sixteenth longer. A change of spec.replicas, max or maxResources counts at
	// once.
	// +optional
	// +default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('24h')",message="stabilizationWindow must be from 0s to 24h"
	StabilizationWindow *metav1.Duration `json:"stabilizationWindow,omitempty"` //nolint:kubeapilinter // a duration is what people write
}

// SizingRule is one rule. Exactly one of percentOf, upToMaxReplicasOf, schedule
// and demand is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.percentOf), has(self.upToMaxReplicasOf), has(self.schedule), has(self.demand)].filter(set, set).size() == 1",message="a rule must have exactly one of percentOf, upToMaxReplicasOf, schedule and demand"
type SizingRule struct {
	// name tells the rules of a Headroom apart; a DNS label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="name of a rule must be a DNS label: lower case letters, digits and '-'"
	Name string `json:"name,omitempty"`

	// percentOf is a percentage of pods that are bound to nodes.
	// +optional
	PercentOf *PercentOf `json:"percentOf,omitempty"` //nolint:kubeapilinter // nil is absent

	// upToMaxReplicasOf is what the HorizontalPodAutoscaler of a workload may still
	// add: its maxReplicas without the replicas that the workload has.
	// +optional
	UpToMaxReplicasOf *UpToMaxReplicasOf `json:"upToMaxReplicasOf,omitempty"` //nolint:kubeapilinter // nil is absent

	// schedule is a number of units at some times of the week.
	// +optional
	Schedule *Schedule `json:"schedule,omitempty"` //nolint:kubeapilinter // nil is absent

	// demand is as many units as serve what pods asked for in the past, by the
	// Headroom's own account.
	// +optional
	Demand *Demand `json:"demand,omitempty"` //nolint:kubeapilinter // nil is absent
}

// PercentOf is a percentage of pods that are bound to nodes. They are in the
// Headroom's own namespace. Placeholders, pods that are being deleted and pods
// that have finished do not count.
//
// +kubebuilder:validation:XValidation:rule="has(self.target) != has(self.pods)",message="percentOf must have exactly one of target and pods"
type PercentOf struct {
	// percent from 1 to 1000. The number of units is rounded up.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Percent int32 `json:"percent,omitempty"`

	// target is the workload whose pods count.
	// +optional
	Target *WorkloadReference `json:"target,omitempty"` //nolint:kubeapilinter // nil is absent

	// pods selects the pods that count by their labels. A selector that does not
	// parse is told in the condition Sized.
	// +optional
	Pods *metav1.LabelSelector `json:"pods,omitempty"`

	// by is Count (default: that percentage of the number of pods) or Requests
	// (units that hold that percentage of what the pods request, of each resource
	// of a unit).
	// +optional
	// +default="Count"
	By PercentBase `json:"by,omitempty"`
}

// PercentBase is what a percentage is of.
// +kubebuilder:validation:Enum=Count;Requests
type PercentBase string

const (
	// PercentOfCount is a percentage of the number of pods.
	PercentOfCount PercentBase = "Count"
	// PercentOfRequests is a percentage of what the pods request.
	PercentOfRequests PercentBase = "Requests"
)

// UpToMaxReplicasOf is what the HorizontalPodAutoscaler of a workload may still
// add.
type UpToMaxReplicasOf struct {
	// target is the workload. Its HorizontalPodAutoscaler is the one that names it
	// as scaleTargetRef; KEDA makes one for each ScaledObject.
	// +required
	Target WorkloadReference `json:"target,omitzero"`
}

// WorkloadReference names a Deployment, a StatefulSet, a ReplicaSet or another
// object with a scale subresource, or one of the kinds that spec.shapeFrom
// names, in the Headroom's own namespace.
type WorkloadReference struct {
	// apiVersion of the object, such as apps/v1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$')",message="apiVersion must be a version, after a group and '/' unless the group is the core, such as apps/v1"
	APIVersion string `json:"apiVersion,omitempty"`
	// kind of the object, such as Deployment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of an object in the Headroom's own namespace, without the namespace"
	Name string `json:"name,omitempty"`
}

// Weekday is a day of the week.
// +kubebuilder:validation:Enum=Mon;Tue;Wed;Thu;Fri;Sat;Sun
type Weekday string

// Schedule is a number of units at some times of the week. What counts is the
// time that it is now, so a beginning that was missed needs no catching up.
//
// +kubebuilder:validation:XValidation:rule="self.start != self.end",message="start and end of a schedule must differ; a whole day is from 00:00 to 24:00"
type Schedule struct {
	// days on which it starts. Default: every day.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// start is the time of day, from 00:00 to 23:59. Where clocks are put forward
	// over it, it is when they are; where they are put back, the first of the two.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",message="start must be a time of day from 00:00 to 23:59"
	Start string `json:"start,omitempty"`

	// end is the time of day, from 00:00 to 24:00; of the next day if it is not
	// after start. Where clocks are put forward over it, it is when they are; where
	// they are put back, the second of the two.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$') || self == '24:00'",message="end must be a time of day from 00:00 to 24:00"
	End string `json:"end,omitempty"`

	// timeZone is a name of the IANA Time Zone Database, such as Europe/Berlin.
	// Default: Etc/UTC. An unknown name is told in the condition Sized.
	// +optional
	// +default="Etc/UTC"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// lead is how long before start the units should begin to be there, from 0s to
	// 12h; default 0s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('12h')",message="lead must be from 0s to 12h"
	Lead *metav1.Duration `json:"lead,omitempty"` //nolint:kubeapilinter // a duration is what people write

	// replicas is the number of units, from 1 to 10000.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Replicas int32 `json:"replicas,omitempty"`
}

// DemandSeason is the time after which demand is taken to repeat.
// +kubebuilder:validation:Enum=Week;Day;None
type DemandSeason string

const (
	// SeasonWeek repeats on the same day of the week.
	SeasonWeek DemandSeason = "Week"
	// SeasonDay repeats each day.
	SeasonDay DemandSeason = "Day"
	// SeasonNone: all hours are alike.
	SeasonNone DemandSeason = "None"
)

// Demand is as many units as serve at once what pods ask for while one refill
// takes. What pods asked for is what the Headroom's account says: the units that
// pods took, and those that entitled pods lacked.
type Demand struct {
	// served is the share of times, in percent, in which everything that pods ask
	// for within one refill is to be served at once, from 50 to 99.999; default
	// "99.9".
	// +optional
	// +default="99.9"
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^[5-9][0-9]([.][0-9]{1,3})?$')",message="served must be a share in percent from 50 to 99.999, with at most three decimals, such as '99.9'"
	Served string `json:"served,omitempty"`

	// history is how far back to look, from 1h to 360h, and at least one season.
	// Default: as far as the account goes, which is 15 days.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('1h') && duration(self) <= duration('360h')",message="history must be from 1h to 360h"
	History *metav1.Duration `json:"history,omitempty"` //nolint:kubeapilinter // a duration is what people write

	// season is Week (default: what was asked for at this time of the week counts),
	// Day (at this time of the day) or None (all hours are alike).
	// +optional
	// +default="Week"
	Season DemandSeason `json:"season,omitempty"`

	// timeZone is where the days of the season begin, a name of the IANA Time Zone
	// Database, such as Europe/Berlin. Default: Etc/UTC. An unknown name is told in
	// the condition Sized.
	// +optional
	// +default="Etc/UTC"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// SizingLimit is what a number of units was cut off by.
// +kubebuilder:validation:Enum=Max;MaxResources
type SizingLimit string

const (
	// LimitedByMax is sizing.max, or 10000 units.
	LimitedByMax SizingLimit = "Max"
	// LimitedByMaxResources is sizing.maxResources.
	LimitedByMaxResources SizingLimit = "MaxResources"
)

// SizingStatus is what the rules of spec.sizing come to.
type SizingStatus struct {
	// replicas is the number of units.
	// +optional
	Replicas int32 `json:"replicas"` //nolint:kubeapilinter // zero is a number like any other

	// rule is the name of the rule that asks for the most units now or, by the
	// stabilization window, did; empty if spec.replicas is as large.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Rule string `json:"rule,omitempty"` //nolint:kubeapilinter // absent and empty mean the same

	// limitedBy is what the number was cut off by: Max, MaxResources, or nothing.
	// +optional
	LimitedBy SizingLimit `json:"limitedBy,omitempty"`

	// message says why it is this number and not one more.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"` //nolint:kubeapilinter // never written empty

	// rules is what each rule comes to.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Rules []SizingRuleStatus `json:"rules,omitempty"`

	// recent are larger numbers of units that the rules came to, as long as the
	// stabilization window counts them, the oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Recent []SizingRecent `json:"recent,omitempty"`
}

// SizingRuleStatus is what a rule comes to.
type SizingRuleStatus struct {
	// name is that of the rule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// replicas is the number of units.
	// +optional
	Replicas int32 `json:"replicas"` //nolint:kubeapilinter // zero is a number like any other

	// message says why, with the arithmetic.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"` //nolint:kubeapilinter // never written empty
}

// SizingRecent is a number of units that the rules came to.
type SizingRecent struct {
	// rule is the name of the rule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Rule string `json:"rule,omitempty"`

	// replicas is the number of units.
	// +required
	// +kubebuilder:validation:Minimum=1
	Replicas int32 `json:"replicas,omitempty"`

	// untilTime is until when the rule came to it.
	// +required
	UntilTime metav1.Time `json:"untilTime,omitzero"` //nolint:kubeapilinter // a zero time is never written
}
