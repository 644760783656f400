package config

import (
	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
)

// AddToScheme registers the internal arguments in a scheme, in the group of kube-scheduler's own: it looks for those of a
// plugin NAME as NAMEArgs of that group.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(schedulerconfig.SchemeGroupVersion, &HeadroomArgs{})
	return nil
}
