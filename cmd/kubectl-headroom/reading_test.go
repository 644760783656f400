package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientsetfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/explanation"
)

// podOf is a pod of a namespace.
func podOf(namespace, name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "-" + name)}}
}

// refusing is a cluster with these objects that answers a list of one kind with an error.
func refusing(kind client.ObjectList, answer error, objects ...client.Object) *reader {
	return &reader{objects: interceptor.NewClient(fake.NewClientBuilder().WithScheme(newScheme()).WithObjects(objects...).Build(), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, options ...client.ListOption) error {
			if fmt.Sprintf("%T", into) == fmt.Sprintf("%T", kind) {
				return answer
			}
			return c.List(ctx, into, options...)
		},
	})}
}

func TestAListIsOfTheNamespaceThatIsAskedFor(t *testing.T) {
	r := refusing(nil, nil, podOf("shop", "web"), podOf("search", "api"))
	for namespace, want := range map[string]int{"shop": 1, "none": 0, "": 2} {
		var pods corev1.PodList
		require.NoError(t, r.list(t.Context(), &pods, "pods", namespace))
		require.Len(t, pods.Items, want, namespace)
	}
	r = refusing(&corev1.PodList{}, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil))
	for namespace, where := range map[string]string{"shop": "in namespace shop", "": "of the whole cluster"} {
		require.ErrorContains(t, r.list(t.Context(), &corev1.PodList{}, "pods", namespace), "no right to list pods "+where+": ")
	}
}

func TestAPlacementIsToldWithoutHeadroomsAndClassesButNotWithoutTheRest(t *testing.T) {
	headroom := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "some"}}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom"}}
	node, namespace := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, "", nil)
	for name, tc := range map[string]struct {
		kind   client.ObjectList
		answer error
		code   int
		found  [4]int // of pods, DaemonSets, Headrooms and PriorityClasses
	}{
		"everything can be read":      {found: [4]int{1, 1, 1, 1}},
		"Headroom is not installed":   {kind: &v1alpha1.HeadroomList{}, answer: &meta.NoKindMatchError{}, found: [4]int{1, 1, 0, 1}},
		"no right to list Headrooms":  {kind: &v1alpha1.HeadroomList{}, answer: forbidden, code: exitForbidden},
		"no right to list nodes":      {kind: &corev1.NodeList{}, answer: forbidden, code: exitForbidden},
		"no right to list namespaces": {kind: &corev1.NamespaceList{}, answer: forbidden, code: exitForbidden},
		"no right to list classes":    {kind: &schedulingv1.PriorityClassList{}, answer: forbidden, found: [4]int{1, 1, 1, 0}},
		"classes cannot be read":      {kind: &schedulingv1.PriorityClassList{}, answer: errors.New("broken"), code: exitFailed},
		"DaemonSets are of no API":    {kind: &appsv1.DaemonSetList{}, answer: &meta.NoKindMatchError{}, code: exitNotFound},
		"the cluster does not answer": {kind: &corev1.PodList{}, answer: context.DeadlineExceeded, code: exitUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := refusing(tc.kind, tc.answer, podOf("shop", "web"), headroom, class, set, node, namespace).cluster(t.Context())
			require.Equal(t, tc.code, exitCode(err), "%v", err)
			if err != nil {
				return
			}
			got := [4]int{len(found.Pods), len(found.DaemonSets), len(found.Headrooms), len(found.priorityClasses)}
			require.Equal(t, tc.found, got)
			require.Equal(t, []string{"n", "shop"}, []string{found.Nodes[0].Name, found.Namespaces[0].Name})
			require.WithinDuration(t, time.Now(), found.taken, time.Minute)
		})
	}
}

func TestWhatIsLackingIsARightOrAKindAndNothingElse(t *testing.T) {
	for code, want := range map[int]bool{exitFailed: false, exitNotFound: true, exitForbidden: true, exitUnreachable: false} {
		require.Equal(t, want, lacking(fmt.Errorf("wrapped: %w", &problem{code: code})), code)
	}
	require.False(t, lacking(nil))
}

// TestTheRuleIsThatOfThePodAndOfNoneOfItsName: a StatefulSet makes a pod anew under its name, and events outlive pods.
func TestTheRuleIsThatOfThePodAndOfNoneOfItsName(t *testing.T) {
	event := func(name, uid, reason, why string) *corev1.Event {
		e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Reason: reason}
		e.InvolvedObject = corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web", UID: types.UID(uid)}
		e.Message = swapevent.Note(swapevent.Swap{Placeholders: []types.NamespacedName{{Namespace: "shop", Name: "web-headroom-0"}}, Node: "n", Why: why})
		return e
	}
	of := func(o client.Object, value func(*corev1.Event) string) []string {
		return []string{value(o.(*corev1.Event))}
	} //nolint:forcetypeassert // an index of events
	objects := fake.NewClientBuilder().WithScheme(newScheme()).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return of(o, func(e *corev1.Event) string { return string(e.InvolvedObject.UID) })
		}).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string {
			return of(o, func(e *corev1.Event) string { return e.InvolvedObject.Name })
		}).
		WithObjects(
			event("a", "shop-web", "Scheduled", "of another reason"), event("b", "shop-web", swapevent.Reason, "the one"),
			event("c", "earlier", swapevent.Reason, "of the pod before"),
		).Build()
	told := &explanation.Explanation{}
	require.NoError(t, (&reader{objects: objects}).addRule(t.Context(), told, podOf("shop", "web")))
	require.Equal(t, "the one", told.Rule)
	require.Empty(t, told.NotSeen)

	told = &explanation.Explanation{}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
	require.NoError(t, refusing(&corev1.EventList{}, forbidden).addRule(t.Context(), told, podOf("shop", "web")))
	require.Len(t, told.NotSeen, 1)
	require.Contains(t, told.NotSeen[0], "by which rule is not shown: ")
	require.Error(t, refusing(&corev1.EventList{}, errors.New("broken")).addRule(t.Context(), told, podOf("shop", "web")))
}

func TestAPodSaysWhereItIs(t *testing.T) {
	for want, change := range map[string]func(*corev1.Pod){
		"It was on node n and has ended (Failed).":    func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "n", corev1.PodFailed },
		"It was on no node and has ended (Failed).":   func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
		"It was on node n and has ended (Succeeded).": func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "n", corev1.PodSucceeded },
		"It is on node n.":                            func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "n", corev1.PodRunning },
		"It is on no node: the scheduling gate a holds it back.": func(p *corev1.Pod) {
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "a"}, {Name: "b"}}
		},
		"It is on no node: the scheduling gate only holds it back.": func(p *corev1.Pod) {
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "only"}}
		},
		"It is on no node. The scheduler s says: no room": func(p *corev1.Pod) {
			p.Spec.SchedulerName = "s"
			p.Status.Conditions = []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionFalse, Message: "not ready"},
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no room"},
			}
		},
		"It is on no node, and the scheduler default-scheduler has said nothing of it yet: is there one of this name?": func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionUnknown, Message: "who knows"}}
		},
	} {
		pod := podOf("shop", "web")
		change(pod)
		require.Equal(t, want, stateOf(pod))
	}
}

func TestWhatAFileDoesNotSayTheNamespaceOfIsInTheDefaultOne(t *testing.T) {
	const text = `
{apiVersion: v1, kind: Pod, metadata: {name: a}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: c}}
---
{apiVersion: headroom.dev/v1alpha1, kind: Headroom, metadata: {name: web}}
---
{apiVersion: headroom.dev/v1alpha1, kind: HeadroomAccount, metadata: {name: web}}
---
null
---
{apiVersion: v1, kind: List, items: [null]}
---
{apiVersion: example.com/v1, kind: Rocket, metadata: {name: web}}
`
	found, err := readFiles([]string{"-"}, strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, []string{"default", "shop", "default", "default", "default"}, []string{
		found.Pods[0].Namespace, found.Pods[1].Namespace, found.templates[0].Namespace, found.Headrooms[0].Namespace, found.accounts[0].Namespace,
	})
	require.True(t, found.defaulted[found.Pods[0]])
	require.False(t, found.defaulted[found.Pods[1]])
	require.True(t, found.defaulted[found.templates[0]])
}

// TestFilesHaveObjectsOfEachKind: pods of workloads have the labels and the containers of their templates.
func TestFilesHaveObjectsOfEachKind(t *testing.T) {
	const template = "spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main}]}}}}"
	text := "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: proxy}}\n"
	kinds := []string{"apps/v1, kind: Deployment", "apps/v1, kind: ReplicaSet", "apps/v1, kind: StatefulSet", "batch/v1, kind: Job"}
	for _, kind := range kinds {
		text += "---\n{apiVersion: " + kind + ", metadata: {name: some}, " + template + "\n"
	}
	found, err := readFiles([]string{"-"}, strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, "shop", found.Namespaces[0].Name)
	require.Equal(t, "proxy", found.DaemonSets[0].Name)
	require.Len(t, found.templates, len(kinds))
	for _, pod := range found.templates {
		require.Equal(t, []string{"some-...", "web", "main"}, []string{pod.Name, pod.Labels["app"], pod.Spec.Containers[0].Name})
	}
}

// twoPods is a cluster with a pod in each of two namespaces, a node, and two DaemonSets, one of them that of a Headroom.
func twoPods() *clientsetfake.Clientset {
	controlled := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom", UID: "d", OwnerReferences: []metav1.OwnerReference{
		*metav1.NewControllerRef(&v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "h"}}, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom)),
	}}}
	other := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "proxy", UID: "p"}}
	return clientsetfake.NewClientset(podOf("shop", "web"), podOf("search", "api"), controlled, other,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
}

// sighted looks around a cluster that refuses to list these, each as resource or as namespace/resource.
func sighted(t *testing.T, refused ...string) (*sight, found, error) {
	t.Helper()
	server := twoPods()
	for _, what := range refused {
		namespace, resource, ok := strings.Cut(what, "/")
		if !ok {
			namespace, resource = "", what
		}
		server.PrependReactor("list", resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
			if action.GetNamespace() != namespace {
				return false, nil, nil
			}
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", nil)
		})
	}
	s, err := lookAround(t.Context(), server, "shop")
	if err != nil {
		return nil, found{}, err
	}
	f, err := s.list(t.Context())
	return s, f, err
}

func TestWhatMayBeListedIsSeenAndTheRestIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		refused                   []string
		pods, nodes, sets, untold int
	}{
		"everything":                     {pods: 2, nodes: 1, sets: 1},
		"the pods of one namespace":      {refused: []string{"pods"}, pods: 1, nodes: 1, sets: 1, untold: 1},
		"no nodes":                       {refused: []string{"nodes"}, pods: 2, sets: 1, untold: 1},
		"no DaemonSets":                  {refused: []string{"daemonsets"}, pods: 2, nodes: 1, untold: 1},
		"one namespace alone":            {refused: []string{"pods", "nodes", "daemonsets"}, pods: 1, sets: 1, untold: 2},
		"one namespace, without its own": {refused: []string{"pods", "nodes", "shop/daemonsets"}, pods: 1, untold: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s, f, err := sighted(t, tc.refused...)
			require.NoError(t, err)
			require.Equal(t, []int{tc.pods, tc.nodes, tc.sets, tc.untold}, []int{len(f.pods), len(f.nodes), len(f.daemonSets), len(s.notSeen)}, s.notSeen)
			if tc.sets > 0 {
				headroom, ok := f.headroomOf("shop", "web-headroom", "d")
				require.True(t, ok)
				require.Equal(t, "web", headroom.Name)
			}
			_, ok := f.headroomOf("shop", "proxy", "p")
			require.False(t, ok, "units of Headrooms are made by DaemonSets of Headrooms")
		})
	}
	_, _, err := sighted(t, "pods", "shop/pods")
	require.Equal(t, exitForbidden, exitCode(err), "without pods there is nothing to tell")
}

// shortest is how often a watch may look.
const shortest = 200 * time.Millisecond

func TestAWatchNeedsATerminalAndSomeTime(t *testing.T) {
	for name, tc := range map[string]struct {
		pipe   bool
		format string
		watch  watchOptions
		want   string
	}{
		"a pipe":               {pipe: true, watch: watchOptions{interval: 2 * shortest}, want: "--watch needs a terminal"},
		"a format of programs": {format: formatJSON, watch: watchOptions{interval: 2 * shortest}, want: "leave out -o json"},
		"too often":            {watch: watchOptions{interval: shortest - 1}, want: "--interval is at least 200ms"},
		"all the time":         {watch: watchOptions{}, want: "--interval is at least 200ms"},
		"as often as it may":   {watch: watchOptions{interval: shortest}},
		"in wide columns":      {format: formatWide, watch: watchOptions{interval: shortest}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutput(genericiooptions.IOStreams{Out: &strings.Builder{}})
			o.size, o.format = func(io.Writer) (int, bool) { return 80, !tc.pipe }, tc.format
			tc.watch.on = true
			err := tc.watch.validate(o)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			tc.watch.on = false
			require.NoError(t, tc.watch.validate(o), "without --watch it does not matter")
		})
	}
}
