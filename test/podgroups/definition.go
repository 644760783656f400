// Package podgroups has what tests of the groups of scheduler-plugins need: the kind, and a way to stop a scheduler between two members.
package podgroups

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// Install installs the CustomResourceDefinition of PodGroups, as far as the API server needs to know them, and returns a client for them.
func Install(config *rest.Config) (client.Client, error) {
	_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{definition()}})
	if err != nil {
		return nil, fmt.Errorf("installing PodGroups: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := schedulingv1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	return client.New(config, client.Options{Scheme: scheme})
}

// Remove deletes the CustomResourceDefinition, and with it every PodGroup. It is gone a moment later.
func Remove(ctx context.Context, config *rest.Config) error {
	clientset, err := apiextensions.NewForConfig(config)
	if err != nil {
		return err
	}
	return clientset.ApiextensionsV1().CustomResourceDefinitions().Delete(ctx, definition().Name, metav1.DeleteOptions{})
}

func definition() *apiextensionsv1.CustomResourceDefinition {
	group := schedulingv1alpha1.SchemeGroupVersion.Group
	d := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{
		Name: "podgroups." + group, Annotations: map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: "unapproved, for tests"},
	}}
	free := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: ptr.To(true)}
	d.Spec = apiextensionsv1.CustomResourceDefinitionSpec{
		Group: group, Scope: apiextensionsv1.NamespaceScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{
			Kind: "PodGroup", ListKind: "PodGroupList", Plural: "podgroups", Singular: "podgroup",
		},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: schedulingv1alpha1.SchemeGroupVersion.Version, Served: true, Storage: true,
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": free, "status": free},
			}},
		}},
	}
	return d
}
