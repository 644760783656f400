package v1alpha1_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// someShape says everything that a shape can, as the workload called from.
func someShape(from string) *v1alpha1.ShapeStatus {
	return &v1alpha1.ShapeStatus{
		Requests:     corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
		NodeSelector: map[string]string{"pool": from},
		NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: "In", Values: []string{from}}}}},
		}},
		Tolerations:               []corev1.Toleration{{Key: from, Operator: corev1.TolerationOpExists}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{TopologyKey: from}},
		RuntimeClassName:          from,
	}
}

// placed is the placement of a Headroom without one that takes its shape from a workload.
func placed(by *v1alpha1.ShapeStatus) v1alpha1.HeadroomSpec {
	h := v1alpha1.Headroom{Spec: v1alpha1.HeadroomSpec{ShapeFrom: &v1alpha1.WorkloadReference{}}}
	return h.Shaped(by).Spec
}

func TestAShapeSaysWhatTheSpecLeavesOpen(t *testing.T) {
	shape, own := someShape("shape"), placed(someShape("own"))
	for name, tc := range map[string]struct {
		// say has the spec say something, and want is what follows for the shaped one.
		say, want func(*v1alpha1.HeadroomSpec)
	}{
		"it says nothing": {say: func(*v1alpha1.HeadroomSpec) {}, want: func(*v1alpha1.HeadroomSpec) {}},
		"its node selector": {
			say:  func(s *v1alpha1.HeadroomSpec) { s.NodeSelector = own.NodeSelector },
			want: func(s *v1alpha1.HeadroomSpec) { s.NodeSelector = own.NodeSelector },
		},
		"its affinity": {
			say:  func(s *v1alpha1.HeadroomSpec) { s.Affinity = own.Affinity },
			want: func(s *v1alpha1.HeadroomSpec) { s.Affinity = own.Affinity },
		},
		"its affinity, to pods alone": {
			say: func(s *v1alpha1.HeadroomSpec) {
				s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}}
			},
			want: func(s *v1alpha1.HeadroomSpec) {
				s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}}
			},
		},
		"its tolerations": {
			say:  func(s *v1alpha1.HeadroomSpec) { s.Tolerations = own.Tolerations },
			want: func(s *v1alpha1.HeadroomSpec) { s.Tolerations = own.Tolerations },
		},
		"its spread": {
			say:  func(s *v1alpha1.HeadroomSpec) { s.TopologySpreadConstraints = own.TopologySpreadConstraints },
			want: func(s *v1alpha1.HeadroomSpec) { s.TopologySpreadConstraints = own.TopologySpreadConstraints },
		},
		"its runtime class": {
			say:  func(s *v1alpha1.HeadroomSpec) { s.RuntimeClassName = own.RuntimeClassName },
			want: func(s *v1alpha1.HeadroomSpec) { s.RuntimeClassName = own.RuntimeClassName },
		},
		"one unit on each node, which are not spread": {
			say: func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode },
			want: func(s *v1alpha1.HeadroomSpec) {
				s.Placement, s.TopologySpreadConstraints = v1alpha1.PlacementPerNode, nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := &v1alpha1.Headroom{Spec: v1alpha1.HeadroomSpec{ShapeFrom: &v1alpha1.WorkloadReference{}}}
			tc.say(&h.Spec)
			said, want := h.DeepCopy(), placed(shape)
			tc.want(&want)
			shaped := h.Shaped(shape)
			require.Equal(t, want, shaped.Spec)
			require.Equal(t, said, h, "it may be one of a cache")

			shaped.Spec.Requests[corev1.ResourceCPU] = resource.MustParse("9")
			require.Equal(t, someShape("shape"), shape, "so may the shape")
		})
	}
}

func TestAShapeIsTakenAsAWhole(t *testing.T) {
	shape := someShape("shape")
	require.Equal(t, v1alpha1.HeadroomSpec{
		ShapeFrom: &v1alpha1.WorkloadReference{}, Requests: shape.Requests, NodeSelector: shape.NodeSelector,
		Affinity: &corev1.Affinity{NodeAffinity: shape.NodeAffinity}, Tolerations: shape.Tolerations,
		TopologySpreadConstraints: shape.TopologySpreadConstraints, RuntimeClassName: shape.RuntimeClassName,
	}, placed(shape))
	require.Equal(t, v1alpha1.HeadroomSpec{ShapeFrom: &v1alpha1.WorkloadReference{}}, placed(&v1alpha1.ShapeStatus{}), "one that says nothing")
}

func TestAShapeWithoutRequestsStillSaysWhere(t *testing.T) {
	require.Equal(t, v1alpha1.HeadroomSpec{ShapeFrom: &v1alpha1.WorkloadReference{}, NodeSelector: map[string]string{"pool": "a"}},
		placed(&v1alpha1.ShapeStatus{NodeSelector: map[string]string{"pool": "a"}}))
}

func TestAHeadroomThatHasNoShapeIsItself(t *testing.T) {
	h := &v1alpha1.Headroom{}
	require.Same(t, h, h.Shaped(someShape("shape")), "it takes none from a workload")
	h.Spec.ShapeFrom = &v1alpha1.WorkloadReference{}
	require.Same(t, h, h.Shaped(nil), "it is not known yet")
}
