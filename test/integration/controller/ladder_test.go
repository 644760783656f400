package controller

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

func laddered(spec *v1alpha1.HeadroomSpec) { spec.Ladder = v1alpha1.LadderEnabled }

// TestUnitsOfALadderThatIsSwitchedOnAndOff has the API server give the priorities.
func TestUnitsOfALadderThatIsSwitchedOnAndOff(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a", "b")...)
	e.startController()
	e.headroom("web", replicas(8))
	e.waitFilled("web", 8)
	for _, policy := range []v1alpha1.LadderPolicy{v1alpha1.LadderEnabled, v1alpha1.LadderDisabled} {
		fewest := e.watchBound("web")
		e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Ladder = policy })
		e.waitFilled("web", 8)
		require.GreaterOrEqual(t, fewest(), 6)
		priorities := map[int32]bool{}
		for _, pod := range e.pods() {
			priorities[*pod.Spec.Priority] = true
			require.Equal(t, policy == v1alpha1.LadderEnabled, v1alpha1.IsLadderPriorityClass(pod.Spec.PriorityClassName))
			require.Equal(t, corev1.PreemptNever, *pod.Spec.PreemptionPolicy)
		}
		if policy == v1alpha1.LadderEnabled {
			require.Equal(t, map[int32]bool{-1: true, -2: true, -3: true, -4: true, -5: true, -6: true, -7: true, -8: true}, priorities)
		} else {
			require.Equal(t, map[int32]bool{-10: true}, priorities)
		}
	}
}

func TestTheOperatorsLadderIsForHeadroomsThatSayNothing(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController(func(c *config.Config, _ *rest.Config) { c.Placeholders.Ladder = true })
	e.priorityClass(&schedulingv1.PriorityClass{Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever)})
	e.headroom("web", replicas(2))
	e.headroom("own", replicas(2), priorityClass(e.namespace))
	e.headroom("off", replicas(2), func(spec *v1alpha1.HeadroomSpec) { spec.Ladder = v1alpha1.LadderDisabled })
	e.headroom("node", func(spec *v1alpha1.HeadroomSpec) {
		spec.Placement, spec.NodeSelector = v1alpha1.PlacementPerNode, map[string]string{"test": "no-node"}
	})
	for _, name := range []string{"web", "own", "off"} {
		e.waitFilled(name, 2)
	}
	classes := map[string]string{}
	for _, pod := range e.pods() {
		classes[pod.Name] = pod.Spec.PriorityClassName
	}
	require.Equal(t, map[string]string{
		"web-headroom-0": "headroom-ladder-10", "web-headroom-1": "headroom-ladder-9",
		"own-headroom-0": e.namespace, "own-headroom-1": e.namespace, "off-headroom-0": "headroom", "off-headroom-1": "headroom",
	}, classes)
	e.waitFilled("node", 0)
	for name, want := range map[string]string{"web": "headroom-ladder-*", "own": e.namespace, "off": "headroom", "node": "headroom"} {
		require.Equal(t, want, e.get(name).Status.PriorityClassName, "kubectl get -o wide shows it")
	}
}

// TestAStepOfTheLadderThatSomebodyMadeAnew is not parallel: the classes are those of the whole cluster.
func TestAStepOfTheLadderThatSomebodyMadeAnew(t *testing.T) {
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(10), laddered)
	e.waitFilled("web", 10)
	before := map[string]types.UID{}
	for _, pod := range e.pods() {
		before[pod.Spec.PriorityClassName] = pod.UID
	}
	require.Len(t, before, 10)

	installed := &schedulingv1.PriorityClass{}
	require.NoError(t, e.client.Get(t.Context(), client.ObjectKey{Name: "headroom-ladder-3"}, installed))
	class := func(value int32) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{
			ObjectMeta: metav1.ObjectMeta{Name: installed.Name}, Value: value, PreemptionPolicy: ptr.To(corev1.PreemptNever),
		}
	}
	t.Cleanup(func() {
		_ = e.client.Delete(context.Background(), class(0))
		require.NoError(t, e.client.Create(context.Background(), class(installed.Value)))
	})
	require.NoError(t, e.client.Delete(t.Context(), class(0)))
	h := e.waitStatus("web", v1alpha1.ReasonUnknownPriorityClass, v1alpha1.ReasonNotReady, 10, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), `"headroom-ladder-3"`)
	require.NoError(t, e.client.Create(t.Context(), class(5)))
	h = e.waitStatus("web", v1alpha1.ReasonPriorityTooHigh, v1alpha1.ReasonNotReady, 10, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "apply the PriorityClasses of the install, or set spec.ladder: Disabled")
	require.NoError(t, e.client.Delete(t.Context(), class(0)))
	require.NoError(t, e.client.Create(t.Context(), class(-1)))
	e.eventually("the unit of the class has its new value", func() error {
		for _, pod := range e.pods() {
			if pod.Spec.PriorityClassName == installed.Name && *pod.Spec.Priority != -1 {
				return fmt.Errorf("%s has priority %d", pod.Name, *pod.Spec.Priority)
			}
		}
		return nil
	})
	e.waitFilled("web", 10)
	for _, pod := range e.pods() {
		require.Equal(t, pod.Spec.PriorityClassName != installed.Name, before[pod.Spec.PriorityClassName] == pod.UID, pod.Spec.PriorityClassName)
	}
}
