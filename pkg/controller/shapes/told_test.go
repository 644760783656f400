package shapes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

func TestTheConditionSaysWhatBecomesOfTheShape(t *testing.T) {
	held := Evaluate(shaped(), web(), noon).Status
	held.ChangedTime.Time = held.ChangedTime.In(time.FixedZone("CET", 60*60))
	follows := metav1.Condition{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonShaped, Message: "Units are made like pods of Deployment web.",
	}
	for name, tc := range map[string]struct {
		held *v1alpha1.ShapeStatus
		cpu  string
		roll bool
		want metav1.Condition
	}{
		"the first one is taken":           {nil, "2", true, follows},
		"it stays":                         {held, "1", false, follows},
		"it stays, and the workload rolls": {held, "1", true, follows},
		"another one is taken later": {held, "2", false, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonShapeChanged,
			Message: "Deployment web changed; units follow 10 minutes after their last change, which was at 2026-11-26T12:00:00Z.",
		}},
		"another one is taken when all pods have it": {held, "2", true, metav1.Condition{
			Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTargetRolls,
			Message: "Deployment web changed and replaces its pods; units follow when that is done.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := shaped(), web()
			h.Status.Shape, c.target.Template, c.target.Rolls = tc.held, template(tc.cpu), tc.roll
			tc.want.Type = v1alpha1.ConditionShaped
			require.Equal(t, tc.want, Evaluate(h, c, noon.Add(3*time.Minute)).Shaped)
		})
	}
}

// TestUnitsSpreadAmongThoseOfTheirHeadroom, whose name need not be that of the workload.
func TestUnitsSpreadAmongThoseOfTheirHeadroom(t *testing.T) {
	h, c := shaped(), web()
	h.Name = "spare"
	c.target.Template.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone}}
	out := Evaluate(h, c, noon)
	require.Equal(t, map[string]string{v1alpha1.LabelHeadroom: "spare"}, out.Status.TopologySpreadConstraints[0].LabelSelector.MatchLabels)
}

func TestOnlyPodsOfTheNewestTemplateTellTheSize(t *testing.T) {
	h, c := shaped(), web()
	c.target.Newest = labels.SelectorFromSet(labels.Set{"app": "web", "pod-template-hash": "new"})
	c.groups = []labeled{
		{labels.Set{"app": "web", "pod-template-hash": "old"}, workload.Group{Requests: cpu("4"), Count: 3}},
		{labels.Set{"app": "web", "pod-template-hash": "new"}, workload.Group{Requests: cpu("2"), Count: 1}},
	}
	require.Equal(t, "2", Evaluate(h, c, noon).Status.Requests.Cpu().String())
	c.target.Newest = nil // nobody knows which they are
	require.Equal(t, "1", Evaluate(h, c, noon).Status.Requests.Cpu().String(), "that of the template")
}

// hidden is a cluster whose pods cannot be read.
type hidden struct{ *cluster }

func (hidden) Pods(string, labels.Selector) ([]workload.Group, *workload.Problem) {
	return nil, &workload.Problem{Reason: v1alpha1.ReasonForbidden, Message: "cannot list pods"}
}

func TestPodsThatCannotBeReadAreNotNone(t *testing.T) {
	h := shaped()
	out := Evaluate(h, hidden{web()}, noon)
	require.Nil(t, out.Status, "they may be larger than the template")
	require.Equal(t, v1alpha1.ReasonForbidden, out.Shaped.Reason)
	require.Equal(t, metav1.ConditionFalse, out.Shaped.Status)
	require.Equal(t, "cannot list pods; no unit is made before it is known.", out.Shaped.Message)
}

func TestTheMessagesStayWithinTheirBounds(t *testing.T) {
	h, c := shaped(), web()
	for i := range 20 {
		name := corev1.ResourceName(fmt.Sprintf("example.com/%s-%d", strings.Repeat("x", 60), i))
		c.target.Template.Containers[0].Resources.Requests[name] = resource.MustParse("1")
	}
	out := Evaluate(h, c, noon)
	require.Len(t, out.Status.Message, maxMessage)
	require.Len(t, out.Status.Requests, 21, "the message alone is cut")
	c.problem = &workload.Problem{Reason: v1alpha1.ReasonUnreadable, Message: strings.Repeat("x", 5000)}
	require.Len(t, Evaluate(h, c, noon).Shaped.Message, maxCondition)
}

// asked remembers the workloads that were looked at.
type asked struct {
	*cluster
	refs []workload.Ref
}

func (a *asked) Target(ref workload.Ref) (workload.Target, *workload.Problem) {
	a.refs = append(a.refs, ref)
	return a.cluster.Target(ref)
}

func TestTheWorkloadIsTheOneThatTheHeadroomNames(t *testing.T) {
	h, c := shaped(), &asked{cluster: web()}
	h.Spec.ShapeFrom = &v1alpha1.WorkloadReference{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "shop-web"}
	Evaluate(h, c, noon)
	require.Equal(t, []workload.Ref{{Namespace: "shop", APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "shop-web"}}, c.refs)
}
