// Package plan draws what a chaos run does, from a seed and nothing else.
//
// [Generate] is a pure function: the same seed gives the same steps at the same times, and a longer run begins with the steps of a
// shorter one. What the steps do to a cluster depends on the cluster as well. They name everything that they touch, and touch only what
// they made, so that they can be carried out whatever the cluster did before.
package plan
