// Package v1alpha1 is the API of Headroom: spare capacity that is kept ready for pods that need room at once.
//
// +kubebuilder:object:generate=true
// +groupName=headroom.dev
package v1alpha1
