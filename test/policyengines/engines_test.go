//go:build policyengines

package policyengines

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
)

// samples is the folder of what the documentation shows, from the root of the repository.
const samples = "manifests/samples/policies"

// load reads an object of a file of the repository.
func load(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(filepath.Join(root, file))
	require.NoError(t, err)
	require.Len(t, objects, 1, file)
	return objects[0]
}

// write puts an object into a file.
func write(t *testing.T, object any) string {
	t.Helper()
	data, err := yaml.Marshal(object)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "object.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// run runs a tool, which may find what it is given wanting, and returns what it prints.
func run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	binary, err := tools.Binary(tool)
	require.NoError(t, err, "make test-policy-engines builds it")
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		exit := (*exec.ExitError)(nil)
		require.True(t, errors.As(err, &exit) && exit.ExitCode() == 1, "%s %v: %v: %s", tool, args, err, stderr.String())
	}
	t.Logf("%s %v\n%s%s", tool, args, stdout.String(), stderr.String())
	return stdout.String()
}

// engine asks a policy engine about a request, and reports whether it is refused.
type engine func(t *testing.T, r request) bool

var result = regexp.MustCompile(`(?m)^\s*result: (\w+)$`)

// kyverno is Kyverno with a policy, and with an exception if that is not nil.
func kyverno(policy, exception *unstructured.Unstructured) engine {
	return func(t *testing.T, r request) bool {
		t.Helper()
		user := map[string]any{
			"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "UserInfo", "metadata": map[string]any{"name": "user"},
			"userInfo": map[string]any{"username": r.user, "groups": []string{"system:authenticated"}},
		}
		args := []string{
			"apply", write(t, policy), "--resource", write(t, r.object), "--userinfo", write(t, user), "--policy-report", "--remove-color",
		}
		if exception != nil {
			args = append(args, "--exception", write(t, exception))
		}
		var results []string
		for _, match := range result.FindAllStringSubmatch(run(t, "kyverno", args...), -1) {
			results = append(results, match[1])
		}
		require.NotContains(t, results, "error")
		require.True(t, !r.fits || slices.Contains(results, "pass"), "the policy was not asked")
		return slices.Contains(results, "fail")
	}
}

// gatekeeper is Gatekeeper with a constraint. It knows nothing of who asks.
func gatekeeper(t *testing.T, constraint *unstructured.Unstructured) engine {
	template := load(t, "test/policyengines/testdata/gatekeeper-template.yaml")
	return func(t *testing.T, r request) bool {
		t.Helper()
		out := run(t, "gator", "test", "--output=json",
			"--filename", write(t, template), "--filename", write(t, constraint), "--filename", write(t, r.object))
		var violations []any
		require.NoError(t, json.Unmarshal([]byte(out), &violations))
		return len(violations) > 0
	}
}

// without is an object without one of its fields.
func without(t *testing.T, object *unstructured.Unstructured, fields ...string) *unstructured.Unstructured {
	t.Helper()
	less := object.DeepCopy()
	_, found, err := unstructured.NestedFieldNoCopy(less.Object, fields...)
	require.NoError(t, err)
	require.True(t, found, "%v", fields)
	unstructured.RemoveNestedField(less.Object, fields...)
	return less
}

// withoutExclude is a ClusterPolicy of one rule without its exclude.
func withoutExclude(t *testing.T, policy *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	less := policy.DeepCopy()
	rules, _, err := unstructured.NestedSlice(less.Object, "spec", "rules")
	require.NoError(t, err)
	require.Len(t, rules, 1)
	rule := rules[0].(map[string]any)
	require.Contains(t, rule, "exclude")
	delete(rule, "exclude")
	require.NoError(t, unstructured.SetNestedSlice(less.Object, rules, "spec", "rules"))
	return less
}

// expect has an engine judge requests.
func expect(t *testing.T, judge engine, refused, passed []request) {
	t.Helper()
	for _, r := range refused {
		t.Run(r.name+" refused", func(t *testing.T) { require.True(t, judge(t, r)) })
	}
	for _, r := range passed {
		t.Run(r.name+" passed", func(t *testing.T) { require.False(t, judge(t, r)) })
	}
}

func TestAClusterPolicyLeavesPlaceholdersOutByExclude(t *testing.T) {
	policy := load(t, samples+"/kyverno/cluster-policy.yaml")
	t.Run("without it", func(t *testing.T) {
		expect(t, kyverno(withoutExclude(t, policy), nil),
			[]request{placeholderPod, daemonPod, daemonSet, workloadPod, workload, disguisedPod}, []request{fittingPod})
	})
	t.Run("with it", func(t *testing.T) {
		expect(t, kyverno(policy, nil), []request{workloadPod, disguisedPod}, []request{placeholderPod, daemonPod, daemonSet, fittingPod, workload})
	})
}

func TestAPolicyExceptionLeavesPlaceholdersOutOfAClusterPolicy(t *testing.T) {
	policy := load(t, "test/policyengines/testdata/kyverno-require-limits.yaml")
	t.Run("without it", func(t *testing.T) {
		expect(t, kyverno(policy, nil), []request{placeholderPod, daemonPod, daemonSet, workloadPod, workload, disguisedPod}, []request{fittingPod})
	})
	t.Run("with it", func(t *testing.T) {
		expect(t, kyverno(policy, load(t, samples+"/kyverno/policy-exception.yaml")),
			[]request{workloadPod, workload, disguisedPod}, []request{placeholderPod, daemonPod, daemonSet, fittingPod})
	})
}

func TestAValidatingPolicyLeavesPlaceholdersOutByACondition(t *testing.T) {
	policy := load(t, samples+"/kyverno/validating-policy.yaml")
	t.Run("without it", func(t *testing.T) {
		expect(t, kyverno(without(t, policy, "spec", "matchConditions"), nil),
			[]request{placeholderPod, daemonPod, workloadPod, disguisedPod}, []request{fittingPod})
	})
	t.Run("with it", func(t *testing.T) {
		expect(t, kyverno(policy, nil), []request{workloadPod, disguisedPod}, []request{placeholderPod, daemonPod, daemonSet, fittingPod})
	})
}

func TestAPolicyExceptionLeavesPlaceholdersOutOfAValidatingPolicy(t *testing.T) {
	policy := load(t, "test/policyengines/testdata/kyverno-require-probes.yaml")
	t.Run("without it", func(t *testing.T) {
		expect(t, kyverno(policy, nil), []request{placeholderPod, daemonPod, workloadPod, disguisedPod}, []request{fittingPod})
	})
	t.Run("with it", func(t *testing.T) {
		expect(t, kyverno(policy, load(t, samples+"/kyverno/validating-exception.yaml")),
			[]request{workloadPod, disguisedPod}, []request{placeholderPod, daemonPod, daemonSet, fittingPod})
	})
}

func TestAConstraintOfGatekeeperLeavesPlaceholdersOutByTheirLabel(t *testing.T) {
	constraint := load(t, samples+"/gatekeeper/constraint.yaml")
	t.Run("without it", func(t *testing.T) {
		expect(t, gatekeeper(t, without(t, constraint, "spec", "match", "labelSelector")),
			[]request{placeholderPod, daemonPod, workloadPod}, []request{fittingPod})
	})
	t.Run("with it", func(t *testing.T) {
		expect(t, gatekeeper(t, constraint), []request{workloadPod}, []request{placeholderPod, daemonPod, daemonSet, fittingPod})
	})
}
