package shapes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

func TestAControllerThatHasReadNothingYetLeavesTheConditionOfTheSameSpec(t *testing.T) {
	h, c := shaped(), web()
	out := Evaluate(h, c, noon)
	h.Status.Shape = out.Status
	out.Shaped.ObservedGeneration = h.Generation
	h.Status.Conditions = []metav1.Condition{out.Shaped}
	c.problem = &workload.Problem{Reason: v1alpha1.ReasonReading, Message: "it was not read yet"}
	require.Equal(t, out.Shaped, Evaluate(h, c, noon).Shaped)

	h.Generation++
	again := Evaluate(h, c, noon)
	require.Equal(t, metav1.ConditionUnknown, again.Shaped.Status)
	require.Equal(t, v1alpha1.ReasonReading, again.Shaped.Reason)
	require.Equal(t, "it was not read yet; units keep the shape that they have.", again.Shaped.Message)

	h.Generation--
	c.problem = &workload.Problem{Reason: v1alpha1.ReasonTargetNotFound, Message: "it is gone"}
	require.Equal(t, metav1.ConditionFalse, Evaluate(h, c, noon).Shaped.Status, "what was read and failed counts")
}

// TestAChangeIsTimedAsTheAPIServerKeepsIt: a fraction of a second would be gone when the status is read.
func TestAChangeIsTimedAsTheAPIServerKeepsIt(t *testing.T) {
	out := Evaluate(shaped(), web(), noon.Add(999*time.Millisecond))
	require.Equal(t, noon, out.Status.ChangedTime.UTC())
}

// elsewhere remembers the namespaces that were looked at.
type elsewhere struct {
	*cluster
	namespaces []string
}

func (e *elsewhere) Target(ref workload.Ref) (workload.Target, *workload.Problem) {
	e.namespaces = append(e.namespaces, ref.Namespace)
	return e.cluster.Target(ref)
}

func (e *elsewhere) Pods(namespace string, selector labels.Selector) ([]workload.Group, *workload.Problem) {
	e.namespaces = append(e.namespaces, namespace)
	return e.cluster.Pods(namespace, selector)
}

func TestTheWorkloadIsOfTheNamespaceOfTheHeadroom(t *testing.T) {
	c := &elsewhere{cluster: web()}
	Evaluate(shaped(), c, noon)
	require.Equal(t, []string{"shop", "shop"}, c.namespaces)
}
