package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/explanation"
	"github.com/headroom-dev/headroom/test/golden"
)

// explained runs "kubectl headroom explain pod" for a cluster in a file and returns what it says.
func explained(t *testing.T, cluster, in string, args ...string) (explanation.Explanation, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	require.NoError(t, os.WriteFile(file, []byte(cluster), 0o600))
	var told explanation.Explanation
	out, err := explainFrom(t, in, append([]string{"pod", "-n", "shop", "--cluster-file", file, "-o", "json"}, args...)...)
	if err == nil {
		require.NoError(t, json.Unmarshal([]byte(out), &told), out)
	}
	return told, err
}

func TestThePodIsExplainedAsOnRecord(t *testing.T) {
	out, err := explainFrom(t, "", "pod", "web-1", "-n", "shop", "--cluster-file", input)
	require.NoError(t, err)
	golden.Check(t, "pod-web-1.txt", out)
}

const toBeScheduled = "  name: web-1\n  namespace: shop\n  uid: uid-web-1\n  labels: {app: web}\nspec:\n"

func TestAPodThatHeadroomDoesNotServeIsToldWhatWouldHaveToChange(t *testing.T) {
	for name, tc := range map[string]struct {
		change         string
		priority       string
		reason         string
		misfit, remedy string
	}{
		"a node selector": {
			"  nodeSelector: {disk: ssd}\n", "0", "filtered", "node(s) didn't match Pod's node affinity/selector", "placement rules",
		},
		"its preemptionPolicy": {"  preemptionPolicy: Never\n", "0", "priority", "preemptionPolicy is Never", "nonPreempting"},
		"its priority":         {"", "-10", "priority", "priority is not above", "give the pod a PriorityClass whose value is above"},
		"its priority, though it may preempt": {
			"  preemptionPolicy: PreemptLowerPriority\n", "-10", "priority", "priority is not above",
			"give the pod a PriorityClass whose value is above",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ofPriority := strings.Replace(wantsCPU, "priority: 0", "priority: "+tc.priority, 1)
			told, err := explained(t, with(t, toBeScheduled, toBeScheduled+tc.change, wantsCPU, ofPriority), "", "web-1")
			require.NoError(t, err)
			require.Empty(t, told.Now.Takes)
			require.EqualValues(t, tc.reason, told.Now.Reason)
			require.Len(t, told.Now.Misfits, 4)
			words := ""
			for _, misfit := range told.Now.Misfits {
				words += misfit.Why + "\n"
			}
			require.Contains(t, words, tc.misfit)
			require.Contains(t, strings.Join(told.Now.Remedies, "; "), tc.remedy)
		})
	}
}

func TestASystemCriticalPodIsNotRefusedByConsumersAlone(t *testing.T) {
	for cpu, want := range map[string]string{
		"1":   "node-4: consumers.podSelector of shop/batch does not match; a system-critical pod gets the room all the same where no other node serves it",
		"2":   "node-4: it does not hold enough headroom",
		"200": "node-4: it does not hold enough headroom",
	} {
		t.Run(cpu, func(t *testing.T) {
			critical := strings.NewReplacer("priority: 0", "priority: 2000000000", `cpu: "2"`, fmt.Sprintf("cpu: %q", cpu)).Replace(wantsCPU)
			out, err := explainFrom(t, with(t, wantsCPU, critical), "-f", "-", "--consumer", "shop/web-1")
			require.NoError(t, err)
			require.Contains(t, out, want)
		})
	}
}

func TestAPodOfAProfileThatDoesNotSwapIsToldSo(t *testing.T) {
	config := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(configuration, "{ARGS}", "{swap: false}", 1)), 0o600))
	pod := with(t, toBeScheduled, toBeScheduled+"  schedulerName: headroom-scheduler\n")
	told, err := explained(t, pod, "", "web-1", "--scheduler-config", config)
	require.NoError(t, err)
	require.Empty(t, told.Now.Takes)
	require.Contains(t, told.Now.Refusal, "swap is false in the plugin's arguments")
	require.Equal(t, []string{"let swap be true in the plugin's arguments of the pod's profile"}, told.Now.Remedies)
}

// A StatefulSet makes a pod anew under its name.
func TestAPodIsToldWhatItTookAndNotWhatAnotherOneOfItsNameDid(t *testing.T) {
	a := account.New(time.Now().Add(-time.Hour))
	for placeholder, uid := range map[string]types.UID{"web-headroom-7": "uid-web-1", "web-headroom-8": "uid-before"} {
		a.Take(account.Take{
			Time: time.Now().Add(-time.Minute), Placeholder: placeholder, UID: types.UID(placeholder), Node: "node-1", How: account.BySwap,
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web-1"}, UID: uid},
		})
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored, err := json.Marshal(&v1alpha1.HeadroomAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "HeadroomAccount"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Record: record,
	})
	require.NoError(t, err)
	cluster, err := os.ReadFile(input)
	require.NoError(t, err)
	told, err := explained(t, string(cluster)+"---\n"+string(stored)+"\n", "", "web-1")
	require.NoError(t, err)
	require.Len(t, told.Took, 1)
	require.Equal(t, "web-headroom-7", told.Took[0].Placeholder)
	require.Equal(t, "shop/web", told.Took[0].Headroom)
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: later}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: CLASS
      containers: [{name: main, image: main, resources: {limits: {cpu: "2"}}}]
`

const someClass = `---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: some}
value: 5
`

func TestThePodOfAWorkloadThatDoesNotExistYetIsExplained(t *testing.T) {
	cluster, err := os.ReadFile(input)
	require.NoError(t, err)
	told, err := explained(t, string(cluster)+someClass, strings.Replace(deployment, "CLASS", "some", 1), "-f", "-")
	require.NoError(t, err)
	require.Equal(t, "shop/later-...", told.Pod)
	require.Empty(t, told.State)
	require.NotEmpty(t, told.Now.Takes, "its requests are its limits, as the API server has it")
	require.NotEmpty(t, told.Assumptions)

	own := strings.NewReplacer("CLASS", "some", "{name: later}", "{name: later, namespace: search}").Replace(deployment)
	told, err = explained(t, string(cluster)+someClass, own, "-f", "-")
	require.NoError(t, err)
	require.Equal(t, "search/later-...", told.Pod, "it has a namespace of its own, whatever --namespace says")
}

func TestWhatCannotBeExplainedEndsInASentence(t *testing.T) {
	cluster, err := os.ReadFile(input)
	require.NoError(t, err)
	broken := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("kind: [\n"), 0o600))
	for name, tc := range map[string]struct {
		args []string
		in   string
		want string
		code int
	}{
		"no pod":                     {nil, "", "name one pod, or a file with one by -f", exitFailed},
		"a pod and a file":           {[]string{"web-1", "-f", "-"}, "", "name one pod, or a file with one by -f", exitFailed},
		"a pod that is not there":    {[]string{"none"}, "", "pod shop/none is not in the files", exitNotFound},
		"a pod of another namespace": {[]string{"web-1", "-n", "search"}, "", "pod search/web-1 is not in the files", exitNotFound},
		"a file without pods":        {[]string{"-f", "-"}, "kind: Service\napiVersion: v1\nmetadata: {name: a}\n", "the files have 0 pods", exitFailed},
		"two pods": {
			[]string{"-f", "-"}, "{kind: Pod, apiVersion: v1, metadata: {name: a}}\n---\n{kind: Pod, apiVersion: v1, metadata: {name: b}}\n",
			"the files have 2 pods and workloads with pods: one is needed", exitFailed,
		},
		"a pod and a workload": {
			[]string{"-f", "-"}, "{kind: Pod, apiVersion: v1, metadata: {name: a}}\n---\n" + deployment, "the files have 2 pods", exitFailed,
		},
		"two workloads":               {[]string{"-f", "-"}, deployment + "---\n" + deployment, "the files have 2 pods", exitFailed},
		"a class that is not there":   {[]string{"-f", "-"}, strings.Replace(deployment, "CLASS", "none", 1), "there is no PriorityClass none", exitFailed},
		"a configuration that is not": {[]string{"web-1", "--scheduler-config", "none.yaml"}, "", "reading the scheduler's configuration none.yaml", exitFailed},
		"a broken configuration":      {[]string{"web-1", "--scheduler-config", broken}, "", "reading the scheduler's configuration " + broken, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := explained(t, string(cluster), tc.in, tc.args...)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.code, exitCode(err))
		})
	}
}

func TestAPodOfAnotherSchedulerIsTold(t *testing.T) {
	other := with(t, toBeScheduled, toBeScheduled+"  schedulerName: volcano\n")
	told, err := explained(t, other, "", "web-1")
	require.NoError(t, err)
	require.Contains(t, told.State, "the scheduler volcano has said nothing of it yet: is there one of this name?")
	require.Contains(t, strings.Join(told.Assumptions, "; "), "the scheduler volcano, which the pod names, is headroom-scheduler or has the plugin Headroom")
	config := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(configuration, "{ARGS}", "{}", 1)), 0o600))
	_, err = explained(t, other, "", "web-1", "--scheduler-config", config)
	require.ErrorContains(t, err, "has no profile volcano, which is the pod's schedulerName; it has default-scheduler, headroom-scheduler")
}
