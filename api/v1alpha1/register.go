package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type of this package.
var GroupVersion = schema.GroupVersion{Group: "headroom.dev", Version: "v1alpha1"}

// KindHeadroom is the kind of Headroom, as owner references name it.
const KindHeadroom = "Headroom"

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Headroom{}, &HeadroomList{}, &HeadroomAccount{}, &HeadroomAccountList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
