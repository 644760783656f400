package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

// accountIssuer is what the tokens of service accounts are issued and meant for.
const accountIssuer = "https://kubernetes.default.svc"

// maxSocketPath is the longest path of a socket that both Linux and macOS take.
const maxSocketPath = 103

// kwokConfiguration gives KWOK more hands than its default of four, so that a burst of pods runs as soon as it is
// bound, and pod addresses for more than 254 pods. It has KWOK renew the nodes' leases, as kubelets do: without them the node
// lifecycle controller takes every node for lost after 50 seconds.
//
// Its own stage for deletions deletes any pod that is marked as deleted, by name. But the API server itself removes a pod without
// a grace period, a moment after it has marked it; and KWOK, being late, would delete the next pod of that name, which a kubelet
// never does. So such a pod is left alone for three seconds, in case that the API server was cut off between the two.
const kwokConfiguration = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  cidr: 10.64.0.0/10
  nodeIP: 127.0.0.1
  nodeLeaseDurationSeconds: 40
  podPlayStageParallelism: 32
  nodePlayStageParallelism: 16
  nodeLeaseParallelism: 16
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-delete
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
      - {key: '.metadata | select(.deletionGracePeriodSeconds != 0) | .deletionTimestamp', operator: Exists}
  next: {delete: true}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-delete-abandoned
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
      - {key: '.metadata | select(.deletionGracePeriodSeconds == 0) | .deletionTimestamp', operator: Exists}
  delay: {durationMilliseconds: 3000}
  next: {delete: true}
`

// replacedStage is the one of KWOK's stages that kwokConfiguration has another for.
const replacedStage = "pod-delete.yaml"

// run starts one of the tools and watches over it.
func (c *Cluster) run(name string, args ...string) (*process.Process, error) {
	path, err := c.tools.Binary(name)
	if err != nil {
		return nil, err
	}
	return c.watch(process.Spec{Name: name, Path: path, Args: args})
}

// watch starts a program and reports to Died when it ends by itself.
func (c *Cluster) watch(spec process.Spec) (*process.Process, error) {
	spec.Log = filepath.Join(c.logDir, spec.Name+".log")
	p, err := c.group.Start(spec)
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.Done()
		if err := p.Failure(); err != nil {
			select {
			case c.died <- err:
			default: // One is enough: the others fall with the first.
			}
		}
	}()
	return p, nil
}

func (c *Cluster) etcdSocket() string { return filepath.Join(c.group.Dir, "etcd.sock") }

func (c *Cluster) startEtcd(ctx context.Context) error {
	if socket := c.etcdSocket(); len(socket) > maxSocketPath {
		return fmt.Errorf("the path of etcd's socket, %s, is longer than %d bytes: set TMPDIR to a folder with a shorter path",
			socket, maxSocketPath)
	}
	p, err := c.run("etcd",
		"--data-dir="+filepath.Join(c.group.Dir, "etcd"),
		"--listen-client-urls=unix://"+c.etcdSocket(),
		// etcd does not take a socket here. Nobody reads it: there is one member.
		"--advertise-client-urls=http://127.0.0.1:0",
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync",
		"--quota-backend-bytes="+strconv.Itoa(4<<30),
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.etcdSocket())
	}
	transport := &http.Transport{DialContext: dial}
	defer transport.CloseIdleConnections()
	return p.WaitReady(ctx, func(ctx context.Context) error {
		return get(ctx, &http.Client{Transport: transport}, "http://etcd/health")
	})
}

// get asks for a page and fails unless the answer is 200.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}

func (c *Cluster) startAPIServer(ctx context.Context, opts Options) error {
	args := []string{
		"--etcd-servers=unix://" + c.etcdSocket(),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.port.number),
		"--permit-port-sharing=true",
		"--advertise-address=127.0.0.1",
		// The Service "kubernetes" gets no endpoint: loopback addresses are not allowed in one.
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + c.group.Dir,
		"--tls-cert-file=" + c.creds.servingCert(),
		"--tls-private-key-file=" + c.creds.servingKey(),
		"--token-auth-file=" + c.creds.tokenFile(),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=" + accountIssuer,
		"--service-account-key-file=" + c.creds.accountKey(),
		"--service-account-signing-key-file=" + c.creds.accountKey(),
		"--service-cluster-ip-range=10.0.0.0/16",
		"--allow-privileged=true",
	}
	if opts.APIServerOnly {
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	p, err := c.run("kube-apiserver", append(args, opts.APIServerArgs...)...)
	if err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return p.WaitReady(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return clientset.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func (c *Cluster) startControllerManager(ctx context.Context, opts Options) error {
	kubeconfig, err := c.writeKubeconfig("kube-controller-manager", c.configWithToken(c.creds.tokens[userControllerManager]))
	if err != nil {
		return err
	}
	p, err := c.run("kube-controller-manager", append([]string{
		"--kubeconfig=" + kubeconfig,
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.creds.accountKey(),
		"--root-ca-file=" + c.creds.servingCert(),
		"--leader-elect=false",
		"--secure-port=0",
		// The default of 20 requests a second makes a burst of 500 pods last 25 seconds.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		// A quota that missed an event is right again after ten seconds, not five minutes.
		"--resource-quota-sync-period=10s",
	}, opts.ControllerManagerArgs...)...)
	if err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	// Its first visible deed, and without it no pod can be made.
	return p.WaitReady(ctx, func(ctx context.Context) error {
		_, err := clientset.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (c *Cluster) startKWOK(opts Options) error {
	kubeconfig, err := c.writeKubeconfig("kwok", c.RESTConfig())
	if err != nil {
		return err
	}
	configuration := filepath.Join(c.group.Dir, "kwok.yaml")
	if err := os.WriteFile(configuration, []byte(kwokConfiguration), 0o600); err != nil {
		return fmt.Errorf("writing KWOK's configuration: %w", err)
	}
	stages, err := c.tools.kwokStages()
	if err != nil {
		return err
	}
	args := []string{"--kubeconfig=" + kubeconfig, "--manage-all-nodes=true", "--config=" + configuration}
	for _, stage := range stages {
		switch filepath.Base(stage) {
		case replacedStage:
			continue
		case completingStage:
			if stage, err = c.writeHoldable(stage); err != nil {
				return err
			}
		}
		args = append(args, "--config="+stage)
	}
	path, err := c.tools.Binary("kwok")
	if err != nil {
		return err
	}
	// It also reads the user's own configuration unless it is told of another home.
	_, err = c.watch(process.Spec{
		Name: "kwok", Path: path, Args: append(args, opts.KWOKArgs...), Env: []string{"KWOK_WORKDIR=" + c.group.Dir},
	})
	return err
}
