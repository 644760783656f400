package holes

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

const gpu corev1.ResourceName = "example.org/gpu"

// vector is an amount of CPU, memory, ephemeral storage, pods, and devices.
type vector [5]int64

func drawVector(t *rapid.T, name string) (v vector) {
	for i := range v {
		v[i] = rapid.Int64Range(0, 3).Draw(t, name)
	}
	return v
}

// amount has no devices rather than none of them.
func (v vector) amount() *framework.Resource {
	amount := &framework.Resource{MilliCPU: v[0], Memory: v[1], EphemeralStorage: v[2], AllowedPodNumber: int(v[3])}
	if v[4] != 0 {
		amount.SetScalar(gpu, v[4])
	}
	return amount
}

func vectorOf(amount *framework.Resource) vector {
	return vector{
		amount.MilliCPU, amount.Memory, amount.EphemeralStorage, int64(amount.AllowedPodNumber), amount.ScalarResources[gpu],
	}
}

func (v vector) plus(other vector, times int64) vector {
	for i := range v {
		v[i] += times * other[i]
	}
	return v
}

func (v vector) within(other vector) bool {
	for i := range v {
		if v[i] > other[i] {
			return false
		}
	}
	return true
}

func TestAmountsAreComparedAndAddedUpResourceByResource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawVector(t, "a"), drawVector(t, "b")
		require.Equal(t, a.within(b), within(a.amount(), b.amount()))
		require.Equal(t, a == vector{}, nothing(a.amount()))
		sum, times := a.amount(), rapid.Int64Range(-2, 2).Draw(t, "times")
		add(sum, b.amount(), times)
		require.Equal(t, a.plus(b, times), vectorOf(sum))
		most, want := a.amount(), vector{}
		for i := range want {
			want[i] = max(a[i], b[i])
		}
		grow(most, b.amount())
		require.Equal(t, want, vectorOf(most))
	})
}

func infoWith(t require.TestingT, v vector, name string) *framework.PodInfo {
	list := corev1.ResourceList{}
	list[corev1.ResourceCPU] = *resource.NewMilliQuantity(v[0], resource.DecimalSI)
	list[corev1.ResourceMemory] = *resource.NewQuantity(v[1], resource.BinarySI)
	list[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(v[2], resource.BinarySI)
	if v[4] > 0 {
		list[gpu] = *resource.NewQuantity(v[4], resource.DecimalSI)
	}
	pod := on(name, nil, false, 0)
	pod.Spec.Containers[0].Resources.Requests = list
	info, ok := infoOf(pod)
	require.True(t, ok)
	return info
}

func TestAPodTakesWhatItRequestsAndItselfAsOnePod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawVector(t, "requests")
		v[3] = 1
		require.Equal(t, v, vectorOf(amountOf(infoWith(t, v, "p"))))
	})
}

// TestRoomIsGivenToPodsOneAfterTheOther compares with sums: a pod that has its room leaves less for the next one and for the placeholder.
func TestRoomIsGivenToPodsOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := func(name string) vector {
			v := drawVector(t, name)
			v[3] = 1
			return v
		}
		node, free := framework.NewNodeInfo(), vector{6, 6, 6, 6, 6}
		node.SetNode(builders.Node("n", "", builders.Resources{
			"cpu": "6m", "memory": "6", "ephemeral-storage": "6", "pods": "6", gpu: "6",
		}).Obj())
		for range rapid.IntRange(0, 4).Draw(t, "on the node") {
			v := request("on")
			node.AddPodInfo(infoWith(t, v, "on"))
			free = free.plus(v, -1)
		}
		for i := range free {
			free[i] = max(0, free[i]) // the node may be overcommitted
		}
		unit, taken := request("unit"), vector{}
		var kept []fwk.PodInfo
		for range rapid.IntRange(0, 2).Draw(t, "kept") {
			v := request("kept")
			kept, taken = append(kept, infoWith(t, v, "kept")), taken.plus(v, 1)
		}
		room := RoomOf(node, infoWith(t, unit, "unit"), kept)
		for range rapid.IntRange(1, 4).Draw(t, "pods") {
			v := request("pod")
			pod := infoWith(t, v, "pod")
			require.Equal(t, v.within(free), room.Fits(pod))
			if !v.within(free) {
				continue
			}
			fits, contends := room.Give(pod)
			require.Equal(t, taken.plus(v, 1).within(free), fits)
			if fits {
				taken = taken.plus(v, 1)
				require.Equal(t, !taken.plus(unit, 1).within(free), contends, "beside all that have theirs")
			} else {
				require.Equal(t, !v.plus(unit, 1).within(free), contends, "beside the pod alone")
			}
		}
	})
}
