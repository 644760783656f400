package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster/process"
)

// defaultTimeout is the default of Options.Timeout: somebody at a terminal wants to hear of it when something hangs.
const defaultTimeout = time.Minute

// Options say what to start. The zero value is the whole control plane without a scheduler.
type Options struct {
	// APIServerOnly leaves out kube-controller-manager and KWOK: enough for tests of CRDs, admission and RBAC, and
	// three times as fast. Pods need no service account then, because nobody makes one.
	APIServerOnly bool
	// APIServerArgs, ControllerManagerArgs and KWOKArgs are added to the arguments of the programs.
	APIServerArgs, ControllerManagerArgs, KWOKArgs []string
	// Port of the API server on 127.0.0.1. Default: a free one.
	Port int
	// Tools is the folder with the binaries. Default: what FindTools finds.
	Tools string
	// ControlPlane is a folder with kube-apiserver and kube-controller-manager of another Kubernetes version. Default: Tools.
	ControlPlane string
	// LogDir is a folder for the log files, which stays. Default: the folder "logs" in the temporary folder, which
	// goes, unless the start fails: then it is kept, and the error names it.
	LogDir string
	// Timeout bounds the start, and later each wait for what takes seconds, such as nodes that become ready or a program that becomes
	// the leader. It is only used up where something hangs, since a program that ends is noticed at once. Default: one minute.
	Timeout time.Duration
}

// Cluster is a running control plane.
type Cluster struct {
	tools  Tools
	group  *process.Group
	port   *reservedPort
	creds  *credentials
	logDir string
	// timeout bounds each wait, see Options.
	timeout time.Duration
	// ownLogs: the log folder lies in the temporary folder.
	ownLogs bool
	// apiServerOnly as in Options.
	apiServerOnly bool

	once    sync.Once
	stopErr error

	died chan error
}

// Start starts a cluster and returns when it serves. The error is one sentence with the cause and, where there is
// one, the log file; nothing is left running then. ctx bounds the start, not the life of the cluster: call Stop.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	tools, err := findTools(opts)
	if err != nil {
		return nil, err
	}
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, opts.Timeout, fmt.Errorf("not ready after %s", opts.Timeout))
	defer cancel()

	c := &Cluster{tools: tools, timeout: opts.Timeout, apiServerOnly: opts.APIServerOnly, died: make(chan error, 1)}
	if c.port, err = reservePort(opts.Port); err != nil {
		return nil, err
	}
	if c.group, err = process.NewGroup("", "headroom-cluster-"); err != nil {
		c.port.release()
		return nil, err
	}
	if err := c.start(ctx, opts); err != nil {
		return nil, errors.Join(c.KeepLogs(err), c.Stop())
	}
	return c, nil
}

// findTools fails when one of the binaries that the options ask for is missing, before anything is started.
func findTools(opts Options) (Tools, error) {
	tools := Tools{Dir: opts.Tools}
	if tools.Dir == "" {
		var err error
		if tools, err = FindTools(); err != nil {
			return Tools{}, err
		}
	}
	tools.ControlPlane = opts.ControlPlane
	names := []string{"etcd", "kube-apiserver"}
	if !opts.APIServerOnly {
		names = append(names, "kube-controller-manager", "kwok")
	}
	for _, name := range names {
		if _, err := tools.Binary(name); err != nil {
			return Tools{}, err
		}
	}
	if opts.APIServerOnly {
		return tools, nil
	}
	_, err := tools.kwokStages()
	return tools, err
}

func (c *Cluster) start(ctx context.Context, opts Options) error {
	if c.logDir = opts.LogDir; c.logDir == "" {
		c.logDir, c.ownLogs = filepath.Join(c.group.Dir, "logs"), true
	}
	if err := os.MkdirAll(c.logDir, 0o700); err != nil {
		return fmt.Errorf("making the folder for logs: %w", err)
	}
	var err error
	if c.creds, err = newCredentials(c.group.Dir, time.Now()); err != nil {
		return err
	}
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	if err := c.startAPIServer(ctx, opts); err != nil {
		return err
	}
	if opts.APIServerOnly {
		return nil
	}
	if err := c.startControllerManager(ctx, opts); err != nil {
		return err
	}
	return c.startKWOK(opts)
}

// KeepLogs is for an error that ends the cluster before its time: if it names a log file in the temporary folder, the
// logs are moved to a folder that stays, and the error returned names that one.
func (c *Cluster) KeepLogs(cause error) error {
	if !c.ownLogs || !strings.Contains(cause.Error(), c.logDir) || errors.Is(cause, context.Canceled) {
		return cause
	}
	kept, err := os.MkdirTemp("", "headroom-logs-")
	if err != nil {
		return cause
	}
	target := filepath.Join(kept, "logs")
	if err := os.Rename(c.logDir, target); err != nil {
		return errors.Join(cause, os.Remove(kept))
	}
	return errors.New(strings.ReplaceAll(cause.Error(), c.logDir, target))
}

// Stop ends every program, those of RunProcess first, and removes the temporary folder. When it returns nothing is
// left. It may be called again.
func (c *Cluster) Stop() error {
	c.once.Do(func() {
		c.stopErr = c.group.Close()
		c.port.release()
	})
	return c.stopErr
}

// Died delivers one error when a program of the cluster ends without having been asked to. See KeepLogs.
func (c *Cluster) Died() <-chan error { return c.died }

// NeedsServiceAccounts reports whether a pod needs the service account of its namespace, which kube-controller-manager makes a moment after
// the namespace: in every cluster that is not APIServerOnly.
func (c *Cluster) NeedsServiceAccounts() bool { return !c.apiServerOnly }

// Dir is the cluster's temporary folder; files put there go with the cluster.
func (c *Cluster) Dir() string { return c.group.Dir }

// LogDir is the folder with the log of each program, NAME.log.
func (c *Cluster) LogDir() string { return c.logDir }

// Tools is the folder that the binaries come from.
func (c *Cluster) Tools() Tools { return c.tools }

// RESTConfig is the administrator's access, without a client-side rate limit.
func (c *Cluster) RESTConfig() *rest.Config { return c.configWithToken(c.creds.tokens[userAdmin]) }

// Client is an administrator's client for the built-in kinds, CRDs and Headrooms.
func (c *Cluster) Client() (client.Client, error) {
	config := c.RESTConfig()
	// Else controller-runtime writes warnings to a logger that nobody has set, and a stack trace about that.
	config.WarningHandler = rest.NoWarnings{}
	cl, err := client.New(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return cl, nil
}

// Scheme knows the built-in kinds and the Headroom API.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}
