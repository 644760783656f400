// Package validation checks the arguments of the Headroom plugin.
package validation

import (
	"fmt"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/headroom-dev/headroom/api/config"
)

const (
	maxTopologyKeys        = 16
	maxTier                = 100
	maxWeight              = 1000
	maxVictimWaitSeconds   = 600
	maxEvictionParallelism = 256
	maxMinNodesToScore     = 1_000_000
)

// ValidateHeadroomArgs returns everything that is wrong with the arguments, each with its path below the given one.
func ValidateHeadroomArgs(path *field.Path, args *config.HeadroomArgs) field.ErrorList {
	errs := topologyKeys(path.Child("topologyKeys"), args.TopologyKeys)
	errs = append(errs, nodeRules(path.Child("nodeRules"), args.NodeRules)...)
	errs = append(errs, between(path.Child("victimWaitSeconds"), args.VictimWaitSeconds, 0, maxVictimWaitSeconds)...)
	errs = append(errs, between(path.Child("evictionParallelism"), args.EvictionParallelism, 1, maxEvictionParallelism)...)
	errs = append(errs, between(path.Child("minNodesToScore"), args.MinNodesToScore, 1, maxMinNodesToScore)...)
	errs = append(errs, guards(path, args)...)
	return append(errs, ignored(path, args)...)
}

func guards(path *field.Path, args *config.HeadroomArgs) field.ErrorList {
	var errs field.ErrorList
	known := []config.GuardHoles{config.GuardReserved, config.GuardAll, config.GuardNever}
	if !slices.Contains(known, args.GuardHoles) {
		errs = append(errs, field.NotSupported(path.Child("guardHoles"), args.GuardHoles, known))
	}
	if args.GuardNamespace != "" {
		for _, wrong := range apivalidation.ValidateNamespaceName(args.GuardNamespace, false) {
			errs = append(errs, field.Invalid(path.Child("guardNamespace"), args.GuardNamespace, wrong))
		}
	}
	return errs
}

func topologyKeys(path *field.Path, keys []string) field.ErrorList {
	var errs field.ErrorList
	if len(keys) > maxTopologyKeys {
		errs = append(errs, field.TooMany(path, len(keys), maxTopologyKeys))
	}
	seen := sets.New[string]()
	for i, key := range keys {
		errs = append(errs, metav1validation.ValidateLabelName(key, path.Index(i))...)
		if seen.Has(key) {
			errs = append(errs, field.Duplicate(path.Index(i), key))
		}
		seen.Insert(key)
	}
	return errs
}

func nodeRules(path *field.Path, rules []config.NodeRule) field.ErrorList {
	var errs field.ErrorList
	if len(rules) == 0 {
		errs = append(errs, field.Required(path, "name at least one rule, or leave the field out for the default order"))
	}
	seen := sets.New[string]()
	for i, rule := range rules {
		at := path.Index(i)
		if !slices.Contains(config.RuleNames(), rule.Name) {
			errs = append(errs, field.NotSupported(at.Child("name"), rule.Name, config.RuleNames()))
		}
		if seen.Has(rule.Name) {
			errs = append(errs, field.Duplicate(at.Child("name"), rule.Name))
		}
		seen.Insert(rule.Name)
		errs = append(errs, between(at.Child("tier"), rule.Tier, 1, maxTier)...)
		errs = append(errs, between(at.Child("weight"), rule.Weight, 1, maxWeight)...)
		if i > 0 && rule.Tier < rules[i-1].Tier {
			errs = append(errs, field.Invalid(at.Child("tier"), rule.Tier, "tiers must not decrease along the list"))
		}
		if rule.Weight > 1 && alone(rules, i) {
			errs = append(errs, field.Invalid(at.Child("weight"), rule.Weight,
				"has no effect on a rule alone in its tier: give it the tier of its neighbour, or leave the weight out"))
		}
	}
	return errs
}

// alone reports whether rule i shares its tier with no neighbour.
func alone(rules []config.NodeRule, i int) bool {
	tier := rules[i].Tier
	return (i == 0 || rules[i-1].Tier != tier) && (i == len(rules)-1 || rules[i+1].Tier != tier)
}

func between(path *field.Path, value, low, high int32) field.ErrorList {
	if value >= low && value <= high {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("must be between %d and %d", low, high))}
}

func ignored(path *field.Path, args *config.HeadroomArgs) field.ErrorList {
	var errs field.ErrorList
	for i, resource := range args.IgnoredResources {
		errs = append(errs, metav1validation.ValidateLabelName(resource, path.Child("ignoredResources").Index(i))...)
	}
	for i, group := range args.IgnoredResourceGroups {
		at := path.Child("ignoredResourceGroups").Index(i)
		if strings.Contains(group, "/") {
			errs = append(errs, field.Invalid(at, group, "must be the part of a resource name before the slash"))
			continue
		}
		errs = append(errs, metav1validation.ValidateLabelName(group, at)...)
	}
	return errs
}
