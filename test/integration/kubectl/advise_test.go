package kubectl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func advised(t *testing.T, out string) advice.Report {
	t.Helper()
	var report advice.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Headrooms, 1, out)
	return report
}

func TestSomebodyWithRightsInOneNamespaceIsAdvisedWithoutCosts(t *testing.T) {
	s := newShop(t)
	k := s.user(t, "viewer", viewsHeadrooms)
	report := advised(t, eventuallyRuns(t, k, "headroom", "advise", "-n", s.namespace, "-o", "json"))
	require.Empty(t, report.NotSeen)
	of := report.Headrooms[0]
	require.Equal(t, 3, of.Wanted)
	require.Equal(t, 1, of.Taken)
	require.NotEmpty(t, of.Evidence)
	require.NotEmpty(t, of.Sentence)
	require.InDelta(t, 3600, of.Known, 600, "the account was opened an hour ago")
	require.Nil(t, of.Cost, "nobody named a price")

	priced := advised(t, k.mustRun("headroom", "advise", "-n", s.namespace, "-o", "json", "--node-price", "0.4"))
	require.Len(t, priced.NotSeen, 1)
	require.Contains(t, priced.NotSeen[0], "costs are not shown: no right to list nodes")
	require.Nil(t, priced.Headrooms[0].Cost)
	requireExit(t, k, 3, "no right to list headrooms.headroom.dev of the whole cluster", "headroom", "advise", "-A")
}

func TestAUnitCostsItsShareOfTheNodesThatHaveAPrice(t *testing.T) {
	s := newShop(t)
	label := s.namespace + ".example/price" // nodes of other tests have none
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-node", Labels: map[string]string{label: "0.4"}}}
	require.NoError(t, s.client.Create(t.Context(), node))
	clustertest.ChangeStatus(t, s.client, node, func(n *corev1.Node) {
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi")}
	})
	require.NoError(t, s.client.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-unpriced"}}))
	k := newKubectl(t, s.cluster)
	report := advised(t, k.mustRun("headroom", "advise", "-n", s.namespace, "-o", "json", "--price-label", label))
	require.Len(t, report.NotSeen, 1)
	require.Regexp(t, `^costs leave out \d+ of \d+ nodes, which have no price in the label or annotation `+label, report.NotSeen[0])
	of := report.Headrooms[0]
	require.NotNil(t, of.UnitPrice)
	require.InDelta(t, 0.1, *of.UnitPrice, 1e-9, "1 of 4 CPUs of a node at 0.4")
	require.InDelta(t, 3*0.1*730, *of.Cost, 1e-6, "three units, a month of 730 hours")

	none := advised(t, k.mustRun("headroom", "advise", "-n", s.namespace, "-o", "json", "--price-label", "no.example/price"))
	require.Contains(t, none.NotSeen[0], "no node has the label or annotation no.example/price with a price")
}

func TestTheReportHasWhatTheUserMaySee(t *testing.T) {
	s := newShop(t)
	k := s.user(t, "viewer", viewsHeadrooms, viewsRest)
	page := eventuallyRuns(t, k, "headroom", "report", "-n", s.namespace, "-o", "-")
	require.Contains(t, page, "<!doctype html>")
	require.Contains(t, page, s.namespace+"/web")
	require.Contains(t, page, "0/3 nodes are available", "why it is not full")
	require.Contains(t, page, "ReplicaSet/api", "who took most")
	require.Contains(t, page, "no right to list nodes", "what is not on it")

	file := filepath.Join(t.TempDir(), "report.html")
	k.mustRun("headroom", "report", "-n", s.namespace, "-o", file)
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(written), s.namespace+"/web")
	requireExit(t, k, 3, "no right to list headrooms.headroom.dev of the whole cluster", "headroom", "report", "-A", "-o", file)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, written, after, "an error leaves the file that was there")
}
