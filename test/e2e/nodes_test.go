package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/test/cluster"
)

// nodeClaims follows what Karpenter orders and gives back.
type nodeClaims struct {
	mu sync.Mutex
	// claims are all there ever were, in the order in which they were seen, in their last state.
	claims []*unstructured.Unstructured
	gone   map[types.UID]bool
	// changed is when one came or went, or began to go.
	changed time.Time
}

func followNodeClaims(t *testing.T, c *cluster.Cluster) *nodeClaims {
	t.Helper()
	client, err := dynamic.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	n := &nodeClaims{gone: map[types.UID]bool{}, changed: time.Now()}
	informers := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	resource := cluster.NodeClaimKind.GroupVersion().WithResource("nodeclaims")
	_, err = informers.ForResource(resource).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { n.record(obj, false) },
		UpdateFunc: func(_, obj any) { n.record(obj, false) },
		DeleteFunc: func(obj any) { n.record(obj, true) },
	})
	require.NoError(t, err)
	informers.Start(t.Context().Done())
	for _, synced := range informers.WaitForCacheSync(t.Context().Done()) {
		require.True(t, synced)
	}
	return n
}

func (n *nodeClaims) record(obj any, gone bool) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	claim := obj.(*unstructured.Unstructured)
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.claims, func(c *unstructured.Unstructured) bool { return c.GetUID() == claim.GetUID() })
	if i < 0 {
		n.claims = append(n.claims, claim)
		n.changed = time.Now()
	} else {
		if (n.claims[i].GetDeletionTimestamp() == nil) != (claim.GetDeletionTimestamp() == nil) || gone {
			n.changed = time.Now()
		}
		n.claims[i] = claim
	}
	if gone {
		n.gone[claim.GetUID()] = true
	}
}

// ordered returns how many there ever were, as a mark for orderedCPU and as a count of orders.
func (n *nodeClaims) ordered() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.claims)
}

// given returns how many there were that are gone or going.
func (n *nodeClaims) given() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, claim := range n.claims {
		if n.gone[claim.GetUID()] || claim.GetDeletionTimestamp() != nil {
			count++
		}
	}
	return count
}

// waitOrderedCPU waits until it is known of all nodes ordered since a mark what they have to give to pods, and returns the sum.
func (w *world) waitOrderedCPU(t *testing.T, since int) (sum int64) {
	t.Helper()
	w.eventually(t, func(collect *assert.CollectT) { sum = w.claims.orderedCPU(collect, since) }, "the nodes that were ordered are there")
	return sum
}

// orderedCPU sums up what the nodes ordered since a mark have to give to pods.
func (n *nodeClaims) orderedCPU(t require.TestingT, since int) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := resource.Quantity{}
	for _, claim := range n.claims[since:] {
		text, found, err := unstructured.NestedString(claim.Object, "status", "allocatable", "cpu")
		require.NoError(t, err)
		require.True(t, found, "the node %s is not there yet", claim.GetName())
		sum.Add(resource.MustParse(text))
	}
	return sum.Value()
}

// String lists them all, for a test that fails.
func (n *nodeClaims) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var text strings.Builder
	for _, claim := range n.claims {
		fmt.Fprintf(&text, "\n%s ordered at %s", claim.GetName(), claim.GetCreationTimestamp().Format(time.TimeOnly))
		if going := claim.GetDeletionTimestamp(); going != nil {
			fmt.Fprintf(&text, ", given back at %s", going.Format(time.TimeOnly))
		}
	}
	return text.String()
}

// quietFor returns for how long no NodeClaim has come or gone.
func (n *nodeClaims) quietFor() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Since(n.changed)
}

// nodesByName lists the nodes that there are.
func (w *world) nodesByName(t require.TestingT) map[string]*corev1.Node {
	list, err := w.clientset.CoreV1().Nodes().List(w.ctx, metav1.ListOptions{})
	require.NoError(t, err)
	nodes := map[string]*corev1.Node{}
	for i := range list.Items {
		nodes[list.Items[i].Name] = &list.Items[i]
	}
	return nodes
}
