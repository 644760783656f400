package kubectl

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// grant gives an account a ClusterRole.
func grant(t *testing.T, cl client.Client, namespace, account, role string) {
	t.Helper()
	require.NoError(t, cl.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace + "-" + account + "-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
	}))
}

// runScheduler runs headroom-scheduler with its port, and returns the port's address.
func runScheduler(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	base := filepath.Join(root, "manifests", "scheduler", "base")
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(base, "namespace.yaml"), filepath.Join(base, "service-account.yaml")))
	kubeconfig, err := c.KubeconfigFor(t.Context(), "headroom-system", "headroom-scheduler")
	require.NoError(t, err)
	address := clustertest.FreeAddress(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	_, err = c.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler, "--bind-address="+host, "--secure-port="+port,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig)
	require.NoError(t, err)
	return "https://" + address
}

// TestARunningSchedulerIsAskedByThoseWhoMay asks a scheduler as its manifests deploy it, which lets nobody in who has not the role for it.
func TestARunningSchedulerIsAskedByThoseWhoMay(t *testing.T) {
	s := newShop(t)
	address := runScheduler(t, s.cluster)
	oncall := s.user(t, "oncall")
	require.NoError(t, s.client.Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-see-all"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"", "apps", "headroom.dev", "scheduling.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"list"},
		}},
	}))
	grant(t, s.client, s.namespace, "oncall", s.namespace+"-see-all")
	pod := builders.Consumer("wants-room", nil).Namespace(s.namespace).SchedulerName("headroom-scheduler").Obj()
	pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.org/later"}} // the scheduler leaves it alone
	require.NoError(t, s.client.Create(t.Context(), pod))

	explain := []string{"headroom", "explain", "pod", pod.Name, "-n", s.namespace}
	asked := append(explain, "--from-scheduler", address)
	require.NotContains(t, eventuallyRuns(t, oncall, explain...), address)
	requireExit(t, oncall, 3, "ask for the ClusterRole headroom-scheduler-reader", asked...)
	requireExit(t, oncall, 1, "leave out --scheduler-config and --cluster-file", append(asked, "--cluster-file=x")...)

	grant(t, s.client, s.namespace, "oncall", "headroom-scheduler-reader")
	out := strings.Join(strings.Fields(eventuallyRuns(t, oncall, asked...)), " ")
	require.Contains(t, out, "the scheduler's configuration is the profile headroom-scheduler of the scheduler at "+address)
	require.Contains(t, out, "the units that the scheduler has reserved stay so (0)")
	require.NotContains(t, out, "is headroom-scheduler or has the plugin Headroom", "it is asked, and so known")
}
