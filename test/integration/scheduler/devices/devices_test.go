package devices

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestThreeConsumersGetThreeDevicesThatUnitsHold(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 2)
	w.node(t, "n1", "b", 1)
	units := w.units(t, builders.Headroom("inference", oneGPU()).Obj(), 3)

	for _, name := range []string{"model-0", "model-1", "model-2"} {
		w.consume(t, name, oneGPU())
	}

	w.WaitBound(t, "model-0", "model-1", "model-2")
	require.Empty(t, w.remaining(t, units))
	require.Equal(t, map[string]int{
		"gpu.example.org/n0/gpu-0": 2, "gpu.example.org/n0/gpu-1": 2, "gpu.example.org/n1/gpu-0": 2,
	}, w.allocated(t))
}

func TestAFreeDeviceGoesBeforeOneThatAUnitHolds(t *testing.T) {
	w := newWorld(t)
	w.node(t, "n0", "a", 1)
	w.node(t, "n1", "b", 1)
	units := w.units(t, builders.Headroom("inference", oneGPU()).Obj(), 1)

	w.consume(t, "model", oneGPU())

	require.NotEqual(t, units["inference-headroom-0"], w.WaitBound(t, "model")["model"])
	require.Len(t, w.remaining(t, units), 1)
}

func TestOnlyUnitsThatAreNeededGo(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 3)
	// They take all CPU, so that the consumer lacks half a core as well.
	large := w.units(t, builders.Headroom("large", builders.Resources{gpu: "2", "cpu": "1"}).Obj(), 1)
	small := w.units(t, builders.Headroom("small", builders.Resources{gpu: "1", "cpu": "500m"}).Obj(), 1)
	plain := w.units(t, builders.Headroom("plain", builders.Resources{"cpu": "1250m"}).Obj(), 2)

	w.consume(t, "model", builders.Resources{gpu: "1", "cpu": "500m"})

	w.WaitBound(t, "model")
	require.Empty(t, w.remaining(t, small), "it holds just what is lacking")
	require.Len(t, w.remaining(t, large), 1)
	require.Len(t, w.remaining(t, plain), 2)

	w.consume(t, "larger", builders.Resources{gpu: "2", "cpu": "2"})

	w.WaitBound(t, "larger")
	require.Empty(t, w.remaining(t, large), "nobody else holds two devices")
	require.Len(t, w.remaining(t, plain), 1, "one makes up for the rest of the CPU")
}

func TestAConsumerOfTwoDevicesTakesTwoUnitsOfOneNode(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 1)
	w.node(t, "n1", "b", 2)
	units := w.units(t, builders.Headroom("inference", oneGPU()).Obj(), 3)

	w.consume(t, "model", builders.Resources{gpu: "2", "cpu": "100m"})

	require.Equal(t, "n1", w.WaitBound(t, "model")["model"])
	left := w.remaining(t, units)
	require.Len(t, left, 1)
	require.Equal(t, "n0", units[left[0]])
}

func TestDevicesInReachOfAllNodesAreTakenFromUnitsOfOneNode(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 0)
	w.node(t, "n1", "b", 0)
	w.CreateDevices(t, driver, "everywhere", 2, func(spec *resourcev1.ResourceSliceSpec) { spec.AllNodes = ptr.To(true) })
	inference := builders.Headroom("inference", oneGPU()).Obj()
	w.CreateHeadroom(t, inference)
	units := map[string]string{"inference-headroom-0": "n0", "inference-headroom-1": "n1"}
	for i, node := range []string{"n0", "n1"} {
		w.CreatePods(t, withLimits(builders.Placeholder(inference, i).NodeSelector(map[string]string{corev1.LabelHostname: node})))
	}
	w.WaitBound(t, "inference-headroom-0", "inference-headroom-1")

	w.consume(t, "greedy", builders.Resources{gpu: "2", "cpu": "100m"})
	w.WaitUnschedulable(t, "greedy")
	require.Len(t, w.remaining(t, units), 2, "no node has units that hold two devices")

	w.CreatePods(t, withLimits(builders.Consumer("model", oneGPU()).NodeSelector(map[string]string{corev1.LabelHostname: "n1"})))
	require.Equal(t, "n1", w.WaitBound(t, "model")["model"])
	require.Equal(t, []string{"inference-headroom-0"}, w.remaining(t, units))
}

func TestDevicesAreTakenWhereTheHeadroomLeavesTheMost(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "a1", "a", 1)
	w.node(t, "b1", "b", 1)
	w.node(t, "b2", "b", 1)
	units := w.units(t, builders.Headroom("inference", oneGPU()).SpreadOver(corev1.LabelTopologyZone).Obj(), 3)

	w.consume(t, "model", oneGPU())

	require.Equal(t, "b1", w.WaitBound(t, "model")["model"], "zone b has two units, and b1 comes before b2")
	require.Len(t, w.remaining(t, units), 2)
}

func TestP8DevicesAreForEntitledPodsOnly(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 1)
	only := builders.Headroom("inference", oneGPU()).
		Consumers(v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "inference"}}}).Obj()
	units := w.units(t, only, 1)

	w.consume(t, "stranger", oneGPU())
	require.Contains(t, w.WaitUnschedulable(t, "stranger"), "headroom")
	require.Len(t, w.remaining(t, units), 1)

	w.CreatePods(t, withLimits(builders.Consumer("model", oneGPU()).Label("app", "inference")))
	w.WaitBound(t, "model")
	require.Empty(t, w.remaining(t, units))
}

// TestTheRefillStaysOffDevicesThatAConsumerWaitsFor has nobody free the device of the evicted unit for a while, in which a new unit waits.
func TestTheRefillStaysOffDevicesThatAConsumerWaitsFor(t *testing.T) {
	w := newWorld(t)
	w.node(t, "n0", "a", 1)
	inference := builders.Headroom("inference", oneGPU()).Obj()
	units := w.units(t, inference, 1)
	w.consume(t, "model", oneGPU())
	w.waitGone(t, units)
	w.CreatePods(t, withLimits(builders.Placeholder(inference, 1)))
	w.WaitUnschedulable(t, "inference-headroom-1")
	require.Empty(t, w.Pod(t, "model").Spec.NodeName, "the device is not free yet")

	w.StartClaimController(t)

	w.WaitBound(t, "model")
	require.Equal(t, map[string]int{"gpu.example.org/n0/gpu-0": 2}, w.allocated(t), "the unit's, then the consumer's")
	require.Empty(t, w.Pod(t, "inference-headroom-1").Spec.NodeName)
}

// TestAConsumerIsWokenWhenAUnitIsThereWithItsDevice holds back the claim of a unit until a consumer has looked for devices.
func TestAConsumerIsWokenWhenAUnitIsThereWithItsDevice(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 1)
	begun, looked, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	w.faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.Path, "/resourceclaims") {
			return nil
		}
		return &schedulerharness.Fault{Before: func() error {
			once.Do(func() { close(begun) })
			<-looked
			return nil
		}}
	})
	release := sync.OnceFunc(func() { close(looked) })
	t.Cleanup(release)
	inference := w.CreateHeadroom(t, builders.Headroom("inference", oneGPU()).Obj())
	w.CreatePods(t, withLimits(builders.Placeholder(inference, 0)))
	select {
	case <-begun:
	case <-time.After(schedulerharness.Timeout):
		require.Fail(t, "the scheduler created no claim")
	}
	w.consume(t, "model", oneGPU())
	w.WaitUnschedulable(t, "model")

	release()

	w.WaitBound(t, "model")
}

// TestAConsumerThatIsDeletedMeanwhileLeavesTheDevice has nobody free the device until the consumer is gone.
func TestAConsumerThatIsDeletedMeanwhileLeavesTheDevice(t *testing.T) {
	w := newWorld(t)
	w.node(t, "n0", "a", 1)
	inference := builders.Headroom("inference", oneGPU()).Obj()
	units := w.units(t, inference, 1)
	w.consume(t, "model", oneGPU())
	w.waitGone(t, units)
	require.NoError(t, w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), "model", *metav1.NewDeleteOptions(0)))
	w.StartClaimController(t)

	w.CreatePods(t, withLimits(builders.Placeholder(inference, 1)))

	w.WaitBound(t, "inference-headroom-1")
}

// TestADeviceWhoseEvictionFailsIsTakenByTheNextAttempt has the API server refuse the first deletion.
func TestADeviceWhoseEvictionFailsIsTakenByTheNextAttempt(t *testing.T) {
	w := newWorld(t)
	w.StartClaimController(t)
	w.node(t, "n0", "a", 1)
	units := w.units(t, builders.Headroom("inference", oneGPU()).Obj(), 1)
	refused := false
	w.faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() || refused {
			return nil
		}
		refused = true
		return &schedulerharness.Fault{Before: func() error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("refused by the test"))
		}}
	})

	w.consume(t, "model", oneGPU())

	w.WaitBound(t, "model")
	require.True(t, refused)
	require.Empty(t, w.remaining(t, units))
	require.Equal(t, map[string]int{"gpu.example.org/n0/gpu-0": 2}, w.allocated(t))
}
