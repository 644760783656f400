// Package podpolicy decides whether the operator lets a Headroom's units be what its spec makes of them: which images they run, and
// what Pod Security lets them do. It talks to no API server.
package podpolicy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Levels are the Pod Security levels that can be enforced. There is none below baseline: whoever may create Headrooms need not have the
// right to create pods, and would otherwise have the controller make privileged ones.
var Levels = []string{string(api.LevelBaseline), string(api.LevelRestricted)}

// Policy is what the operator allows. Make it with New.
type Policy struct {
	images []string
	level  api.Level
	checks policy.Evaluator
}

// Refusal is why units may not be what the spec makes of them.
type Refusal struct {
	// Reason is a reason of the condition Ready.
	Reason string
	// Message says what is not allowed, and what to do.
	Message string
}

// New returns the policy that allows these images and enforces this level, which is one of Levels; empty means baseline. An image is
// allowed if it is written as one of the list, or begins with one that ends in "/*", ":*" or "@*", up to the asterisk; "*" alone allows
// every image. An empty list allows none. See ValidateImage.
func New(images []string, level string) (*Policy, error) {
	if level == "" {
		level = string(api.LevelBaseline)
	}
	if !slices.Contains(Levels, level) {
		return nil, fmt.Errorf("the Pod Security level is %q; choose one of %s", level, strings.Join(Levels, ", "))
	}
	for _, image := range images {
		if problem := ValidateImage(image); problem != "" {
			return nil, fmt.Errorf("the allowed image %q %s", image, problem)
		}
	}
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, fmt.Errorf("setting up the checks of Pod Security: %w", err)
	}
	return &Policy{images: slices.Clone(images), level: api.Level(level), checks: checks}, nil
}

// ValidateImage returns what is wrong with an entry of the list of allowed images, and nothing if it is right. An asterisk must stand at
// a border of the name: registry.example.com* would allow registry.example.com.attacker.example/x.
func ValidateImage(entry string) string {
	prefix, wild := strings.CutSuffix(entry, "*")
	switch {
	case entry == "" || strings.ContainsAny(entry, " \t\n,"):
		return "must be the name of an image"
	case strings.Contains(prefix, "*"):
		return "must have at most one asterisk, at the end"
	case wild && prefix != "" && !strings.ContainsAny(prefix[len(prefix)-1:], "/:@"):
		return `must have its asterisk after "/", ":" or "@", or be nothing but an asterisk`
	}
	return ""
}

// Check returns why the operator does not allow a placeholder, and nil if it is allowed. The pod is one that was built from the spec,
// before admission.
func (p *Policy) Check(pod *corev1.Pod) *Refusal {
	for i := range pod.Spec.Containers {
		if image := pod.Spec.Containers[i].Image; !p.allows(image) {
			return &Refusal{
				Reason: v1alpha1.ReasonImageNotAllowed,
				Message: fmt.Sprintf("The operator does not allow units to run the image %q. Leave spec.image out, or have the operator add "+
					"it to --allowed-images (%s).", image, strings.Join(p.images, ", ")),
			}
		}
	}
	level := api.LevelVersion{Level: p.level, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(p.checks.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	if result.Allowed {
		return nil
	}
	return &Refusal{
		Reason: v1alpha1.ReasonSecurityContextNotAllowed,
		Message: fmt.Sprintf("Units must meet Pod Security level %s, whatever the namespace enforces: %s. Change spec.securityContext, "+
			"spec.podSecurityContext or spec.podAnnotations.", p.level, result.ForbiddenDetail()),
	}
}

func (p *Policy) allows(image string) bool {
	return slices.ContainsFunc(p.images, func(entry string) bool {
		prefix, wild := strings.CutSuffix(entry, "*")
		return entry == image || wild && strings.HasPrefix(image, prefix)
	})
}
