// Package workload follows what Headrooms size themselves by: workloads, the HorizontalPodAutoscalers that scale them, and how many
// pods are bound.
//
// It watches nothing until a Headroom asks, then only what it asks for, and ends a watch when no Headroom asks any more: one watch of
// the pods of a namespace, one of its HorizontalPodAutoscalers, and one of each workload alone. Of pods it keeps no more than how many
// have the same labels and requests, and which name belongs to which of these groups.
package workload
