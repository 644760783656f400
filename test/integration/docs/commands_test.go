package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/docs"
)

// needs are the commands that no test can run, by what they begin with, and what they need. A command of the documentation that is not here
// has to run. testedPage lists them for readers.
var needs = []struct{ prefix, what string }{
	{"kubectl get nodepools", "Karpenter"},
	{"kubectl get nodeclaims", "Karpenter"},
	{"kubectl get headrooms.openfaas.com", "the OpenFaaS Headroom Controller"},
	{"kubectl get pod -l headroom.dev/headroom=web -o json", "jq, and a cluster with placeholders"},
	{"kubectl get pods -A -l headroom.dev/headroom -o json", "jq"},
	{"crane ", "a registry, and crane"},
	{"skopeo ", "a registry, and skopeo"},
	{"cosign ", "a release, and cosign"},
	{"gh ", "a release, and GitHub's CLI"},
	{"sha256sum ", "a release"},
	{"diff ", "a release"},
	{"docker ", "a container engine"},
	{"kubectl headroom __complete ", "an argument: it is a script's"},
	{"kubectl -n headroom-system port-forward ", "a cluster that runs containers"},
	{"kubectl headroom explain pod web-1 -n shop --from-scheduler ", "a scheduler at that address"},
	{"make build && sudo install ", "root"},
	{"helm install headroom oci://", "a release"},
	{"helm upgrade headroom oci://", "a release"},
	{"kubectl apply -f https://raw.githubusercontent.com/headroom-dev/", "a release"},
	{"kubectl krew ", "krew"},
	{"git ", "a release, made by hand"},
}

// testedPage says what of the documentation is not run.
const testedPage = "docs/reference/tested.md"

func TestThePageListsWhatNoTestRuns(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(t), testedPage))
	require.NoError(t, err)
	listed := map[string]string{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		listed[match[1]] = match[2]
	}
	want := map[string]string{}
	for _, need := range needs {
		want[strings.TrimSpace(need.prefix)] = need.what
	}
	for _, kind := range foreign {
		require.Contains(t, listed, kind, "it is not on the page")
		want[kind] = listed[kind]
	}
	require.Equal(t, want, listed)
}

// lacking is what commands may say that would work where there is what they are about.
var lacking = regexp.MustCompile(`(?im)not ?found|already exists|is not in the (cluster|files)|^no$`)

// changing are the verbs of kubectl that are run without effect.
var changing = regexp.MustCompile(`^kubectl (?:(?:-n|--namespace) \S+ )?(create|label|annotate|scale|cordon|uncordon|delete|apply -f)\b`)

func TestEveryCommandRunsOrIsKnownToNeedMore(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root(t), "manifests/crd")))
	checked := 0
	for _, block := range blocks(t) {
		if block.Page == startPage && taken.MatchString(block.Section) {
			continue // TestTheFirstSteps
		}
		shell := newShell(t, c)
		for _, command := range block.Commands() {
			checked++
			if slices.ContainsFunc(needs, func(n struct{ prefix, what string }) bool { return strings.HasPrefix(command, n.prefix) }) {
				continue
			}
			if wrong := check(t, shell, command); wrong != "" {
				t.Errorf("%s:%d: %s\n%s", block.Page, block.Line, command, wrong)
			}
		}
	}
	require.Greater(t, checked, 80)
}

// check runs a command in the way that fits it, and returns what is wrong with it.
func check(t *testing.T, shell *shell, command string) string {
	t.Helper()
	command = strings.ReplaceAll(command, "\\\n", " ")
	switch first, rest, _ := strings.Cut(command, " "); {
	case strings.Contains(command, " && "):
		for part := range strings.SplitSeq(command, " && ") {
			if wrong := check(t, shell, part); wrong != "" {
				return wrong
			}
		}
		return ""
	case first == "make":
		return checkMake(t, rest)
	case first == "go":
		return checkGo(t, rest)
	case strings.HasPrefix(first, "hack/"), strings.HasPrefix(first, "bin/"):
		return checkFile(t, first)
	case first == "helm" && strings.Contains(command, "manifests/charts/headroom"):
		return attempt(t, shell, asTemplate(command))
	case strings.Contains(command, " -k "):
		return attempt(t, shell, regexp.MustCompile(`^kubectl (apply|delete).* -k (\S+).*$`).ReplaceAllString(command, "kubectl kustomize $2"))
	case changing.MatchString(command):
		return attempt(t, shell, command+" --dry-run=server")
	case first == "kubectl", first == "helm":
		return attempt(t, shell, command)
	}
	return "no test knows how to run it: have it run, or add it to the list of commands that need more"
}

func attempt(t *testing.T, shell *shell, command string) string {
	t.Helper()
	out, err := shell.run(t, command)
	if err != nil && !lacking.MatchString(out) {
		return "run as " + command + ": " + out
	}
	return ""
}

// asTemplate renders what Helm would install.
func asTemplate(command string) string {
	command = regexp.MustCompile(`^helm (install|upgrade)`).ReplaceAllString(command, "helm template")
	for _, flag := range []string{"--reset-then-reuse-values", "--take-ownership", "--force-conflicts"} {
		command = strings.ReplaceAll(command, flag, "")
	}
	return command + " --kube-version 1.37.0 > /dev/null"
}

// checkMake looks for the targets and variables in the Makefile.
func checkMake(t *testing.T, arguments string) string {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	require.NoError(t, err)
	arguments = regexp.MustCompile(`'[^']*'`).ReplaceAllString(arguments, "x")
	for word := range strings.FieldsSeq(arguments) {
		if name, _, isVariable := strings.Cut(word, "="); isVariable {
			if !regexp.MustCompile(`(?m)^` + name + ` [?:]?=.*##V `).Match(makefile) {
				return "the Makefile has no variable " + name
			}
		} else if !regexp.MustCompile(`(?m)^` + word + `:.*## `).Match(makefile) {
			return "the Makefile has no target " + word
		}
	}
	return ""
}

// checkGo looks for the packages that a test is run of.
func checkGo(t *testing.T, arguments string) string {
	t.Helper()
	for word := range strings.FieldsSeq(arguments) {
		if folder, isPackage := strings.CutPrefix(word, "./"); isPackage {
			if wrong := checkFile(t, strings.TrimSuffix(folder, "/...")); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// checkFile looks for a file of the repository, or for the command that a binary is built of.
func checkFile(t *testing.T, path string) string {
	t.Helper()
	if name, isBinary := strings.CutPrefix(path, "bin/"); isBinary {
		path = "cmd/" + strings.TrimPrefix(name, "headroom-")
		if _, err := os.Stat(filepath.Join(root(t), path)); err != nil {
			path = "hack/" + name
		}
	}
	if _, err := os.Stat(filepath.Join(root(t), path)); err != nil {
		return err.Error()
	}
	return ""
}

func TestACommandThatIsWrongIsFound(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root(t), "manifests/crd")))
	shell := newShell(t, c)
	for _, command := range []string{
		"kubectl get headrooms --no-such-flag",
		"kubectl get headroomz",
		"kubectl scale hdr/web --replica=5",
		"kubectl get hdr -o jsonpath='{.items[*'",
		"kubectl apply --server-side -k manifests/gone",
		"helm install headroom manifests/charts/headroom --set controller.replica=3",
		"helm histori headroom",
		"make teste",
		"make demo DEMO_OUTPUT=x",
		"hack/gone.sh",
		"go test ./pkg/gone",
		"reboot",
	} {
		require.NotEmpty(t, check(t, shell, command), command)
	}
	require.Empty(t, check(t, shell, "kubectl get hdr web"))
	require.Len(t, docs.Block{Language: "console", Text: "reboot\n"}.Commands(), 1)
}
