package schedulerharness

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// DeleteDefinition removes the CustomResourceDefinition of Headroom, and with it every Headroom, and returns when it is gone. Pods stay, since
// no garbage collector runs here. The definition is back when the test has ended, if not before.
func (c *Cluster) DeleteDefinition(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, installCRD(c.Config)) })
	definitions := apiextensions.NewForConfigOrDie(c.Config).ApiextensionsV1().CustomResourceDefinitions()
	require.NoError(t, definitions.Delete(t.Context(), "headrooms."+v1alpha1.GroupVersion.Group, metav1.DeleteOptions{}))
	c.Eventually(t, "waiting for Headrooms to be unknown to the API server", func(ctx context.Context) string {
		if err := c.Headrooms.List(ctx, &v1alpha1.HeadroomList{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("listing them gives %v", err)
		}
		return ""
	})
}

// CreateDefinition installs the CustomResourceDefinition of Headroom and returns when it can be used.
func (c *Cluster) CreateDefinition(t *testing.T) {
	t.Helper()
	require.NoError(t, installCRD(c.Config))
}

func installCRD(config *rest.Config) error {
	file := filepath.Join(repositoryRoot(), "manifests", "crd", "headroom.dev_headrooms.yaml")
	_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: []string{file}, ErrorIfPathMissing: true})
	if err != nil {
		return fmt.Errorf("installing %s: %w", file, err)
	}
	return nil
}
