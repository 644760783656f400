// Package app is the program headroom-controller: its command line and the wiring of its parts.
package app

import (
	"context"
	"fmt"
	_ "time/tzdata" // schedules name time zones, and the image has no files of them

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"github.com/headroom-dev/headroom/pkg/buildinfo"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// NewCommand returns the command headroom-controller.
func NewCommand() *cobra.Command {
	var configFile, kubeconfig string
	logging := logsapi.NewLoggingConfiguration()
	command := &cobra.Command{
		Use:   "headroom-controller",
		Short: "Keeps Headrooms topped up",
		Long: "headroom-controller keeps spare capacity ready: it makes the placeholder pods that Headroom objects ask for,\n" +
			"replaces those that pods take, and tells who took them.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := command.Flags()
	flags.StringVar(&configFile, "config", "", "Configuration file. Flags win over it.")
	flags.StringVar(&kubeconfig, "kubeconfig", "", "Kubeconfig file. Empty: the service account of the pod it runs in, else $KUBECONFIG.")
	config.Default().AddFlags(flags)
	logsapi.AddFlags(logging, flags)
	verflag.AddFlags(flags)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		verflag.PrintAndExitIfRequested()
		c, err := config.Load(configFile, cmd.Flags())
		if err != nil {
			return err
		}
		access, err := accessTo(kubeconfig)
		if err != nil {
			return err
		}
		if err := logsapi.ValidateAndApply(logging, nil); err != nil {
			return err
		}
		return run(signals.SetupSignalHandler(), access, c)
	}
	return command
}

// run works until the context ends.
func run(ctx context.Context, access *rest.Config, c *config.Config) error {
	defer logs.FlushLogs()
	logger := klog.LoggerWithName(klog.Background(), "headroom-controller")
	ctrllog.SetLogger(logger)
	ctx = klog.NewContext(ctx, logger)
	logger.Info("Starting", "version", buildinfo.Get().Version, "config", c)
	mgr, err := NewManager(ctx, access, c, nil)
	if err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the controller: %w", err)
	}
	logger.Info("Stopped")
	return nil
}

// accessTo finds the API server as kubectl does, and in a pod by its service account.
func accessTo(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	access, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	access.UserAgent = rest.DefaultKubernetesUserAgent()
	return access, nil
}
