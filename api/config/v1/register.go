package v1

import (
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	schedulerv1 "k8s.io/kube-scheduler/config/v1"

	"github.com/headroom-dev/headroom/api/config"
)

// AddToScheme registers the versioned arguments, their defaults and their conversions in a scheme that has, or will have, the
// internal ones.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(schedulerv1.SchemeGroupVersion, &HeadroomArgs{})
	scheme.AddTypeDefaultingFunc(&HeadroomArgs{}, func(obj any) { SetDefaultsHeadroomArgs(obj.(*HeadroomArgs)) })
	if err := scheme.AddConversionFunc((*HeadroomArgs)(nil), (*config.HeadroomArgs)(nil),
		func(a, b any, scope conversion.Scope) error {
			return toInternal(a.(*HeadroomArgs), b.(*config.HeadroomArgs), scope)
		}); err != nil {
		return err
	}
	return scheme.AddConversionFunc((*config.HeadroomArgs)(nil), (*HeadroomArgs)(nil),
		func(a, b any, scope conversion.Scope) error {
			return fromInternal(a.(*config.HeadroomArgs), b.(*HeadroomArgs), scope)
		})
}
