// Package tenants tests what bounds those who may create Headrooms, and what bounds the controller itself.
package tenants

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	// soon is how long anything may take that takes seconds on an idle machine.
	soon   = 5 * time.Minute
	glance = 100 * time.Millisecond
	// controllerUser is the controller's account.
	controllerUser = "system:serviceaccount:headroom-system:headroom-controller"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// world is a cluster with the controller, and a namespace in it.
type world struct {
	*testing.T
	cluster   *cluster.Cluster
	admin     client.Client
	namespace string
}

// newWorld has the admission policies of the install in force. The controller runs with these flags beside the usual ones.
func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{})
	w := &world{T: t, cluster: c, namespace: clustertest.Namespace(t, c, nil)}
	w.admin = w.as("")
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	policies := filepath.Join(root, "manifests", "admission-policy")
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(policies, "policy.yaml"), filepath.Join(policies, "placeholders.yaml")))
	_, err = c.RunController(t.Context(), flags...)
	require.NoError(t, err)
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 1}))
	return w
}

// as returns a client of a user who may do everything that admission lets pass; the administrator if there is no name.
func (w *world) as(user string) client.Client {
	w.Helper()
	access := w.cluster.RESTConfig()
	if user != "" {
		access.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	}
	cl, err := client.New(access, client.Options{Scheme: app.Scheme()})
	require.NoError(w, err)
	return cl
}

// eventually waits until check holds.
func (w *world) eventually(check func(t *assert.CollectT)) {
	w.Helper()
	require.EventuallyWithT(w, check, soon, glance)
}

// headroom makes a Headroom and waits for its pods.
func (w *world) headroom(name string, units int, change func(*v1alpha1.HeadroomSpec)) *v1alpha1.Headroom {
	w.Helper()
	h := builders.Headroom(name, builders.Resources{"cpu": "1m"}).Namespace(w.namespace).Obj()
	change(&h.Spec)
	require.NoError(w, w.admin.Create(w.Context(), h))
	w.eventually(func(t *assert.CollectT) { assert.Len(t, w.placeholders(h), units) })
	return h
}

// placeholders are the pods with the label of a Headroom.
func (w *world) placeholders(h *v1alpha1.Headroom) []corev1.Pod {
	list := &corev1.PodList{}
	err := w.admin.List(context.Background(), list, client.InNamespace(h.Namespace), client.MatchingLabels{v1alpha1.LabelHeadroom: h.Name})
	if err != nil {
		return nil
	}
	return list.Items
}

// pod is an ordinary pod, changed.
func (w *world) pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := builders.Consumer(name, nil).Namespace(w.namespace).Obj()
	if change != nil {
		change(p)
	}
	return p
}

// create has the administrator make an object.
func (w *world) create(object client.Object) {
	w.Helper()
	require.NoError(w, w.admin.Create(w.Context(), object))
}
