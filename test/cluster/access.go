package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

// KubeconfigName names cluster, user and context in the kubeconfig files that this package writes.
const KubeconfigName = "headroom"

// accountTokenSeconds is how long a service account's token is good for: longer than any cluster lives.
const accountTokenSeconds = 24 * 60 * 60

func (c *Cluster) configWithToken(token string) *rest.Config {
	return &rest.Config{
		Host:            "https://127.0.0.1:" + strconv.Itoa(c.port.number),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.creds.caCert},
		QPS:             -1,
	}
}

// ConfigFor is the access of a service account, which must exist. It may what RBAC allows it, and its token is good
// for a day.
func (c *Cluster) ConfigFor(ctx context.Context, namespace, serviceAccount string) (*rest.Config, error) {
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](accountTokenSeconds)},
	}
	token, err := clientset.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of the service account %s/%s: %w", namespace, serviceAccount, err)
	}
	return c.configWithToken(token.Status.Token), nil
}

// schedulerConfig is the access that Kubernetes' own RBAC rules give to a kube-scheduler, as the user
// system:kube-scheduler.
func (c *Cluster) schedulerConfig() *rest.Config {
	return c.configWithToken(c.creds.tokens[userScheduler])
}

// Kubeconfig writes the administrator's kubeconfig file, readable by its owner only.
func (c *Cluster) Kubeconfig(path string) error { return writeKubeconfigFile(path, c.RESTConfig()) }

// writeKubeconfig writes a file into the cluster's temporary folder.
func (c *Cluster) writeKubeconfig(name string, config *rest.Config) (string, error) {
	path := filepath.Join(c.group.Dir, name+".kubeconfig")
	return path, writeKubeconfigFile(path, config)
}

// writeKubeconfigFile writes a kubeconfig file with the server, CA and token of a client's configuration, readable by its
// owner only.
func writeKubeconfigFile(path string, config *rest.Config) error {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[KubeconfigName] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos[KubeconfigName] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	kubeconfig.Contexts[KubeconfigName] = &clientcmdapi.Context{Cluster: KubeconfigName, AuthInfo: KubeconfigName}
	kubeconfig.CurrentContext = KubeconfigName
	data, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return fmt.Errorf("encoding a kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}
