package selection

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// classOf returns the equivalence class of a pod.
func (f *fixture) classOf(t *testing.T, pod *corev1.Pod) equivalenceClass {
	t.Helper()
	return f.equivalenceClassOf(t.Context(), f.run(t, pod), f.consumer(t, pod))
}

func TestWhichPodsAreOfOneClass(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for name, tc := range map[string]struct {
		change func(*st.PodWrapper)
		same   bool
	}{
		"those that differ by their name": {change: func(p *st.PodWrapper) { p.Name("second").UID("second") }, same: true},
		"by the volume of their token":    {change: func(p *st.PodWrapper) { p.Volume(token("second")) }, same: true},
		"by what they run with":           {change: func(p *st.PodWrapper) { p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "b"}} }, same: true},
		"by a label that nobody reads":    {change: func(p *st.PodWrapper) { p.Label("version", "2") }, same: true},
		"by all else that they run with":  {change: func(p *st.PodWrapper) { runsAnother(&p.Pod) }, same: true},
		"not by what they run before": {
			change: func(p *st.PodWrapper) { p.Spec.InitContainers = []corev1.Container{{Name: "before", Image: "image"}} },
		},
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

// runsAnother changes what a pod runs with, of which no plugin reads anything.
func runsAnother(pod *corev1.Pod) {
	probe := &corev1.Probe{PeriodSeconds: 7}
	c := &pod.Spec.Containers[0]
	c.VolumeMounts, c.Command, c.Args = []corev1.VolumeMount{{Name: "token", MountPath: "/"}}, []string{"run"}, []string{"fast"}
	c.EnvFrom, c.Lifecycle = []corev1.EnvFromSource{{Prefix: "P"}}, &corev1.Lifecycle{}
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = probe, probe, probe
	pod.Spec.Hostname = "second"
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}}}
}

// TestPodsAreOfAnotherClassOnceTheyMayTakeSomethingElse has one pod before and after.
func TestPodsAreOfAnotherClassOnceTheyMayTakeSomethingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(f *fixture) error
		same   bool
	}{
		"nothing changed":              {change: func(*fixture) error { return nil }, same: true},
		"consumers name it":            {change: func(f *fixture) error { return f.Catalog.Set(forApp("open", "web")) }},
		"its namespace has labels":     {change: func(f *fixture) error { return f.namespace("default", "a") }},
		"another namespace has labels": {change: func(f *fixture) error { return f.namespace("other", "a") }, same: true},
		"its units cannot be deleted now": {change: func(f *fixture) error {
			f.Undeletable = func(types.NamespacedName) bool { return true }
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
			pod := wants("1").Label("app", "web").Obj()
			before := f.classOf(t, pod).key
			require.NoError(t, tc.change(f))
			require.Equal(t, tc.same, f.classOf(t, pod).key == before)
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
		"not their names":   {change: func(p *st.PodWrapper) { p.Name("second").UID("second") }, same: true},
		"their priority":    {change: func(p *st.PodWrapper) { p.Priority(7) }},
		"what they ask for": {change: func(p *st.PodWrapper) { p.Req(res("2")) }},
		"their namespace":   {change: func(p *st.PodWrapper) { p.Namespace("other") }},
		"their affinity": {change: func(p *st.PodWrapper) {
			p.NodeAffinityIn("disk", []string{"ssd"}, st.NodeSelectorTypeMatchExpressions)
		}},
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

func TestAPodIsInAClassOfItsOwnInAGroupAndIfItWantsDevices(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
	pod := wants("1").Obj()
	c := f.consumer(t, pod)
	require.Empty(t, f.equivalenceClassOf(t.Context(), f.Profile.NewRunInGroup(framework.NewCycleState(), pod), c).key)
	require.NotEmpty(t, f.classOf(t, wantsDevices("1")).key, "nobody allocates devices")

	f = newFixtureWith(t, &devices{}, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
	require.NotEmpty(t, f.classOf(t, pod).key)
	c = f.consumer(t, wantsDevices("1"))
	require.Empty(t, f.equivalenceClassOf(t.Context(), f.Profile.NewRun(framework.NewCycleState(), c.Pod), c).key)
}

func TestWhichVolumesAreWhereverThePodIs(t *testing.T) {
	for name, tc := range map[string]struct {
		source corev1.VolumeSource
		want   bool
	}{
		"an empty directory":       {source: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, want: true},
		"a token":                  {source: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}, want: true},
		"a ConfigMap":              {source: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}, want: true},
		"a Secret":                 {source: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}, want: true},
		"the pod's own fields":     {source: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}, want: true},
		"a directory of the node":  {source: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}, want: true},
		"not a claim":              {source: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{}}},
		"not a claim of its own":   {source: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
		"not a driver of the node": {source: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{}}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Volume(token("token")).Volume(corev1.Volume{Name: "v", VolumeSource: tc.source}).Obj()
			require.Equal(t, tc.want, localVolumes(pod))
		})
	}
}

func TestThePodsOfAServiceAreScoredByWhereTheOthersAre(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "4")}, unit(0, "a"))
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
	service.Spec.Selector = map[string]string{"app": "web"}
	require.NoError(t, f.Handle.SharedInformerFactory().Core().V1().Services().Informer().GetStore().Add(service))
	web := f.classOf(t, wants("1").Label("app", "web").Obj())
	require.True(t, web.crossNodeScore)
	require.False(t, web.crossNode, "they need not spread")
	c := f.consumer(t, wants("1").Label("app", "web").Obj())
	apart := f.equivalenceClassOf(t.Context(), f.Profile.NewRunApart(c.Pod), c)
	require.True(t, apart.crossNode, "apart from a cycle, which tells it, they may have to by default")
	require.False(t, f.classOf(t, wants("1").Label("app", "db").Obj()).crossNodeScore)
	own := wants("1").Label("app", "web").SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule,
		metav1.SetAsLabelSelector(service.Spec.Selector), nil, nil, nil, nil).Obj()
	require.False(t, f.classOf(t, own).crossNodeScore, "default constraints are not for pods with their own")
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
