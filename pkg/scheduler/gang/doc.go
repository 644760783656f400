// Package gang lets the groups of pods that scheduler-plugins knows take headroom for all of their members or for none. A pod is a member
// by the label scheduling.x-k8s.io/pod-group; the object of that name and kind says how many members there must be. Where this kind is not
// installed, nothing of the package runs.
//
// Members, Most, Missing and Turns decide and are pure. Planner places the members one after another in the scheduler's snapshot, by the
// published order. Attempts keep which group has its places and waits for its members in Permit, Groups which groups there are.
package gang
