// Package config holds the arguments of the Headroom scheduler plugin, in the form that the plugin works with. Configuration
// files are written in the versioned form of the package v1 below; package scheme makes kube-scheduler's own loader know both.
//
// +kubebuilder:object:generate=true
package config
