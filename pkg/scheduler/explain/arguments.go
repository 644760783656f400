package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"

	"github.com/headroom-dev/headroom/api/config"
	_ "github.com/headroom-dev/headroom/api/config/scheme" // The decoder has to know the plugin's arguments.
	"github.com/headroom-dev/headroom/api/config/v1"
	"github.com/headroom-dev/headroom/api/config/validation"
)

// plugin is the plugin's name in configuration files, as headroom.Name. That package is not imported: it is made of those below.
const plugin = "Headroom"

// Profile is how a scheduler is configured for the pods of one scheduler name.
type Profile struct {
	// Args are the plugin's arguments.
	Args *config.HeadroomArgs
	// Scheduler is the whole profile of kube-scheduler, the plugin included if it is from a file.
	Scheduler *schedulerconfig.KubeSchedulerProfile
	// Source is the file or the scheduler that it is from, empty for the defaults.
	Source string
}

// ReadProfile returns the profile for the pods of a scheduler name, from a configuration file of kube-scheduler. Without a file it is
// kube-scheduler's default profile with the plugin's defaults, and without a scheduler name the first profile that has the plugin. It fails
// if the file is not valid, or if the plugin is not in the pods' profile.
func ReadProfile(ctx context.Context, file, schedulerName string) (*Profile, error) {
	if file == "" {
		return defaultProfile()
	}
	configuration, err := options.LoadConfigFromFile(klog.FromContext(ctx), file)
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's configuration %s: %w", file, err)
	}
	return profileIn(configuration, file, schedulerName)
}

// ParseProfile returns the profile for the pods of a scheduler name from a KubeSchedulerConfiguration. source says where that is from.
func ParseProfile(configuration []byte, source, schedulerName string) (*Profile, error) {
	object, gvk, err := schedulerscheme.Codecs.UniversalDecoder().Decode(configuration, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", source, err)
	}
	decoded, ok := object.(*schedulerconfig.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("the configuration of %s is a %s, not one of kube-scheduler", source, gvk.Kind)
	}
	decoded.APIVersion = gvk.GroupVersion().String()
	return profileIn(decoded, source, schedulerName)
}

func profileIn(configuration *schedulerconfig.KubeSchedulerConfiguration, source, schedulerName string) (*Profile, error) {
	var names []string
	for i := range configuration.Profiles {
		profile := &configuration.Profiles[i]
		names = append(names, profile.SchedulerName)
		if schedulerName != "" && profile.SchedulerName != schedulerName {
			continue
		}
		if args := argumentsIn(profile); args != nil {
			args.IgnoredResources = append(args.IgnoredResources, ignoredResources(configuration, profile)...)
			path := field.NewPath("profiles").Index(i).Child("pluginConfig").Key(plugin).Child("args")
			found := &Profile{Args: args, Scheduler: profile, Source: source}
			return found, validation.ValidateHeadroomArgs(path, args).ToAggregate()
		}
		if schedulerName != "" {
			return nil, fmt.Errorf("the profile %s of %s does not have the plugin %s, so its pods take no headroom",
				schedulerName, source, plugin)
		}
	}
	if schedulerName == "" {
		return nil, fmt.Errorf("no profile of %s has the plugin %s", source, plugin)
	}
	return nil, fmt.Errorf("%s has no profile %s, which is the pod's schedulerName; it has %s",
		source, schedulerName, strings.Join(names, ", "))
}

// argumentsIn returns the plugin's arguments in a profile, nil if it does not have the plugin.
func argumentsIn(profile *schedulerconfig.KubeSchedulerProfile) *config.HeadroomArgs {
	i := slices.IndexFunc(profile.PluginConfig, func(c schedulerconfig.PluginConfig) bool { return c.Name == plugin })
	if i < 0 {
		return nil
	}
	args, _ := profile.PluginConfig[i].Args.(*config.HeadroomArgs)
	return args
}

// ignoredResources returns the resources that the scheduler tells NodeResourcesFit of a profile to ignore: those that extenders manage in
// its
// place, or else those of its arguments.
func ignoredResources(configuration *schedulerconfig.KubeSchedulerConfiguration, profile *schedulerconfig.KubeSchedulerProfile) []string {
	var ignored []string
	for _, extender := range configuration.Extenders {
		for _, managed := range extender.ManagedResources {
			if managed.IgnoredByScheduler {
				ignored = append(ignored, managed.Name)
			}
		}
	}
	if len(ignored) > 0 {
		return ignored
	}
	for _, plugin := range profile.PluginConfig {
		if args, ok := plugin.Args.(*schedulerconfig.NodeResourcesFitArgs); ok {
			return args.IgnoredResources
		}
	}
	return nil
}

func defaultProfile() (*Profile, error) {
	versioned, args := &v1.HeadroomArgs{}, &config.HeadroomArgs{}
	v1.SetDefaultsHeadroomArgs(versioned)
	if err := schedulerscheme.Scheme.Convert(versioned, args, nil); err != nil {
		return nil, fmt.Errorf("converting the default arguments: %w", err)
	}
	defaults, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("making kube-scheduler's default profile: %w", err)
	}
	return &Profile{Args: args, Scheduler: &defaults.Profiles[0]}, nil
}
