package selection

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// classOf returns the equivalence class of a pod.
func (f *fixture) classOf(t *testing.T, pod *corev1.Pod) equivalenceClass {
	t.Helper()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	return f.equivalenceClassOf(t.Context(), f.Profile.NewRun(state, pod), f.consumer(t, pod))
}

func TestWhichPodsAreOfOneClass(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for name, tc := range map[string]struct {
		change func(*st.PodWrapper)
		same   bool
	}{
		"those that differ by their name":     {change: func(p *st.PodWrapper) { p.Name("second").UID("second") }, same: true},
		"by the volume of their token":        {change: func(p *st.PodWrapper) { p.Volume(token("second")) }, same: true},
		"by what they run with":               {change: func(p *st.PodWrapper) { p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "b"}} }, same: true},
		"by a label that nobody reads":        {change: func(p *st.PodWrapper) { p.Label("version", "2") }, same: true},
		"not by one that others keep off":     {change: func(p *st.PodWrapper) { p.Label("app", "db") }},
		"not by their namespace":              {change: func(p *st.PodWrapper) { p.Namespace("other") }},
		"not by their priority":               {change: func(p *st.PodWrapper) { p.Priority(7) }},
		"not by what they ask for":            {change: func(p *st.PodWrapper) { p.Req(res("2")) }},
		"not by what they tolerate":           {change: func(p *st.PodWrapper) { p.Toleration("gpu") }},
		"not by the nodes that they select":   {change: func(p *st.PodWrapper) { p.NodeSelector(map[string]string{"disk": "ssd"}) }},
		"not by what they want to be near to": {change: func(p *st.PodWrapper) { p.Annotation(v1alpha1.AnnotationNear, "app=db") }},
		"not by their affinity":               {change: func(p *st.PodWrapper) { p.PodAffinity("zone", selector, st.PodAffinityWithPreferredReq) }},
		"not by their host ports":             {change: func(p *st.PodWrapper) { p.HostPort(80) }},
	} {
		t.Run(name, func(t *testing.T) {
			aloof := on("a", "aloof", "0").PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq).Obj()
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"), aloof)
			pod := func() *st.PodWrapper { return wants("1").Label("app", "web") }
			changed := pod()
			tc.change(changed)
			one, other := f.classOf(t, pod().Obj()), f.classOf(t, changed.Obj())
			require.NotEmpty(t, one.key)
			require.NotEmpty(t, other.key)
			require.Equal(t, tc.same, one.key == other.key)
		})
	}
}

// signing is the framework of a profile whose plugins sign all pods alike.
type signing struct{ framework.Framework }

func (signing) SignPod(context.Context, *corev1.Pod) fwk.PodSignature {
	return fwk.PodSignature("same")
}

// TestWhatNoPluginReadsTellsPodsApartInAnyProfile, also where not all plugins are known, so that their signature stands for what they read.
func TestWhatNoPluginReadsTellsPodsApartInAnyProfile(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*st.PodWrapper)
		same   bool
	}{
		"not their names":       {change: func(p *st.PodWrapper) { p.Name("second").UID("second") }, same: true},
		"their priority":        {change: func(p *st.PodWrapper) { p.Priority(7) }},
		"what they ask for":     {change: func(p *st.PodWrapper) { p.Req(res("2")) }},
		"their namespace":       {change: func(p *st.PodWrapper) { p.Namespace("other") }},
		"what they are near to": {change: func(p *st.PodWrapper) { p.Annotation(v1alpha1.AnnotationNear, "app=db") }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
			f.Profile, f.Handle = dryrun.NewProfile(f.framework, "another"), signing{f.framework}
			changed := wants("1")
			tc.change(changed)
			one, other := f.classOf(t, wants("1").Obj()), f.classOf(t, changed.Obj())
			require.NotEmpty(t, one.key)
			require.Equal(t, tc.same, one.key == other.key)
		})
	}
}

func TestPodsThatWantToBeNearToDifferentPodsAreOfDifferentClasses(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
	near := func(app string) string {
		return f.classOf(t, wants("1").Annotation(v1alpha1.AnnotationNear, "app="+app).Obj()).key
	}
	db, again := near("db"), near("db")
	require.Equal(t, db, again)
	require.NotEqual(t, db, near("cache"))
}

func token(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}}
}

func TestWhichPodsAreInAClassOfTheirOwn(t *testing.T) {
	group := "group"
	for name, change := range map[string]func(*corev1.Pod){
		"one whose data is somewhere": func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "s", Path: "/"}}}}
		},
		"one with a claim of a device":         func(pod *corev1.Pod) { pod.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}} },
		"one that is scheduled with its group": func(pod *corev1.Pod) { pod.Spec.SchedulingGroup = &corev1.PodSchedulingGroup{PodGroupName: &group} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
			pod := wants("1").Obj()
			change(pod)
			require.Empty(t, f.classOf(t, pod).key)
		})
	}
}

func TestWhatPluginsReadBeyondTheNode(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	spread := func(action corev1.UnsatisfiableConstraintAction) *corev1.Pod {
		return wants("1").SpreadConstraint(1, corev1.LabelTopologyZone, action, selector, nil, nil, nil, nil).Obj()
	}
	for name, tc := range map[string]struct {
		pod                                    *corev1.Pod
		crossNode, podAffinity, crossNodeScore bool
	}{
		"a pod that asks for nothing": {pod: wants("1").Obj()},
		"one that must spread":        {pod: spread(corev1.DoNotSchedule), crossNode: true},
		"one that should spread":      {pod: spread(corev1.ScheduleAnyway), crossNodeScore: true},
		"one with an affinity": {
			pod: wants("1").PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq).Obj(), crossNode: true, podAffinity: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
			got := f.classOf(t, tc.pod)
			require.Equal(t, tc.crossNode, got.crossNode)
			require.Equal(t, tc.podAffinity, got.podAffinity)
			require.Equal(t, tc.crossNodeScore, got.crossNodeScore)
		})
	}
}
