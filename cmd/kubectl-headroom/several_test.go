package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

// inTrouble is what an API server answers that has one kind of object no more, for whatever reason.
var inTrouble = metav1.Status{
	TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
	Status:   metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Code: http.StatusInternalServerError, Message: "etcd is away",
}

// TestWhatTheClusterCannotReadIsAnErrorAndNotAbsent: only what the user may not read is left out.
func TestWhatTheClusterCannotReadIsAnErrorAndNotAbsent(t *testing.T) {
	const headrooms, nodes, sets = headroomAPI + "/namespaces/shop/headrooms", "/api/v1/nodes", "/apis/apps/v1/daemonsets"
	for command, paths := range map[string][]string{
		"status":                              {headrooms, accountsOfShop},
		"nodes":                               {"/api/v1/pods", nodes, sets},
		"ledger":                              {accountsOfShop, eventsOfShop},
		"advise --price-label price":          {headrooms, accountsOfShop, nodes},
		"report -o -":                         {headrooms, accountsOfShop, eventsOfShop, "/api/v1/pods", nodes, sets},
		"report -o - --node-price 1":          {nodes},
		"explain":                             {"/api/v1/pods", nodes, "/api/v1/namespaces", sets, headroomAPI + "/headrooms"},
		"explain pod web-1":                   {"/api/v1/pods", nodes, allAccounts, eventsOfShop, "/apis/scheduling.k8s.io/v1/priorityclasses"},
		"explain --consumer shop/web-1":       {"/api/v1/namespaces"},
		"explain pod web-1 -o json":           {"/api/v1/namespaces"},
		"status web -o json":                  {accountsOfShop},
		"ledger web --by headroom -o csv":     {eventsOfShop},
		"nodes --resource memory -o yaml":     {nodes},
		"advise --node-price 1 -o json":       {nodes},
		"report -o - --price-label price -A ": {nodes, allAccounts, headroomAPI + "/headrooms"},
	} {
		for _, path := range paths {
			t.Run(command+" without "+path, func(t *testing.T) {
				answers := twoShops(t)
				if strings.HasPrefix(command, "explain") {
					answers = fourNodes(t)
				}
				answers[path] = inTrouble
				out, _, err := atCluster(t, answers, command)
				require.ErrorContains(t, err, "etcd is away")
				require.ErrorContains(t, err, "listing ")
				require.Equal(t, exitFailed, exitCode(err))
				require.Empty(t, out, "nothing that may be taken for all there is")
			})
		}
	}
}

// TestAClusterThatFailsOnceAllIsAskedForIsAnErrorToo: it answered who asked for the first object of each kind.
func TestAClusterThatFailsOnceAllIsAskedForIsAnErrorToo(t *testing.T) {
	well := proxyOf(t, served(t, twoShops(t)))
	for command, path := range map[string]string{
		"nodes": "/api/v1/pods", "nodes -o json": "/api/v1/nodes", "report -o -": "/apis/apps/v1/daemonsets",
	} {
		answers := twoShops(t)
		answers[path] = inTrouble
		failing := proxyOf(t, served(t, answers))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("limit") == "1" {
				well.ServeHTTP(w, r)
			} else {
				failing.ServeHTTP(w, r)
			}
		}))
		t.Cleanup(server.Close)
		var out strings.Builder
		err := runAt(t, server.URL, command, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: io.Discard})
		require.ErrorContains(t, err, "etcd is away", command)
		require.Empty(t, out.String())
	}
}

// twoWebs is an API server with shop/web and search/web, of each of which a pod took units.
func twoWebs(t *testing.T) map[string]any {
	t.Helper()
	answers := twoShops(t)
	headrooms, _ := answers[headroomAPI+"/headrooms"].(v1alpha1.HeadroomList)
	headrooms.Items[1].Name = "web"
	accounts, _ := answers[allAccounts].(v1alpha1.HeadroomAccountList)
	accounts.Items[1].Name = "web"
	return answers
}

func TestANameIsThatOfAHeadroomInEachNamespace(t *testing.T) {
	for _, command := range []string{
		"status web -A", "status -A web -o wide", "ledger web -A", "ledger -A web --by headroom", "ledger -A web -o csv",
	} {
		out, _, err := atCluster(t, twoWebs(t), command)
		require.NoError(t, err)
		for _, namespace := range []string{"shop", "search"} {
			require.Contains(t, out, namespace, command)
		}
	}
	out, _, err := atCluster(t, twoWebs(t), "status -A -o json")
	require.NoError(t, err)
	var told status.Report
	require.NoError(t, json.Unmarshal([]byte(out), &told))
	taken := map[string]int{}
	for i := range told.Headrooms {
		require.NotNil(t, told.Headrooms[i].Lately)
		taken[told.Headrooms[i].Namespace] = told.Headrooms[i].Lately.Taken
	}
	require.Equal(t, map[string]int{"shop": 2, "search": 1}, taken, "each has the account of its own namespace")
	for command, want := range map[string]string{
		"status web wbe":    "there is no Headroom wbe among those of namespace shop",
		"ledger web wbe -A": "of a Headroom wbe among those of all namespaces",
	} {
		_, _, err := atCluster(t, twoWebs(t), command)
		require.ErrorContains(t, err, want)
		require.Equal(t, exitNotFound, exitCode(err))
	}
}

func TestAllNamespacesAreLookedAtWhateverTheNamespaceIs(t *testing.T) {
	for _, command := range []string{"status", "advise", "ledger --by headroom", "report -o -"} {
		for _, namespace := range []string{"shop", "none"} {
			out, _, err := atCluster(t, twoShops(t), command+" -A --namespace "+namespace)
			require.NoError(t, err)
			for _, want := range []string{"web", "api"} {
				require.Contains(t, out, want, command)
			}
		}
	}
}

// TestTheNamespaceIsThatOfTheContextUnlessAFlagSaysAnother.
func TestTheNamespaceIsThatOfTheContextUnlessAFlagSaysAnother(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, namespace: shop}}, {name: d, context: {cluster: c}}]}`), 0o600))
	for want, set := range map[string]func(a *access){
		"shop":    func(*access) {},
		"default": func(a *access) { *a.flags.Context = "d" },
		"search":  func(a *access) { *a.flags.Namespace = "search" },
		"":        func(a *access) { a.allNamespaces = true },
	} {
		a := newAccess()
		*a.flags.KubeConfig = kubeconfig
		set(a)
		namespace, err := a.namespace()
		require.NoError(t, err)
		require.Equal(t, want, namespace)
	}
}

func TestATableOfNoTakesStillHasItsHeadersWhereAProgramReadsIt(t *testing.T) {
	for command, want := range map[string]string{
		"ledger --since 1s -o csv": "time,namespace,headroom,", "ledger --since 1s -o json": `"takes": []`,
		"ledger --since 1s -o yaml": "takes: []",
	} {
		out, notes, err := atCluster(t, twoShops(t), command)
		require.NoError(t, err)
		require.Contains(t, out, want)
		require.NotContains(t, notes, "No pod has taken", command)
	}
}

// TestRulesAreInTheEventsOfTheNamespacesOfThePods: two of search took a unit of shop/web each.
func TestRulesAreInTheEventsOfTheNamespacesOfThePods(t *testing.T) {
	a := account.New(time.Now().Add(-time.Hour))
	swap := swapevent.Swap{Placeholders: []types.NamespacedName{{Namespace: "shop", Name: "u"}}, Node: "n"}
	events := eventOf(swapevent.Reason, swap)
	events.Items = nil
	for _, name := range []string{"first", "second"} {
		a.Take(account.Take{
			Time: time.Now().Add(-time.Minute), Placeholder: "web-headroom-" + name, UID: types.UID("unit-" + name),
			Node: "n", How: account.BySwap,
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "search", Name: name}, UID: types.UID(name)},
		})
		swap.Why = "the rule of " + name
		event := eventOf(swapevent.Reason, swap).Items[0]
		event.Namespace, event.Name, event.InvolvedObject.UID = "search", name, types.UID(name)
		events.Items = append(events.Items, event)
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	answers := twoShops(t)
	accounts, _ := answers[accountsOfShop].(v1alpha1.HeadroomAccountList)
	accounts.Items[0].Record = record
	answers["/api/v1/namespaces/search/events"] = events
	out, notes, err := atCluster(t, answers, "ledger -o json")
	require.NoError(t, err)
	require.Empty(t, notes)
	var report ledger.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Takes, 2)
	for _, take := range report.Takes {
		require.Equal(t, "the rule of "+take.Consumer, take.Rule)
	}
}

// TestNotesAreOfBothWhatIsStoredAndWhatMayNotBeRead, in each form of the output.
func TestNotesAreOfBothWhatIsStoredAndWhatMayNotBeRead(t *testing.T) {
	for _, command := range []string{"ledger", "ledger -o json", "ledger --by headroom", "ledger --by headroom -o csv"} {
		answers := twoShops(t)
		accounts, _ := answers[accountsOfShop].(v1alpha1.HeadroomAccountList)
		broken := *accounts.Items[0].DeepCopy()
		broken.Name, broken.Record.Hours = "broken", []byte("none")
		accounts.Items = append(accounts.Items, broken)
		answers[accountsOfShop] = accounts
		_, notes, err := atCluster(t, answers, command)
		require.NoError(t, err)
		require.Contains(t, notes, "note: the account of shop/broken cannot be read: ", command)
		require.Contains(t, notes, "note: by which rule is not shown for pods of namespace shop: ", command)
	}
	name := filepath.Join(t.TempDir(), "report.html")
	_, notes, err := atCluster(t, twoShops(t, accountsOfShop), "report --price-label cost -o "+name)
	require.NoError(t, err)
	require.Contains(t, notes, "note: who took what is not shown: ")
	require.Contains(t, notes, "note: costs are not shown: ")
	_, notes, err = atCluster(t, twoShops(t, "/apis/apps/v1/daemonsets"), "nodes -o yaml")
	require.NoError(t, err)
	require.Contains(t, notes, "note: units of Headrooms with placement PerNode count as used: ")
	_, notes, err = atCluster(t, twoShops(t), "advise -o json --price-label price")
	require.NoError(t, err)
	require.Contains(t, notes, "note: costs leave out 1 of 2 nodes, ")
}

// TestAPodIsToldAllThatItTookOfAllHeadrooms although one account cannot be read, whether they are in the cluster or in files.
func TestAPodIsToldAllThatItTookOfAllHeadrooms(t *testing.T) {
	var items []v1alpha1.HeadroomAccount
	for _, name := range []string{"any", "batch", "web"} {
		a := account.New(time.Now().Add(-time.Hour))
		for _, unit := range []string{"0", "1"} {
			a.Take(account.Take{
				Time: time.Now().Add(-30 * time.Minute), Placeholder: name + "-headroom-" + unit, UID: types.UID(name + unit),
				Node: "n", How: account.BySwap,
				Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web-1"}, UID: "uid-web-1"},
			})
		}
		stored := tookOne(t)
		record, err := a.Encode(v1alpha1.AccountPosition{})
		require.NoError(t, err)
		stored.Name, stored.Record = name, record
		items = append(items, stored)
	}
	items[1].Record.Hours = []byte("none")
	want := []string{"any-headroom-0", "any-headroom-1", "web-headroom-0", "web-headroom-1"}

	answers := fourNodes(t)
	accounts, _ := answers[allAccounts].(v1alpha1.HeadroomAccountList)
	accounts.Items = items
	answers[allAccounts] = accounts
	events, _ := answers[eventsOfShop].(corev1.EventList)
	unreadable := *events.Items[0].DeepCopy()
	unreadable.Name, unreadable.Message = "later", "in other words"
	events.Items = append(events.Items, unreadable)
	answers[eventsOfShop] = events
	told, notes, err := explainedLive(t, answers, "web-1")
	require.NoError(t, err)
	var took []string
	for _, one := range told.Took {
		took = append(took, one.Placeholder)
	}
	require.ElementsMatch(t, want, took)
	require.Contains(t, notes, "note: the account of shop/batch cannot be read: ")
	require.Equal(t, "a rule", told.Rule, "an event in other words takes nothing away from the one that can be read")

	cluster, err := os.ReadFile(input)
	require.NoError(t, err)
	for i := range items {
		stored, err := json.Marshal(items[i])
		require.NoError(t, err)
		cluster = append(append(cluster, "---\n"...), stored...)
		cluster = append(cluster, '\n')
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	require.NoError(t, os.WriteFile(file, cluster, 0o600))
	out, err := explainFrom(t, "", "pod", "web-1", "-n", "shop", "--cluster-file", file)
	require.NoError(t, err)
	require.Contains(t, out, "note: the account of shop/batch cannot be read: ")
	for _, unit := range want {
		require.Regexp(t, "(?m)"+unit+" .* 30m ago", out)
	}
}

// TestWhatAPodOfAnotherNamespaceTookIsInTheAccountsOfThatOne, where the user may read them there alone.
func TestWhatAPodOfAnotherNamespaceTookIsInTheAccountsOfThatOne(t *testing.T) {
	answers := fourNodes(t)
	pods, _ := answers["/api/v1/pods"].(corev1.PodList)
	moved := podOf("search", "web-1")
	moved.UID = "uid-web-1"
	pods.Items = append(pods.Items, *moved)
	answers["/api/v1/pods"] = pods
	answers[headroomAPI+"/namespaces/search/headroomaccounts"] = answers[allAccounts]
	delete(answers, allAccounts)
	told, _, err := explainedLive(t, answers, "search/web-1")
	require.NoError(t, err)
	require.Equal(t, "search/web-1", told.Pod)
	require.Len(t, told.Took, 1)
	_, _, err = explainedLive(t, answers, "search/web-2")
	require.ErrorContains(t, err, "pod search/web-2 is not in the cluster: ")
	require.ErrorContains(t, err, "name the consumer as NAMESPACE/NAME, or its namespace by --namespace")
	require.Equal(t, exitNotFound, exitCode(err))
}

func TestObjectsOfTheClusterAreAsOldAsTheLook(t *testing.T) {
	require.Equal(t, "as it was at 2026-03-01T12:00:00Z", (&objects{taken: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}).age())
	require.Contains(t, (&objects{}).age(), "not known how old")
}

// TestAllObjectsOfFilesAreRead, of Lists and of documents of their own.
func TestAllObjectsOfFilesAreRead(t *testing.T) {
	kinds := []string{
		"apiVersion: v1, kind: Namespace", "apiVersion: v1, kind: Node", "apiVersion: v1, kind: Pod", "apiVersion: apps/v1, kind: DaemonSet",
		"apiVersion: headroom.dev/v1alpha1, kind: Headroom", "apiVersion: headroom.dev/v1alpha1, kind: HeadroomAccount",
		"apiVersion: scheduling.k8s.io/v1, kind: PriorityClass", "apiVersion: apps/v1, kind: Deployment",
	}
	item := func(kind, name string) string { return "{" + kind + ", metadata: {name: " + name + "}}" }
	list := func(items ...string) string {
		return "{apiVersion: v1, kind: List, items: [" + strings.Join(items, ", ") + "]}"
	}
	var documents []string
	for _, kind := range kinds {
		documents = append(documents, item(kind, "a"), list(item(kind, "b"), item(kind, "c")), list(item(kind, "d")))
	}
	found, err := readFiles([]string{"-"}, strings.NewReader(strings.Join(documents, "\n---\n")))
	require.NoError(t, err)
	require.Equal(t, []int{4, 4, 4, 4, 4, 4, 4, 4}, []int{
		len(found.Namespaces), len(found.Nodes), len(found.Pods), len(found.DaemonSets), len(found.Headrooms), len(found.accounts),
		len(found.priorityClasses), len(found.templates),
	})
	_, err = readFiles([]string{"-"}, strings.NewReader(list(item(kinds[2], "a"), "{apiVersion: v1, kind: Pod}", item(kinds[2], "b"))))
	require.ErrorContains(t, err, "reading -: a Pod has no metadata.name", "nor is an item of a List passed over")
}
