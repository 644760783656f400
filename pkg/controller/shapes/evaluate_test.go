package shapes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

// labeled are pods of the same labels and requests.
type labeled struct {
	labels labels.Set
	workload.Group
}

// cluster is what a Headroom looks at.
type cluster struct {
	target  workload.Target
	groups  []labeled
	problem *workload.Problem
}

func (c *cluster) Target(workload.Ref) (workload.Target, *workload.Problem) {
	return c.target, c.problem
}

func (c *cluster) Pods(_ string, selector labels.Selector) ([]workload.Group, *workload.Problem) {
	var matching []workload.Group
	for _, group := range c.groups {
		if selector.Matches(group.labels) {
			matching = append(matching, group.Group)
		}
	}
	return matching, nil
}

func cpu(n string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(n)}
}

func template(requests string) *corev1.PodSpec {
	spec := &corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}
	if requests != "" {
		spec.Containers[0].Resources.Requests = cpu(requests)
	}
	return spec
}

// web is a workload of pods of one CPU.
func web() *cluster {
	selector := labels.SelectorFromSet(labels.Set{"app": "web"})
	return &cluster{target: workload.Target{Selector: selector, Newest: selector, Replicas: 1, Template: template("1")}}
}

func shaped() *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 1},
		Spec:       v1alpha1.HeadroomSpec{ShapeFrom: &v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}},
	}
}

func TestUnitsTakeTheFirstShapeAtOnceAndLaterOnesInTheirTime(t *testing.T) {
	h, c := shaped(), web()
	c.target.Rolls = true
	out := Evaluate(h, c, noon)
	require.Equal(t, "1", out.Status.Requests.Cpu().String(), "the first, although the workload rolls")
	require.Equal(t, "1 cpu: the template of Deployment web.", out.Status.Message)
	require.Equal(t, v1alpha1.ReasonShaped, out.Shaped.Reason)
	h.Status.Shape = out.Status

	c.target.Template = template("2")
	out = Evaluate(h, c, noon.Add(time.Hour))
	require.Same(t, h.Status.Shape, out.Status)
	require.Equal(t, v1alpha1.ReasonTargetRolls, out.Shaped.Reason)

	c.target.Rolls = false
	out = Evaluate(h, c, noon.Add(4*time.Minute))
	require.Same(t, h.Status.Shape, out.Status)
	require.Equal(t, v1alpha1.ReasonShapeChanged, out.Shaped.Reason)
	require.Equal(t, 6*time.Minute, out.Recheck)

	out = Evaluate(h, c, noon.Add(10*time.Minute))
	require.Equal(t, "2", out.Status.Requests.Cpu().String())
	require.Equal(t, noon.Add(10*time.Minute), out.Status.ChangedTime.UTC())
	require.Zero(t, out.Recheck)
}

// TestAShapeIsReadFromTheStatusAsItWasWritten: what is written and not read would be a change for ever.
func TestAShapeIsReadFromTheStatusAsItWasWritten(t *testing.T) {
	h, c := shaped(), web()
	c.target.Template.NodeSelector = map[string]string{"pool": "web"}
	c.target.Template.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpExists}},
		}}},
	}}
	c.target.Template.Tolerations = []corev1.Toleration{{Key: "web", Operator: corev1.TolerationOpExists}}
	c.target.Template.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}}
	c.target.Template.RuntimeClassName = ptr.To("gvisor")
	first := Evaluate(h, c, noon).Status
	require.NotEmpty(t, first.NodeSelector)
	require.NotNil(t, first.NodeAffinity)
	require.NotEmpty(t, first.Tolerations)
	require.NotEmpty(t, first.TopologySpreadConstraints)
	require.Equal(t, "gvisor", first.RuntimeClassName)
	h.Status.Shape = first
	out := Evaluate(h, c, noon.Add(time.Hour))
	require.Equal(t, v1alpha1.ReasonShaped, out.Shaped.Reason)
	require.Same(t, first, out.Status)
}

func TestASizeIsToldInTheOrderOfTheNamesOfResources(t *testing.T) {
	require.Equal(t, "9 cpu, 4Gi memory, 1 nvidia.com/gpu", inWords(corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse("4Gi"), "nvidia.com/gpu": resource.MustParse("1"), corev1.ResourceCPU: resource.MustParse("9"),
	}))
}

func TestPodsThatRequestMoreThanTheTemplateCount(t *testing.T) {
	h, c := shaped(), web()
	c.groups = []labeled{
		{labels.Set{"app": "web"}, workload.Group{Requests: cpu("1500m"), Count: 3}},
		{labels.Set{"app": "web", "old": "yes"}, workload.Group{Requests: cpu("500m"), Count: 1}},
		{labels.Set{"app": "batch"}, workload.Group{Requests: cpu("9"), Count: 1}},
	}
	out := Evaluate(h, c, noon)
	require.Equal(t, "1500m", out.Status.Requests.Cpu().String())
	require.Equal(t, "1500m cpu: the template of Deployment web, and the larger requests of pods of Deployment web.", out.Status.Message)

	c.target.Rolls = true // its pods are of two templates
	out = Evaluate(h, c, noon)
	require.Equal(t, "1", out.Status.Requests.Cpu().String())

	c.target.Rolls, c.target.Template = false, nil // a kind of others, with a scale subresource alone
	out = Evaluate(h, c, noon)
	require.Equal(t, "1500m cpu: the largest requests of pods of Deployment web.", out.Status.Message)
}

// Pods that an injector makes larger than their template are so after a scale to zero, too.
func TestUnitsKeepTheSizeThatPodsHadWhileNoneCanBeLookedAt(t *testing.T) {
	h, c := shaped(), web()
	larger := []labeled{{labels.Set{"app": "web"}, workload.Group{Requests: cpu("1500m"), Count: 3}}}
	c.groups = larger
	held := Evaluate(h, c, noon).Status
	require.Equal(t, "1", held.TemplateRequests.Cpu().String())
	h.Status.Shape = held
	later := noon.Add(time.Hour)
	for name, change := range map[string]func(){
		"the workload is scaled to zero": func() { c.groups = nil },
		"it adds pods":                   func() { c.target.Rolls = true },
		"its template changed by less than 10 percent": func() {
			c.groups, c.target.Template = nil, template("1090m")
		},
	} {
		t.Run(name, func(t *testing.T) {
			change()
			out := Evaluate(h, c, later)
			require.Same(t, held, out.Status)
			require.Equal(t, v1alpha1.ReasonShaped, out.Shaped.Reason)
			c.groups, c.target.Rolls, c.target.Template = larger, false, template("1")
		})
	}
	t.Run("it may go elsewhere since it is scaled to zero", func(t *testing.T) {
		c.groups, c.target.Template.NodeSelector = nil, map[string]string{"pool": "b"}
		out := Evaluate(h, c, later)
		require.Equal(t, "1500m cpu: the template of Deployment web, and the larger requests of pods of Deployment web.", out.Status.Message)
		require.Equal(t, "1", out.Status.TemplateRequests.Cpu().String())
		c.groups, c.target.Template.NodeSelector = larger, nil
	})
	t.Run("another template makes other pods", func(t *testing.T) {
		c.groups, c.target.Template = nil, template("2")
		out := Evaluate(h, c, later)
		require.Equal(t, "2", out.Status.Requests.Cpu().String())
		require.Nil(t, out.Status.TemplateRequests)
		c.target.Template = template("1")
	})
	t.Run("pods that are smaller are believed", func(t *testing.T) {
		c.groups = []labeled{{labels.Set{"app": "web"}, workload.Group{Requests: cpu("1"), Count: 1}}}
		out := Evaluate(h, c, later)
		require.Equal(t, "1", out.Status.Requests.Cpu().String())
		require.Nil(t, out.Status.TemplateRequests)
	})
}

func TestWhatCannotBeToldLeavesTheShape(t *testing.T) {
	for name, tc := range map[string]struct {
		change       func(*cluster)
		reason, text string
	}{
		"a workload that is gone": {
			func(c *cluster) {
				c.problem = &workload.Problem{Reason: v1alpha1.ReasonTargetNotFound, Message: "there is no Deployment web"}
			},
			v1alpha1.ReasonTargetNotFound, "there is no Deployment web",
		},
		"a workload that says nothing of its pods and has none": {
			func(c *cluster) { c.target.Template = nil }, v1alpha1.ReasonNoRequests,
			"Deployment web has no bound pods and no template at spec.template, so that nobody knows what its pods request; ",
		},
		"pods without requests": {
			func(c *cluster) {
				c.target.Template, c.groups = template(""), []labeled{{labels.Set{"app": "web"}, workload.Group{Count: 1}}}
			},
			v1alpha1.ReasonNoRequests, "the pods of Deployment web request nothing, so that there is nothing to hold; ",
		},
		"a workload without requests": {
			func(c *cluster) { c.target.Template = template("") }, v1alpha1.ReasonNoRequests, "the template of Deployment web requests nothing, and no pod of it is bound, so that there is nothing to hold; ",
		},
		"a workload that requests zero": {
			func(c *cluster) { c.target.Template = template("0") }, v1alpha1.ReasonNoRequests, "the template of Deployment web requests nothing, and no pod of it is bound, so that there is nothing to hold; ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := shaped(), web()
			held := Evaluate(h, c, noon).Status
			tc.change(c)
			out := Evaluate(h, c, noon)
			require.Nil(t, out.Status)
			require.Equal(t, tc.reason, out.Shaped.Reason)
			require.Contains(t, out.Shaped.Message, tc.text)
			require.Contains(t, out.Shaped.Message, "no unit is made before it is known")

			h.Status.Shape = held
			out = Evaluate(h, c, noon)
			require.Same(t, held, out.Status)
			require.Contains(t, out.Shaped.Message, "units keep the shape that they have")
		})
	}
}

func TestWhatTheHeadroomSaysGoesBefore(t *testing.T) {
	h, c := shaped(), web()
	c.target.Template.NodeSelector = map[string]string{"pool": "general"}
	c.target.Template.Tolerations = []corev1.Toleration{{Key: "spot", Operator: corev1.TolerationOpExists}}
	shape := Evaluate(h, c, noon).Status
	require.Equal(t, shape.NodeSelector, h.Shaped(shape).Spec.NodeSelector)
	h.Spec.NodeSelector = map[string]string{"pool": "own"}
	got := h.Shaped(shape)
	require.Equal(t, map[string]string{"pool": "own"}, got.Spec.NodeSelector)
	require.Equal(t, shape.Tolerations, got.Spec.Tolerations)
	require.Nil(t, h.Spec.Requests, "the Headroom itself is left alone")
	require.Same(t, h, h.Shaped(nil))
	h.Spec.ShapeFrom = nil
	require.Same(t, h, h.Shaped(shape))
}
