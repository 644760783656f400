package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// allowReserved is the operator's leave for reserved units.
func allowReserved(c *config.Config, _ *rest.Config) { c.Placeholders.AllowReserved = true }

// reserved makes a spec one of reserved units for the pods of app=web.
func reserved(spec *v1alpha1.HeadroomSpec) {
	spec.Reserved = true
	spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
}

// TestReservedUnitsNeedTheOperatorsLeave withdraws it and gives it again.
func TestReservedUnitsNeedTheOperatorsLeave(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	without := e.startController()
	e.headroom("web", replicas(3), reserved)
	h := e.waitStatus("web", v1alpha1.ReasonReservedNotAllowed, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "--allow-reserved")
	require.Empty(t, e.pods())
	without.stop()

	allowed := e.startController(allowReserved)
	e.waitFilled("web", 3)
	uids := map[types.UID]bool{}
	for _, pod := range e.pods() {
		require.Equal(t, v1alpha1.ReservedPriorityClassName, pod.Spec.PriorityClassName)
		require.Equal(t, int32(1_000_000), *pod.Spec.Priority)
		uids[pod.UID] = true
	}
	allowed.stop()

	withdrawn := e.startController()
	e.change("web", replicas(4))
	e.waitStatus("web", v1alpha1.ReasonReservedNotAllowed, v1alpha1.ReasonNotReady, 3, 0)
	for _, pod := range e.pods() {
		require.True(t, uids[pod.UID], "%s is another", pod.Name)
	}
	e.delete(&e.pods()[0]) // what goes is not made again
	e.waitStatus("web", v1alpha1.ReasonReservedNotAllowed, v1alpha1.ReasonNotReady, 2, 0)
	withdrawn.stop()

	e.startController(allowReserved)
	e.waitFilled("web", 4)
}

// TestReservedIsSwitchedOnAndOffByQuarters: the units of both kinds are recognized meanwhile, and no more than a quarter is missing.
func TestReservedIsSwitchedOnAndOffByQuarters(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController(allowReserved)
	e.headroom("web", replicas(8))
	e.waitFilled("web", 8)
	become := func(class string) {
		t.Helper()
		e.eventually("every unit is of the class "+class, func() error {
			of, bound := 0, 0
			for _, pod := range e.pods() {
				if pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil {
					bound++
				}
				if pod.Spec.PriorityClassName == class {
					of++
				}
			}
			require.GreaterOrEqual(t, bound, 6, "at most a quarter is missing")
			if of != 8 {
				return fmt.Errorf("%d of 8 are", of)
			}
			return nil
		})
		require.Equal(t, class, e.waitFilled("web", 8).Status.PriorityClassName)
		require.Len(t, e.pods(), 8)
	}
	e.change("web", reserved)
	become(v1alpha1.ReservedPriorityClassName)
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Reserved = false })
	become(v1alpha1.DefaultPriorityClassName)
}

// TestTheClassOfReservedUnitsIsForNoOtherHeadroom, whatever the operator's limits are.
func TestTheClassOfReservedUnitsIsForNoOtherHeadroom(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.startController(allowReserved, func(c *config.Config, _ *rest.Config) { c.Placeholders.MaxPriority = 1_000_000_000 })
	e.headroom("web", priorityClass(v1alpha1.ReservedPriorityClassName))
	h := e.waitStatus("web", v1alpha1.ReasonReservedNotAllowed, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "spec.reserved: true")
	require.Empty(t, e.pods())
}
