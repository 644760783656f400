package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/buildinfo"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

// twoShops is an API server with a Headroom and an account in each of two namespaces, shop/web and search/api, and two nodes, of which one
// has a price. without are paths that it refuses to answer.
func twoShops(t *testing.T, without ...string) map[string]any {
	t.Helper()
	held := func(namespace, name string, wanted, ready int32) v1alpha1.Headroom {
		h := v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		h.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
		h.Status.DesiredReplicas, h.Status.ReadyReplicas, h.Status.ObservedGeneration = wanted, ready, 1
		return h
	}
	headrooms := func(items ...v1alpha1.Headroom) any {
		return v1alpha1.HeadroomList{TypeMeta: metav1.TypeMeta{Kind: "HeadroomList", APIVersion: v1alpha1.GroupVersion.String()}, Items: items}
	}
	accounts := func(items ...v1alpha1.HeadroomAccount) any {
		return v1alpha1.HeadroomAccountList{
			TypeMeta: metav1.TypeMeta{Kind: "HeadroomAccountList", APIVersion: v1alpha1.GroupVersion.String()}, Items: items,
		}
	}
	node := func(name, price string) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: "zone-" + name}}}
		if price != "" {
			n.Labels["price"] = price
		}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
		return n
	}
	web, api := *taken(t, "web", time.Minute, 3*time.Hour, 30*time.Hour), *taken(t, "api", time.Minute)
	api.Namespace = "search"
	answers := discovered(
		[]metav1.APIResource{listed("events", "Event", true), listed("pods", "Pod", true), listed("nodes", "Node", false)},
		[]metav1.APIResource{listed("headrooms", "Headroom", true), listed("headroomaccounts", "HeadroomAccount", true)}, nil,
	)
	maps.Copy(answers, map[string]any{
		headroomAPI + "/headrooms":                 headrooms(held("shop", "web", 9, 3), held("search", "api", 2, 2)),
		headroomAPI + "/namespaces/shop/headrooms": headrooms(held("shop", "web", 9, 3)),
		headroomAPI + "/namespaces/none/headrooms": headrooms(),
		allAccounts:    accounts(web, api),
		accountsOfShop: accounts(web),
		headroomAPI + "/namespaces/none/headroomaccounts": accounts(),
		"/api/v1/pods":             corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}},
		"/apis/apps/v1/daemonsets": metav1.List{TypeMeta: metav1.TypeMeta{Kind: "DaemonSetList", APIVersion: "apps/v1"}},
		"/api/v1/nodes": corev1.NodeList{
			TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}, Items: []corev1.Node{node("a", "0.8"), node("b", "")},
		},
	})
	for _, path := range without {
		require.Contains(t, answers, path)
		delete(answers, path)
	}
	return answers
}

// TestACommandPrintsWhatItsFlagsAskFor: - before a text says that it is not printed. The namespace is shop unless it says otherwise.
func TestACommandPrintsWhatItsFlagsAskFor(t *testing.T) {
	for command, wants := range map[string][]string{
		"status":                          {"NAME ", "web ", "9", "STATE", "-NAMESPACE", "-UNIT"},
		"status -A":                       {"NAMESPACE", "shop ", "web ", "search ", "api "},
		"status -A api":                   {"search ", "-web "},
		"status -o wide":                  {"UNIT", "cpu=2", "-NAMESPACE"},
		"status --namespace none -o json": {`"headrooms": []`},
		"status --namespace none -o yaml": {"headrooms: []"},
		"advise":                          {"shop/web", "-search/api", "COST/MONTH"},
		"advise -A":                       {"shop/web", "search/api"},
		"advise -o wide":                  {"shop/web", "ADVICE", "EVIDENCE"},
		"advise --namespace none -o json": {`"headrooms": []`},
		"advise --namespace none -o yaml": {"headrooms: []"},
		"advise --node-price 0.4":         {" 657.00 "}, // 9 units, each a quarter of a node, 730 hours
		"advise --price-label price":      {" 1314.00 "},
		"report -o -": {
			"Headrooms of namespace shop on http://127.0.0.1:", "and the 7 days before", "zone-a", "-search/api", "-at 0001-", "Of cpu:",
			"its account is only 2d old", "Made by kubectl headroom report " + buildinfo.Get().Version + ".",
		},
		"report -o - -A":                      {"Headrooms of all namespaces on", "search/api"},
		"report -o - --days 2":                {"and the 2 days before", "<td>3</td><td>1</td>"},
		"report -o - --days 1":                {"and the 1 days before", "<td>2</td><td>1</td>", "Who took most", "It needed"},
		"report -o - --node-price 0.4":        {"costs about 657.00 a month"},
		"ledger -o csv":                       {"time,namespace,headroom,", ",shop,web,web-headroom-0,n,"},
		"ledger -A --by headroom -o csv":      {"shop/web,3", "search/api,1"},
		"ledger --since 1h --by headroom":     {"shop/web", "-search/api"},
		"ledger -A --since 4h --by namespace": {"shop "},
		"nodes":                               {"zone-a", "zone-b", " 8 "},
		"nodes --resource memory":             {"zone-a", "- 8 "},
		"nodes --zone-label price":            {"0.8", "-zone-a"},
		"nodes --with-headroom":               {"-zone-a"},
	} {
		t.Run(command, func(t *testing.T) {
			out, _, err := atCluster(t, twoShops(t), command)
			require.NoError(t, err)
			for _, want := range wants {
				if absent, ok := strings.CutPrefix(want, "-"); ok {
					require.NotContains(t, out, absent)
				} else {
					require.Contains(t, out, want)
				}
			}
		})
	}
}

func TestTheFormatsSayTheSameNumbers(t *testing.T) {
	for _, decode := range []func(command string, into any){
		func(command string, into any) {
			out, _, err := atCluster(t, twoShops(t), command+" -A -o json")
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal([]byte(out), into))
		},
		func(command string, into any) {
			out, _, err := atCluster(t, twoShops(t), command+" -A -o yaml")
			require.NoError(t, err)
			require.False(t, json.Valid([]byte(out)))
			require.NoError(t, yaml.Unmarshal([]byte(out), into))
		},
	} {
		var told status.Report
		decode("status", &told)
		require.Len(t, told.Headrooms, 2)
		web := told.Headrooms[1]
		require.Equal(t, []int32{9, 3, 6}, []int32{web.Wanted, web.Ready, web.Missing})
		require.Equal(t, 2, web.Lately.Taken, "the last 24 hours")
		var advised advice.Report
		decode("advise --node-price 0.4", &advised)
		require.Len(t, advised.Headrooms, 2)
		require.Equal(t, []int{9, 3}, []int{advised.Headrooms[0].Wanted, advised.Headrooms[0].Taken})
		require.InDelta(t, 0.1, *advised.Headrooms[0].UnitPrice, 1e-9)
		told = status.Report{}
		decode("status web", &told)
		require.Len(t, told.Headrooms, 1, "there is no row of another Headroom, nor one without a name")
	}
}

func TestFewerUnitsServeLessOfTheDemand(t *testing.T) {
	a := account.New(time.Now().Add(-10 * 24 * time.Hour))
	for slot := range int(10 * 24 * time.Hour / account.Slot) {
		at := a.Opened().Add(time.Duration(slot) * account.Slot)
		a.Observe(at, 9)
		if slot%30 == 0 { // five at once each hour
			for i := range 5 {
				a.Take(account.Take{Time: at, UID: types.UID(fmt.Sprint(slot, i)), How: account.BySwap})
			}
		}
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	answers := twoShops(t)
	accounts, _ := answers[accountsOfShop].(v1alpha1.HeadroomAccountList)
	accounts.Items[0].Record = record
	needed := func(flags string) int {
		out, _, err := atCluster(t, answers, "advise -o json"+flags)
		require.NoError(t, err)
		var advised advice.Report
		require.NoError(t, json.Unmarshal([]byte(out), &advised))
		return advised.Headrooms[0].Needed
	}
	require.GreaterOrEqual(t, needed(""), 5)
	require.Less(t, needed(" --served 50"), 5)

	for i := range 40 { // all at once, and once in ten days
		a.Take(account.Take{Time: a.Opened().Add(100 * time.Hour), UID: types.UID(fmt.Sprint("peak", i)), How: account.BySwap})
	}
	accounts.Items[0].Record, err = a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	require.Less(t, needed(""), needed(" --served 99.999"))
	page, _, err := atCluster(t, answers, "report -o -")
	require.NoError(t, err)
	require.Contains(t, page, fmt.Sprintf("It needed %d units", needed("")), "a page advises as advise does by default")
}

func TestACommandSaysWhatItCouldNotReadAndThatThereIsNothing(t *testing.T) {
	const accounts, headrooms = accountsOfShop, headroomAPI + "/namespaces/shop/headrooms"
	for name, tc := range map[string]struct {
		command, without, notes, out string
		code                         int
	}{
		"status without accounts":        {command: "status", without: accounts, notes: "note: who took what is not shown: no right to list", out: "  ?  "},
		"status without Headrooms":       {command: "status", without: headrooms, code: exitForbidden},
		"status of none":                 {command: "status --namespace none", notes: "No Headrooms of namespace none.\n"},
		"status of another name":         {command: "status wbe", code: exitNotFound},
		"advise without accounts":        {command: "advise", without: accounts, code: exitForbidden},
		"advise without Headrooms":       {command: "advise", without: headrooms, code: exitForbidden},
		"advise of none":                 {command: "advise --namespace none", notes: "Nothing is known of Headrooms of namespace none.\n"},
		"advise of none, in width":       {command: "advise --namespace none -o wide", notes: "Nothing is known of Headrooms of namespace none.\n"},
		"advise with no price asked for": {command: "advise", out: "shop/web"},
		"advise with one of all nodes":   {command: "advise --node-price 1", out: "shop/web"},
		"advise without prices": {
			command: "advise --node-price 1", without: "/api/v1/nodes", notes: "note: costs are not shown: no right to list nodes", out: "shop/web",
		},
		"a label that no node has":  {command: "advise --price-label cost", notes: "note: costs are not shown: no node has", out: "shop/web"},
		"a label that one node has": {command: "advise --price-label price", notes: "note: costs leave out 1 of 2 nodes", out: "shop/web"},
		"report without accounts":   {command: "report -o -", without: accounts, notes: "note: who took what is not shown: ", out: "shop/web"},
		"report without Headrooms":  {command: "report -o -", without: headrooms, code: exitForbidden},
		"report without nodes":      {command: "report -o -", without: "/api/v1/nodes", notes: "note: how full the zones are is not", out: "shop/web"},
		"report without prices":     {command: "report -o - --price-label cost", notes: "note: costs are not shown: ", out: "shop/web"},
		"ledger without accounts":   {command: "ledger", without: accounts, code: exitForbidden},
		"ledger of no time": {
			command: "ledger --since 1s", notes: "No pod has taken a unit of the Headrooms of namespace shop within 1s.\n",
		},
		"ledger of no time, in width": {
			command: "ledger --since 1s -o wide", notes: "No pod has taken a unit of the Headrooms of namespace shop within 1s.\n",
		},
		"watches of what is no terminal":    {command: "status --watch", notes: "", code: exitFailed},
		"watches of what is none, of nodes": {command: "nodes --watch", notes: "", code: exitFailed},
		"ledger of another name":            {command: "ledger wbe", code: exitNotFound},
		"explain without pods":              {command: "explain", without: "/api/v1/pods", code: exitForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			var without []string
			if tc.without != "" {
				without = append(without, tc.without)
			}
			out, notes, err := atCluster(t, twoShops(t, without...), tc.command)
			require.Equal(t, tc.code, exitCode(err), "%v", err)
			require.Contains(t, notes, tc.notes)
			require.Equal(t, tc.notes == "", notes == "", notes)
			require.Contains(t, out, tc.out)
			require.Equal(t, tc.out == "", out == "", out)
		})
	}
}

// TestNodesCountsPodsAndUnitsOfHeadroomsAndOfTheirDaemonSets: a unit is on each node, that of node b by a DaemonSet.
func TestNodesCountsPodsAndUnitsOfHeadroomsAndOfTheirDaemonSets(t *testing.T) {
	headroom := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "h"}}
	ofHeadroom := *metav1.NewControllerRef(headroom, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))
	set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom", UID: "d"}}
	ofSet := *metav1.NewControllerRef(&set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))
	set.OwnerReferences = []metav1.OwnerReference{ofHeadroom}
	pods := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for name, tc := range map[string]struct {
		node, cpu string
		owner     []metav1.OwnerReference
	}{
		"web": {"a", "3", nil}, "web-headroom-0": {"a", "2", []metav1.OwnerReference{ofHeadroom}}, "web-headroom-x": {"b", "1", []metav1.OwnerReference{ofSet}},
	} {
		pod := podOf("shop", name)
		pod.OwnerReferences, pod.Spec.NodeName, pod.Spec.Containers = tc.owner, tc.node, []corev1.Container{{Resources: cpus(tc.cpu)}}
		if tc.owner != nil {
			pod.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
		}
		pods.Items = append(pods.Items, *pod)
	}
	answers := twoShops(t)
	answers["/api/v1/pods"] = pods
	answers["/apis/apps/v1/daemonsets"] = appsv1.DaemonSetList{
		TypeMeta: metav1.TypeMeta{Kind: "DaemonSetList", APIVersion: "apps/v1"}, Items: []appsv1.DaemonSet{set},
	}
	out, _, err := atCluster(t, answers, "nodes -o json")
	require.NoError(t, err)
	var report nodes.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	total := report.Total
	require.Equal(t, []string{"16", "3", "3", "10"}, []string{
		total.Allocatable.String(), total.Used.String(), total.Headroom.String(), total.Free.String(),
	})
	require.Equal(t, 2, total.Units)

	delete(answers, "/api/v1/nodes") // Then nodes are those that pods are on.
	out, notes, err := atCluster(t, answers, "nodes -o json")
	require.NoError(t, err)
	require.Contains(t, notes, "note: zones, sizes and nodes without pods are not shown: ")
	report = nodes.Report{}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, []string{"3", "3"}, []string{report.Total.Used.String(), report.Total.Headroom.String()})
	require.Equal(t, 2, report.Total.Units)
}

func TestTheReportIsAFileAndItsNameIsSaid(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.html")
	out, notes, err := atCluster(t, twoShops(t), "report -o "+name)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, notes, "Wrote "+name+".\n")
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(page), "shop/web")
}
