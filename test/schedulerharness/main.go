package schedulerharness

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	apiservertesting "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
	"k8s.io/kubernetes/test/integration/framework"
)

// envLogs, when set to anything, lets the logs of the API server and of the schedulers through to standard error. Their
// verbosity is then set by -args -v=N.
const envLogs = "HEADROOM_TEST_LOGS"

// Options are what a package of tests may change about its API server. The zero value serves most.
type Options struct {
	// APIServerFlags are added to the flags of the API server, for example --runtime-config or --feature-gates. Feature gates of
	// the API server hold for the schedulers too: they share the process.
	APIServerFlags []string
	// WithoutCRD leaves the Headroom CRD out.
	WithoutCRD bool
}

// admission that would need controllers which do not run here, or that would forbid tests to set a pod's priority directly.
const disabledAdmission = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority,StorageObjectInUseProtection"

// shared is the API server of the process.
var shared struct {
	mu      sync.Mutex
	options Options
	dir     string
	config  *rest.Config
	stop    []func()
}

// Main runs the tests of a package and ends the process with their result. The API server starts with the first test that asks
// for a cluster, so that a run that selects none of them needs no etcd.
func Main(m *testing.M, options Options) {
	if os.Getenv(envLogs) == "" {
		silence := flag.NewFlagSet("klog", flag.PanicOnError)
		klog.InitFlags(silence)
		_ = silence.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"})
		klog.SetOutput(io.Discard) //nolint:logcheck // of the whole process, before there is any context
	} else {
		letLogsThrough(flag.CommandLine, os.Args[1:])
	}
	shared.options = options
	code := m.Run()
	stopServer()
	os.Exit(code)
}

// letLogsThrough adds klog's flags to those of the command line and parses them. Packages that a test imports may have defined some of them
// for logs of their own: these hold for klog too.
func letLogsThrough(commandLine *flag.FlagSet, arguments []string) {
	logs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(logs)
	logs.VisitAll(func(f *flag.Flag) {
		if commandLine.Lookup(f.Name) == nil {
			commandLine.Var(f.Value, f.Name, f.Usage)
		}
	})
	_ = commandLine.Parse(arguments) // it ends the process if they are wrong
	commandLine.Visit(func(f *flag.Flag) {
		if logs.Lookup(f.Name) != nil {
			_ = logs.Set(f.Name, f.Value.String())
		}
	})
}

// server returns the configuration of a client that may do everything, and starts the API server if this is the first call.
func server() (*rest.Config, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.config != nil {
		return shared.config, nil
	}
	dir, err := os.MkdirTemp("", "headroom-scheduler-test-")
	if err != nil {
		return nil, fmt.Errorf("creating the test's directory: %w", err)
	}
	shared.dir = dir
	// The test server puts its certificates below TMPDIR: keep everything in one place, and remove that.
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return nil, fmt.Errorf("setting TMPDIR: %w", err)
	}
	url, stopEtcd, err := startEtcd(dir)
	if err != nil {
		return nil, err
	}
	shared.stop = append(shared.stop, stopEtcd)
	config, err := startAPIServer(url)
	if err != nil {
		return nil, err
	}
	if !shared.options.WithoutCRD {
		if err := installCRD(config); err != nil {
			return nil, err
		}
	}
	shared.config = config
	return config, nil
}

func startAPIServer(etcdURL string) (*rest.Config, error) {
	storage := framework.SharedEtcd()
	storage.Transport.ServerList = []string{etcdURL}
	storage.Prefix = path.Join("/", "registry")
	flags := append([]string{disabledAdmission, "--endpoint-reconciler-type=none"}, shared.options.APIServerFlags...)
	tb := &processTB{}
	instance := &apiservertesting.TestServerInstanceOptions{EnableCertAuth: true, DisableInvariantChecks: true}
	started, err := apiservertesting.StartTestServer(tb, instance, flags, storage)
	if err != nil {
		return nil, fmt.Errorf("starting the API server: %w", err)
	}
	shared.stop = append(shared.stop, tb.runCleanups, started.TearDownFn)
	return started.ClientConfig, nil
}

func stopServer() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for i := len(shared.stop) - 1; i >= 0; i-- {
		shared.stop[i]()
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
}
