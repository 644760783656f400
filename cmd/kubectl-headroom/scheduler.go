package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/running"
)

// A scheduler answers at once, and not at length.
const (
	schedulerTimeout = 10 * time.Second
	longestAnswer    = 64 << 20
)

// scheduler is a running scheduler that is asked.
type scheduler struct {
	address   string
	authority string
}

func (s *scheduler) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.address, "from-scheduler", "", "`URL` of the secure port of a running headroom-scheduler, whose configuration and "+
		"reservations then count; for example https://127.0.0.1:10259 after kubectl port-forward. The credentials are those for the cluster")
	flags.StringVar(&s.authority, "scheduler-ca", "",
		"`FILE` with the certificate authority of --from-scheduler; may be left out for an address of this machine alone")
}

// ask gets what the scheduler says of itself.
func (s *scheduler) ask(ctx context.Context, cluster *rest.Config) (*running.Answer, error) {
	config, err := s.config(cluster)
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the scheduler: %w", err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.address, "/")+running.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the scheduler at %s: %w", s.address, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, &problem{code: exitUnreachable, cause: err, text: fmt.Sprintf(
			"the scheduler at %s does not answer, look whether the port is forwarded: %s", s.address, err)}
	}
	defer func() { _ = response.Body.Close() }()
	if err := s.refused(response.StatusCode); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the scheduler at %s: %w", s.address, err)
	}
	answer, err := running.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", s.address, err)
	}
	return answer, nil
}

// refused says what a status other than OK means.
func (s *scheduler) refused(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return &problem{code: exitUnreachable, text: fmt.Sprintf(
			"the scheduler at %s does not accept the credentials of the kubeconfig, log in again", s.address)}
	case http.StatusForbidden:
		return &problem{code: exitForbidden, text: fmt.Sprintf(
			"no right to get the path %s of the scheduler at %s: ask for the ClusterRole headroom-scheduler-reader", running.Path, s.address)}
	default:
		return fmt.Errorf("the scheduler at %s answers %d %s to %s", s.address, status, http.StatusText(status), running.Path)
	}
}

// config is how the scheduler is reached, with the credentials for the cluster. A scheduler makes its own certificate at each start unless
// it is given one, which nobody can check. A credential goes without a check to an address of this machine only, where kubectl port-forward
// listens.
func (s *scheduler) config(cluster *rest.Config) (*rest.Config, error) {
	address, err := url.Parse(s.address)
	if err != nil || address.Scheme != "https" || address.Hostname() == "" {
		return nil, fmt.Errorf("--from-scheduler needs an address such as https://127.0.0.1:10259, not %q", s.address)
	}
	if cluster.Impersonate.UserName != "" {
		return nil, errors.New("a scheduler takes nobody for somebody else: leave out --as, or --from-scheduler")
	}
	ip := net.ParseIP(address.Hostname())
	own := address.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if s.authority == "" && !own {
		return nil, fmt.Errorf("%s is another machine: name its certificate authority by --scheduler-ca, or forward its port to this one",
			address.Hostname())
	}
	config := rest.CopyConfig(cluster)
	config.Host, config.APIPath, config.Timeout = s.address, "", schedulerTimeout
	config.CAFile, config.CAData, config.ServerName = s.authority, nil, ""
	config.Insecure = s.authority == ""
	return config, nil
}

// asKnownTo takes the objects for what the scheduler knows: without Headrooms that it has not seen, with what it has reserved, with the
// Headrooms whose placeholders cannot be deleted, and with consumers where it has decided to bind them. It leaves alone the pod that is
// asked about.
func (o *objects) asKnownTo(state *running.State, asked *corev1.Pod) {
	o.Reserved = map[types.UID]bool{}
	decided := map[types.UID]string{}
	for _, reserved := range state.Reserved {
		o.Reserved[reserved.Placeholder] = reserved.Stays
		for _, consumer := range reserved.Consumers {
			decided[consumer] = reserved.Node
		}
	}
	for _, pod := range o.Pods {
		if node := decided[pod.UID]; node != "" && pod != asked {
			pod.Spec.NodeName = node
		}
	}
	o.Undeletable = map[types.NamespacedName]bool{}
	for _, headroom := range state.Undeletable {
		namespace, name, _ := strings.Cut(headroom, "/")
		o.Undeletable[types.NamespacedName{Namespace: namespace, Name: name}] = true
	}
	o.Headrooms = slices.DeleteFunc(o.Headrooms, func(h *v1alpha1.Headroom) bool {
		return !slices.Contains(state.Headrooms, h.Namespace+"/"+h.Name)
	})
}
