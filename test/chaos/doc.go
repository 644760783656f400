// Package chaos runs the binaries of the product on the embedded control plane under random traffic and faults, and judges what comes of it.
//
// What is done is drawn from a seed (package plan). Each component reaches the API server through a proxy that can treat it badly (package
// proxy). While the run lasts, the observer (package test/observer) judges the history of the API server as it happens; when the traffic is
// over, the cluster has to come to rest: see settle.go. What was wrong are the Findings of a Report; Options say which of them are failures.
//
// A kubelet that finds no room for a pod rejects it, and grows a pod where it runs, or defers that. KWOK does neither, so the run does: see judge.go
// and kubelet.go.
package chaos
