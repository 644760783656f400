// Package v1 holds the arguments of the Headroom scheduler plugin as they are written in a KubeSchedulerConfiguration of
// kubescheduler.config.k8s.io/v1, under pluginConfig.
//
// +kubebuilder:object:generate=true
package v1
