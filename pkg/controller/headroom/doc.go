// Package headroom is the controller that keeps Headrooms topped up. Each reconcile runs through four steps:
//
//  1. gather (observe.go): read the placeholders, their nodes and the PriorityClass from the cache;
//  2. decide (decide.go): pkg/controller/priority reports whether placeholders are allowed at all, pkg/topup which to create and
//     delete; refill.go leaves out of that what spec.refill (pkg/refill) holds back, and allot.go what the operator's limits
//     (pkg/allotment) do not allow now;
//  3. apply (apply.go, pernode.go): carry that out, creates in batches that grow while all goes well;
//  4. status (status.go): compute the status from what was found and done, and write it if it changed.
//
// Everything that the cluster cannot tell again is kept in memory and may be lost: writes that the cache has not shown yet
// (expectations.go), names that cannot be given now (names.go), replacements that are half done (rollouts.go), when to try again
// what was refused (retry.go), whose turn it is to make units (allotments.go), when units went (departures.go), and which placeholders
// went without a known cause (pkg/controller/consumption). What happened to units is written down in accounts (pkg/controller/accounts),
// which outlive the controller.
package headroom
