package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// input has four nodes in three zones, full but for placeholders of three Headrooms, and the pod shop/web-1.
var input = filepath.Join("testdata", "cluster.yaml")

// explainFrom runs "kubectl headroom explain" and returns what it prints.
func explainFrom(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	command := newCommand(genericiooptions.IOStreams{In: strings.NewReader(in), Out: &out, ErrOut: &out})
	command.SetArgs(append([]string{"explain"}, args...))
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestTheOutputIsTheOneOnRecord(t *testing.T) {
	tests := map[string][]string{
		"placeholders.txt": {"-f", input},
		"web-1.txt":        {"-f", input, "--consumer", "shop/web-1"},
	}
	for golden, args := range tests {
		t.Run(golden, func(t *testing.T) {
			out, err := explainFrom(t, "", args...)
			require.NoError(t, err)
			golden := filepath.Join("testdata", golden)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(out), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out, "UPDATE_GOLDEN=1 rewrites the file")
		})
	}
}

// kubectl get -o yaml prints one List, of all kinds asked for.
func TestAListOfKubectlIsRead(t *testing.T) {
	documents, err := os.ReadFile(input)
	require.NoError(t, err)
	list := "kind: List\napiVersion: v1\nitems:\n- {kind: Lease, apiVersion: coordination.k8s.io/v1, metadata: {name: ignored}}\n"
	for document := range strings.SplitSeq(string(documents), "---\n") {
		list += "-\n" + regexp.MustCompile("(?m)^").ReplaceAllString(strings.TrimSpace(document), "  ") + "\n"
	}
	want, err := os.ReadFile(filepath.Join("testdata", "web-1.txt"))
	require.NoError(t, err)
	out, err := explainFrom(t, list, "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Equal(t, string(want), out)
	out, err = explainFrom(t, list, "-f", "-", "--consumer", "web-1", "-n", "shop")
	require.NoError(t, err)
	require.Equal(t, string(want), out, "a name alone is looked for in the namespace")
}

func TestStandardInputIsRead(t *testing.T) {
	out, err := explainFrom(t, "kind: List\napiVersion: v1\nitems: []\n", "-f", "-")
	require.NoError(t, err)
	require.Equal(t, "No node holds a placeholder.\n", out)
}

func TestTheObjectsOfAllFilesCountTogether(t *testing.T) {
	documents, err := os.ReadFile(input)
	require.NoError(t, err)
	want, err := os.ReadFile(filepath.Join("testdata", "web-1.txt"))
	require.NoError(t, err)
	all := strings.SplitAfter(string(documents), "---\n")
	one, other := strings.Join(all[:len(all)/2], ""), strings.Join(all[len(all)/2:], "")
	file := filepath.Join(t.TempDir(), "some.yaml")
	require.NoError(t, os.WriteFile(file, []byte(one), 0o600))
	for _, args := range [][]string{{"-f", file, "-f", "-"}, {"-f", "-", "-f", file}} {
		out, err := explainFrom(t, other, append(args, "--consumer", "shop/web-1")...)
		require.NoError(t, err)
		require.Equal(t, string(want), out)
	}
}

func TestBadInputEndsInASentence(t *testing.T) {
	tests := map[string]struct {
		args []string
		in   string
		want string
	}{
		"no cluster": {
			[]string{"--context", "none"}, "", "finding the cluster: ",
		},
		"a file that is not": {[]string{"-f", "testdata/none.yaml"}, "", "reading testdata/none.yaml: open testdata/none.yaml"},
		"no YAML":            {[]string{"-f", "-"}, "a: [", "reading -: "},
		"a pod without name": {[]string{"-f", "-"}, "kind: Pod\napiVersion: v1\n", "reading -: a Pod has no metadata.name"},
		"an unknown consumer": {
			[]string{"-f", "-", "--consumer", "x"}, "",
			"pod default/x is not in the files: name the consumer as NAMESPACE/NAME and include it",
		},
		"a quantity that is none": {
			[]string{"-f", "-"}, "{kind: Node, apiVersion: v1, metadata: {name: n}, status: {allocatable: {cpu: much}}}", "reading -: ",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
			_, err := explainFrom(t, tt.in, tt.args...)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// wantsCPU is in the spec of the consumer alone.
const wantsCPU = `priority: 0
  containers:
    - {name: main, image: main, resources: {requests: {cpu: "2"`

// with returns the input with some texts replaced.
func with(t *testing.T, replacements ...string) string {
	t.Helper()
	data, err := os.ReadFile(input)
	require.NoError(t, err)
	for i := 0; i < len(replacements); i += 2 {
		require.Contains(t, string(data), replacements[i])
	}
	return strings.NewReplacer(replacements...).Replace(string(data))
}

func TestAHeadroomThatIsUnknownIsClosed(t *testing.T) {
	// Its placeholders are left over. Their rules are not known, so nobody may take them, as in the scheduler.
	in := with(t, "kind: Headroom\nmetadata: {name: any,", "kind: Headroom\nmetadata: {name: another,")
	out, err := explainFrom(t, in, "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.NotContains(t, out, "takes shop/any-headroom-1")
	out, err = explainFrom(t, with(t, "kind: Headroom\nmetadata: {name: batch,", "kind: Headroom\nmetadata: {name: another,"),
		"-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Contains(t, out, "nodes without room for it\n  node-4: nothing is known of shop/batch\n")
}

func TestPodAffinityCountsAsInTheScheduler(t *testing.T) {
	out, err := explainFrom(t, nearNode3(t), "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Contains(t, out, "  1. node-3 takes shop/web-headroom-3\n     rule 1 Nearest: node-3 is in the same hostname, node-2 is in the same region\n")
}

// nearNode3 has the consumer prefer the host of the pod full-3.
func nearNode3(t *testing.T) string {
	t.Helper()
	return with(t,
		"  name: full-3\n  namespace: shop\n  uid: uid-full-3\n  labels: {app: web}", "  name: full-3\n  namespace: shop\n  uid: uid-full-3\n  labels: {app: db}",
		"  name: web-1\n  namespace: shop\n  uid: uid-web-1\n  labels: {app: web}\nspec:\n", `  name: web-1
  namespace: shop
  uid: uid-web-1
  labels: {app: web}
spec:
  schedulerName: headroom-scheduler
  affinity:
    podAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}}}
`)
}

const configuration = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: headroom-scheduler
  plugins: {multiPoint: {enabled: [{name: Headroom}]}, bind: {enabled: [{name: Headroom}]}, filter: {disabled: [{name: NodeResourcesFit}]}}
  pluginConfig:
  - name: Headroom
    args: {ARGS}
`

func TestTheArgumentsAreThoseOfTheConsumersProfile(t *testing.T) {
	config := filepath.Join(t.TempDir(), "scheduler.yaml")
	tests := map[string]struct{ args, in, want, wantError string }{
		"the defaults": {args: "{}", in: nearNode3(t), want: "  1. node-3 takes"},
		"no topology keys make all nodes equally near": {
			args: "{topologyKeys: []}", in: nearNode3(t), want: "  1. node-2 takes shop/any-headroom-1\n",
		},
		"another order": {
			args: "{nodeRules: [{name: LeastWaste}]}", in: nearNode3(t), want: "rule 3 LeastWaste: ",
		},
		"a resource that no node has": {
			args: "{}", in: strings.Replace(nearNode3(t), wantsCPU, wantsCPU+", example.com/gpu: 1", 1),
			want: "  node-3: it does not hold enough headroom\n",
		},
		"a resource that is ignored": {
			args: "{ignoredResources: [example.com/gpu]}", in: strings.Replace(nearNode3(t), wantsCPU, wantsCPU+", example.com/gpu: 1", 1),
			want: "  1. node-3 takes",
		},
		"a typo": {args: "{nodeRule: []}", in: nearNode3(t), wantError: `unknown field "nodeRule"`},
		"a value out of bounds": {
			args: "{victimWaitSeconds: 601}", in: nearNode3(t), wantError: "pluginConfig[Headroom].args.victimWaitSeconds",
		},
		"a profile without the plugin": {
			args: "{}", in: strings.Replace(nearNode3(t), "schedulerName: headroom-scheduler", "schedulerName: default-scheduler", 1),
			wantError: "the profile default-scheduler of " + config + " does not have the plugin Headroom, so its pods take no headroom",
		},
		"a profile that is not there": {
			args: "{}", in: strings.Replace(nearNode3(t), "schedulerName: headroom-scheduler", "schedulerName: other", 1),
			wantError: config + " has no profile other, which is the pod's schedulerName; it has default-scheduler, headroom-scheduler",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(config, []byte(strings.Replace(configuration, "{ARGS}", tt.args, 1)), 0o600))
			out, err := explainFrom(t, tt.in, "-f", "-", "--consumer", "shop/web-1", "--scheduler-config", config)
			if tt.wantError != "" {
				require.ErrorContains(t, err, tt.wantError)
				return
			}
			require.NoError(t, err)
			require.Contains(t, out, tt.want)
		})
	}
}

// TestNodesAreToldWithRoomAndWithoutIfThereAreAny: node-3 has room without its unit at first, then no node has, then all have.
func TestNodesAreToldWithRoomAndWithoutIfThereAreAny(t *testing.T) {
	const node3 = "kubernetes.io/hostname: node-3, topology.kubernetes.io/zone: zone-b, topology.kubernetes.io/region: r1}\nstatus:\n  allocatable: {cpu: "
	out, err := explainFrom(t, with(t, node3+`"8"`, node3+`"80"`), "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Contains(t, out, ". node-3 as it is\n")
	require.NotContains(t, out, "not shop/web-headroom-3")

	out, err = explainFrom(t, with(t, wantsCPU, strings.Replace(wantsCPU, `"2"`, `"200"`, 1)), "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.NotContains(t, out, "the nodes with room for it")
	out, err = explainFrom(t, with(t, "matchLabels: {app: batch}", "matchLabels: {app: web}", wantsCPU, strings.Replace(wantsCPU, `"2"`, `"1"`, 1)),
		"-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Contains(t, out, "node-4 takes shop/batch-headroom-0")
	require.NotContains(t, out, "nodes without room for it")
}

// TestAllUnitsThatAPodTakesAreToldAndWhyTheNextOneStays: it is the last one taken that the next one is told from.
func TestAllUnitsThatAPodTakesAreToldAndWhyTheNextOneStays(t *testing.T) {
	in := with(t, wantsCPU, strings.Replace(wantsCPU, `"2"`, `"4"`, 1))
	out, err := explainFrom(t, in, "-f", "-", "--consumer", "shop/web-1")
	require.NoError(t, err)
	require.Contains(t, out, ". node-2 takes shop/any-headroom-1, shop/web-headroom-2\n")
	require.Contains(t, out, ". node-1 takes shop/web-headroom-1, shop/web-headroom-0\n"+
		"     not shop/any-headroom-0: victim rule 2 named: the Headroom of shop/web-headroom-0 names the consumer, ")
	told, err := explained(t, in, "", "web-1")
	require.NoError(t, err)
	require.Equal(t, []string{"shop/any-headroom-1", "shop/web-headroom-2"}, told.Now.Takes)
}

func TestAUnitThatWouldGoFirstStaysIfTheOthersAreEnough(t *testing.T) {
	unit := func(name string, priority int32) evictionorder.Placeholder {
		return evictionorder.Placeholder{Name: name, UID: name, Priority: priority}
	}
	first, second, third := unit("first", -10), unit("second", -9), unit("third", -8)
	for want, option := range map[string]selection.Option{
		"the others are enough without it": {
			Victims: []evictionorder.Placeholder{second, third}, Others: []evictionorder.Placeholder{first},
		},
		"victim rule 3 priority: first has priority -10, second -9": {
			Victims: []evictionorder.Placeholder{first}, Others: []evictionorder.Placeholder{second, third},
		},
		"victim rule 3 priority: second has priority -9, third -8": {
			Victims: []evictionorder.Placeholder{first, second}, Others: []evictionorder.Placeholder{third},
		},
	} {
		require.Equal(t, want, whyNot(option))
	}
}

func TestAPodThatMayTakeNothingIsTold(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"its preemptionPolicy": {
			with(t, "  uid: uid-web-1\n  labels: {app: web}\nspec:\n", "  uid: uid-web-1\n  labels: {app: web}\nspec:\n  preemptionPolicy: Never\n"),
			"  node-3: the consumer's preemptionPolicy is Never\n",
		},
		"its priority": {
			with(t, wantsCPU, strings.Replace(wantsCPU, "priority: 0", "priority: -10", 1)),
			"  node-3: the consumer's priority is not above that of shop/web-headroom-3\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := explainFrom(t, tt.in, "-f", "-", "--consumer", "shop/web-1")
			require.NoError(t, err)
			require.Contains(t, out, tt.want)
		})
	}
}
