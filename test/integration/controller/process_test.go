package controller

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestMetricsAreServedToWhoMayReadThem(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	address, probes := clustertest.FreeAddress(t), clustertest.FreeAddress(t)
	e.startController(func(c *config.Config, _ *rest.Config) {
		c.MetricsBindAddress, c.HealthProbeBindAddress = address, probes
	})
	for _, name := range []string{"reader", "stranger"} {
		require.NoError(t, e.client.Create(t.Context(), &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
		}))
	}
	require.NoError(t, e.client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: e.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "headroom-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: e.namespace, Name: "reader"}},
	}))

	url := "https://" + address + "/metrics"
	e.eventually("the reader gets metrics", func() error {
		code, body := e.fetch(url, e.token("reader"))
		if code != http.StatusOK {
			return fmt.Errorf("the answer is %d", code)
		}
		if !strings.Contains(body, "rest_client_requests_total") {
			return errors.New("controller-runtime's own metrics are missing")
		}
		return nil
	})
	code, _ := e.fetch(url, e.token("stranger"))
	require.Equal(t, http.StatusForbidden, code)
	code, _ = e.fetch(url, "")
	require.Equal(t, http.StatusUnauthorized, code)
	for _, path := range []string{"/healthz", "/readyz"} {
		e.eventually(path+" says yes", func() error {
			if code, body := e.fetch("http://"+probes+path, ""); code != http.StatusOK {
				return fmt.Errorf("%d: %s", code, body)
			}
			return nil
		})
	}
	connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}) // self-signed
	require.NoError(t, err)
	require.Equal(t, "http/1.1", connection.ConnectionState().NegotiatedProtocol)
	require.NoError(t, connection.Close())
}

// TestNotReadyBeforeTheCachesAreSynced has a controller that may read no Headrooms.
func TestNotReadyBeforeTheCachesAreSynced(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	probes := clustertest.FreeAddress(t)
	allowed := make(chan struct{})
	e.startController(through(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if strings.HasSuffix(request.URL.Path, "/headrooms") {
				select {
				case <-allowed:
				case <-request.Context().Done():
					return nil, request.Context().Err()
				}
			}
			return next.RoundTrip(request)
		})
	}), func(c *config.Config, _ *rest.Config) { c.HealthProbeBindAddress = probes })
	answers := func(path string, want int) {
		e.eventually(path+" answers", func() error {
			code, body := e.fetch("http://"+probes+path, "")
			if code != want {
				return fmt.Errorf("%d: %s", code, body)
			}
			return nil
		})
	}
	answers("/healthz", http.StatusOK)
	answers("/readyz", http.StatusInternalServerError)
	close(allowed)
	answers("/readyz", http.StatusOK)
}

func (e *environment) token(account string) string {
	e.Helper()
	access, err := e.cluster.ConfigFor(e.Context(), e.namespace, account)
	require.NoError(e, err)
	return access.BearerToken
}

func (e *environment) fetch(url, token string) (code int, body string) {
	e.Helper()
	request, err := http.NewRequestWithContext(e.Context(), http.MethodGet, url, nil)
	require.NoError(e, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // self-signed
	response, err := insecure.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	require.NoError(e, err)
	return response.StatusCode, string(data)
}

func TestOnlyTheLeaderWorks(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	elected := func(c *config.Config, _ *rest.Config) {
		c.LeaderElection = config.Default().LeaderElection // it is on by default
		c.LeaderElection.LeaseNamespace = systemNamespace
	}
	first, second := &traffic{}, &traffic{}
	leader := e.startController(elected, through(first.wrap))
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: systemNamespace, Name: "headroom-controller"}
	e.eventually("the first leads", func() error { // the lease may be there from an earlier run, held by nobody
		if err := e.client.Get(t.Context(), key, lease); err != nil {
			return err
		}
		if ptr.Deref(lease.Spec.HolderIdentity, "") == "" {
			return errNotYet
		}
		return nil
	})
	e.startController(elected, through(second.wrap))
	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)
	require.Zero(t, second.count("POST pods"))
	require.Equal(t, 3, int(leader.value(t, "headroom_desired")))

	leader.stop() // it gives the lease back
	e.eventually("the lease is free", func() error {
		require.NoError(t, e.client.Get(t.Context(), key, lease))
		if holder := ptr.Deref(lease.Spec.HolderIdentity, ""); holder != "" && second.count("PUT others") == 0 {
			return fmt.Errorf("held by %s", holder)
		}
		return nil
	})
	e.change("web", replicas(5))
	e.waitFilled("web", 5)
	require.Equal(t, 2, second.count("POST pods"))
}

func TestControllerStopsInTime(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c := e.startController()
	e.headroom("web", replicas(200))
	begun := time.Now()
	c.stop()
	require.Less(t, time.Since(begun), 30*time.Second, "the grace period of its Deployment is 30 seconds")
}

func TestOtherNamespacesAreNotTouched(t *testing.T) {
	t.Parallel()
	e, other := newEnvironment(t, nil), newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	other.headroom("web", replicas(1))
	e.headroom("web", replicas(1))
	e.waitFilled("web", 1)
	require.Empty(t, other.pods())
	require.Zero(t, other.get("web").Status.ObservedGeneration)
}

func TestAllNamespacesByDefault(t *testing.T) {
	e, other := newEnvironment(t, nil), newEnvironment(t, nil)
	e.startController(func(c *config.Config, _ *rest.Config) { c.Namespaces = nil })
	for _, env := range []*environment{e, other} {
		env.bindTo(env.nodes("a")...)
		env.headroom("web", replicas(2))
		env.waitFilled("web", 2)
	}
}

// TestRoleBindingIsEnoughForOneNamespace: the way that docs/reference/controller.md describes.
func TestRoleBindingIsEnoughForOneNamespace(t *testing.T) {
	t.Parallel()
	e, other := newEnvironment(t, nil), newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: e.namespace, Name: "limited"}}
	role := func(name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "limited"}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "limited"}, RoleRef: role("headroom-controller"), Subjects: subjects,
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: e.namespace}, RoleRef: role("headroom-controller-cluster"), Subjects: subjects,
		},
	} {
		require.NoError(t, e.client.Create(t.Context(), object))
	}
	limited := func(_ *config.Config, access *rest.Config) { access.BearerToken = e.token("limited") }
	e.startController(limited)
	e.headroom("web", replicas(2))
	e.waitFilled("web", 2)
	victim := e.pods()[0]
	e.disrupt(&victim, corev1.PodReasonPreemptionByScheduler)
	e.delete(&victim)
	e.waitEvent("web", "Consumed", "took web-headroom-0")

	access, err := e.cluster.ConfigFor(t.Context(), e.namespace, "limited")
	require.NoError(t, err)
	theirs, err := client.New(access, client.Options{Scheme: e.client.Scheme()})
	require.NoError(t, err)
	err = theirs.List(t.Context(), &corev1.PodList{}, client.InNamespace(other.namespace))
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	err = theirs.List(t.Context(), &corev1.SecretList{}, client.InNamespace(e.namespace))
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}
