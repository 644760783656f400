// Package rules evaluates spec.sizing of a Headroom: it gathers what each rule is about from pkg/controller/workload and
// pkg/controller/accounts, has pkg/sizing and pkg/sizing/demand decide, and puts the result into status.sizing and the condition Sized.
//
// What has to be known of the past is in the status: what each rule came to last, which a rule that cannot be evaluated keeps, and
// the larger numbers that the stabilization window still counts.
package rules
