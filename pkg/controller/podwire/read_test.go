package podwire

import (
	"math/rand"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

// requireSame requires that of a pod the same was kept as whoever decodes it reads.
func requireSame(t require.TestingT, whole *corev1.Pod, kept *Pod) {
	require.Equal(t, whole.Name, kept.Name)
	require.Equal(t, whole.Namespace, kept.Namespace)
	require.Equal(t, whole.Spec.NodeName != "" && whole.DeletionTimestamp == nil, kept.Held)
	if !kept.Held {
		require.Zero(t, kept.Class)
		return
	}
	decoded, err := kept.Class.Pod()
	require.NoError(t, err)
	require.True(t, equality.Semantic.DeepEqual(whole.Labels, decoded.Labels), "labels %v, not %v", decoded.Labels, whole.Labels)
	for _, options := range []resourcehelper.PodResourcesOptions{{ExcludeOverhead: true}, {ExcludeOverhead: true, SkipPodLevelResources: true}} {
		want, got := resourcehelper.PodRequests(whole, options), resourcehelper.PodRequests(decoded, options)
		require.True(t, equality.Semantic.DeepEqual(want, got), "requests %v, not %v", got, want)
	}
}

// anyPod is a pod with any values in any of its fields.
func anyPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{}
	source := rand.NewSource(rapid.Int64().Draw(t, "seed"))
	fuzzer.FuzzerFor(metafuzzer.Funcs, source, scheme.Codecs).NumElements(0, 4).Fill(pod)
	if rapid.Bool().Draw(t, "stays") {
		pod.DeletionTimestamp = nil
	}
	request := func() corev1.ResourceList {
		list := corev1.ResourceList{}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "example.com/gpu"} {
			if n := rapid.Int64Range(0, 5).Draw(t, "request"); n > 0 {
				list[name] = *resource.NewMilliQuantity(n*250, resource.DecimalSI)
			}
		}
		return list
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		c.Resources.Requests = request()
		c.RestartPolicy = rapid.SampledFrom([]*corev1.ContainerRestartPolicy{nil, ptr.To(corev1.ContainerRestartPolicyAlways)}).Draw(t, "sidecar")
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Resources.Requests = request()
	}
	if pod.Spec.Resources != nil {
		pod.Spec.Resources.Requests = request()
	}
	return pod
}

func TestOfAnyPodTheSameIsReadAsByDecodingIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := anyPod(t)
		kept, err := Of(pod)
		require.NoError(t, err)
		requireSame(t, pod, kept)

		other := pod.DeepCopy() // in all that does not count
		other.Annotations, other.Status, other.Finalizers = map[string]string{"other": ""}, corev1.PodStatus{}, []string{"other"}
		other.Spec.Volumes, other.Spec.Overhead, other.Spec.EphemeralContainers = []corev1.Volume{{Name: "other"}}, nil, nil
		for i := range other.Spec.Containers {
			other.Spec.Containers[i].Env = []corev1.EnvVar{{Name: "OTHER"}}
		}
		again, err := Of(other)
		require.NoError(t, err)
		require.Equal(t, kept.Class, again.Class)
	})
}

// Whatever was read before, a pod is read as if it were the first.
func TestWhatIsRememberedOfOtherPodsIsInNoPod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{}
		for range rapid.IntRange(1, 5).Draw(t, "pods") {
			pod := anyPod(t)
			wire, err := pod.Marshal()
			require.NoError(t, err)
			alone, err := Read(wire)
			require.NoError(t, err)
			kept, err := m.read(wire)
			require.NoError(t, err)
			require.Equal(t, alone, kept)
			require.Equal(t, pod.ResourceVersion, string(m.version))
		}
	})
}

func TestNoMoreClassesAreRememberedThanThereIsRoomFor(t *testing.T) {
	m := &memory{}
	for i := range 3 * mostClasses {
		wire, err := bound("a", "1", map[string]string{"index": strconv.Itoa(i)}).Marshal()
		require.NoError(t, err)
		_, err = m.read(wire)
		require.NoError(t, err)
		require.LessOrEqual(t, len(m.classes), mostClasses)
		require.NotEmpty(t, m.classes)
	}
}

func TestAPodThatDiffersInWhatCountsIsOfAnotherClass(t *testing.T) {
	quantity := resource.MustParse("1")
	base := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"app": "web"}}}
	base.Spec.NodeName = "n1"
	base.Spec.Containers, base.Spec.InitContainers = make([]corev1.Container, 1), make([]corev1.Container, 1)
	kept, err := Of(base)
	require.NoError(t, err)
	for name, change := range map[string]func(*corev1.Pod){
		"a label":                func(p *corev1.Pod) { p.Labels["app"] = "api" },
		"a further label":        func(p *corev1.Pod) { p.Labels["tier"] = "front" },
		"a container's requests": func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": quantity} },
		"a further container":    func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{}) },
		"an init container's requests": func(p *corev1.Pod) {
			p.Spec.InitContainers[0].Resources.Requests = corev1.ResourceList{"cpu": quantity}
		},
		"an init container that stays": func(p *corev1.Pod) {
			p.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		},
		"requests of the pod": func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": quantity}}
		},
		"that nobody bound it":     func(p *corev1.Pod) { p.Spec.NodeName = "" },
		"that it is being deleted": func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := base.DeepCopy()
			change(changed)
			again, err := Of(changed)
			require.NoError(t, err)
			require.NotEqual(t, kept.Class, again.Class)
			requireSame(t, changed, again)
		})
	}
}

func TestFieldsThatNobodyKnowsArePassedOver(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName = "n1"
	wire, err := pod.Marshal()
	require.NoError(t, err)
	kept, err := Read(wire)
	require.NoError(t, err)

	wire = protowire.AppendVarint(protowire.AppendTag(wire, 1001, protowire.VarintType), 7)
	wire = protowire.AppendFixed32(protowire.AppendTag(wire, 1002, protowire.Fixed32Type), 7)
	wire = protowire.AppendFixed64(protowire.AppendTag(wire, 1003, protowire.Fixed64Type), 7)
	wire = protowire.AppendString(protowire.AppendTag(wire, 1004, protowire.BytesType), "new")
	wire = protowire.AppendGroup(protowire.AppendTag(wire, 1005, protowire.StartGroupType), 1005, nil)
	later, err := Read(wire)
	require.NoError(t, err)
	require.Equal(t, kept, later)

	for _, broken := range [][]byte{
		protowire.AppendTag(wire, 1006, protowire.Type(6)),                                           // no such type
		protowire.AppendVarint(protowire.AppendTag(wire, podSpec, protowire.BytesType), 1<<40),       // more than there is
		protowire.AppendBytes(protowire.AppendTag(wire, podSpec, protowire.BytesType), []byte{0xff}), // in a message within
	} {
		_, err = Read(broken)
		require.ErrorContains(t, err, "reading a pod")
	}
}

// What a damaged pod says is not defined, but it is read without panic, and so is its class.
func FuzzRead(f *testing.F) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName, pod.Spec.Containers = "n1", []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("1")},
	}}}
	wire, err := pod.Marshal()
	require.NoError(f, err)
	for n := range wire {
		f.Add(wire[:n])
		damaged := append([]byte{}, wire...)
		damaged[n] ^= 0x81
		f.Add(damaged)
	}
	f.Fuzz(func(_ *testing.T, wire []byte) {
		if kept, err := Read(wire); err == nil {
			_, _ = kept.Class.Pod()
		}
	})
}

func TestAPodWithoutAVersionHasNotThatOfTheOneBefore(t *testing.T) {
	m := &memory{}
	for _, version := range []string{"7", "", "8"} {
		wire, err := bound("a", version, nil).Marshal()
		require.NoError(t, err)
		if version == "" {
			wire = []byte{} // on the wire it would be there, and empty
		}
		_, err = m.read(wire)
		require.NoError(t, err)
		require.Equal(t, version, string(m.version))
	}
}
