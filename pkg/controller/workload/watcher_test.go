package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

var (
	webRef = Ref{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	hdr    = types.NamespacedName{Namespace: "shop", Name: "web"}
)

func deployment(replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		},
	}
}

func autoscaler(name, kind, target string, most int32) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: kind, Name: target}, MaxReplicas: most,
		},
	}
}

// newWatcher watches a fake API server with these objects.
func newWatcher(t *testing.T, objects ...runtime.Object) (*Watcher, chan types.NamespacedName) {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	clients := fake.NewClientset(objects...)
	w := New(t.Context(), Options{
		Pods: fakePods{clients}, Clients: clients, Dynamic: dynamicfake.NewSimpleDynamicClient(scheme, objects...), Mapper: mapper,
	})
	changed := make(chan types.NamespacedName, 100)
	w.OnChange(func(headroom types.NamespacedName) { changed <- headroom })
	return w, changed
}

// read looks until what it looks at was read.
func read[T any](t *testing.T, changed <-chan types.NamespacedName, look func() (T, *Problem)) (T, *Problem) {
	t.Helper()
	for {
		value, problem := look()
		if problem == nil || problem.Reason != v1alpha1.ReasonReading {
			return value, problem
		}
		select {
		case headroom := <-changed:
			require.Equal(t, hdr, headroom)
		case <-time.After(time.Minute):
			require.Fail(t, "nobody told that it was read")
		}
	}
}

func TestWorkloadsPodsAndAutoscalersAreRead(t *testing.T) {
	w, changed := newWatcher(t, deployment(14), autoscaler("small", "Deployment", "web", 20), autoscaler("large", "Deployment", "web", 40),
		autoscaler("other", "StatefulSet", "web", 90), autoscaler("another", "Deployment", "api", 90), bound("a", "web", "1"))
	look := w.Look(hdr)
	target, problem := read(t, changed, func() (Target, *Problem) { return look.Target(webRef) })
	require.Nil(t, problem)
	require.Equal(t, 14, target.Replicas)
	require.Equal(t, "app=web", target.Selector.String())

	found, problem := read(t, changed, func() (Autoscaler, *Problem) { return look.Autoscaler(webRef) })
	require.Nil(t, problem)
	require.Equal(t, "large", found.Name)
	require.Equal(t, 40, found.MaxReplicas)

	groups, problem := read(t, changed, func() ([]Group, *Problem) { return look.Pods("shop", target.Selector) })
	require.Nil(t, problem)
	require.Len(t, groups, 1)
}

// TestOfSeveralAutoscalersTheOneThatAllowsMostCounts, and of those that allow as much the first by name, so that it is always the same.
func TestOfSeveralAutoscalersTheOneThatAllowsMostCounts(t *testing.T) {
	objects := []runtime.Object{deployment(14)}
	for i := range 10 {
		objects = append(objects, autoscaler(fmt.Sprint("small-", i), "Deployment", "web", 20), autoscaler(fmt.Sprint("large-", i), "Deployment", "web", 40))
	}
	for _, group := range []string{"apps.example.com/v1", "v1", "apps/v1/web"} {
		foreign := autoscaler("foreign-"+strings.ReplaceAll(group, "/", "-"), "Deployment", "web", 90)
		foreign.Spec.ScaleTargetRef.APIVersion = group
		objects = append(objects, foreign)
	}
	w, changed := newWatcher(t, objects...)
	look := w.Look(hdr)
	found, problem := read(t, changed, func() (Autoscaler, *Problem) { return look.Autoscaler(webRef) })
	require.Nil(t, problem)
	require.Equal(t, "large-0", found.Name)
	require.Equal(t, 40, found.MaxReplicas)
}

// TestNothingIsReadOfOtherNamespaces: who scales a workload of that name there is no matter, and the controller may not be allowed to ask.
func TestNothingIsReadOfOtherNamespaces(t *testing.T) {
	elsewhere := autoscaler("web", "Deployment", "web", 90)
	elsewhere.Namespace = "bank"
	pod := bound("b", "web", "1")
	pod.Namespace = "bank"
	w, changed := newWatcher(t, autoscaler("web", "Deployment", "web", 20), elsewhere, bound("a", "web", "1"), pod)
	clients, ok := w.Clients.(*fake.Clientset)
	require.True(t, ok)
	look := w.Look(hdr)
	found, problem := read(t, changed, func() (Autoscaler, *Problem) { return look.Autoscaler(webRef) })
	require.Nil(t, problem)
	require.Equal(t, 20, found.MaxReplicas)
	groups, problem := read(t, changed, func() ([]Group, *Problem) { return look.Pods("shop", labels.Everything()) })
	require.Nil(t, problem)
	require.Len(t, groups, 1)
	require.Equal(t, 1, groups[0].Count)
	for _, action := range clients.Actions() {
		require.Equal(t, "shop", action.GetNamespace(), action.GetResource().Resource)
	}
}

func TestWhatChangesBeforeAnybodyListensIsToldToNobody(t *testing.T) {
	require.NotPanics(t, func() { New(t.Context(), Options{}).notify(hdr) })
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	w, changed := newWatcher(t)
	look := w.Look(hdr)
	for name, tc := range map[string]struct {
		look         func() *Problem
		reason, text string
	}{
		"a workload that is not there": {
			func() *Problem { _, p := look.Target(webRef); return p }, v1alpha1.ReasonTargetNotFound, "there is no Deployment web in namespace shop",
		},
		"a kind that nobody knows": {
			func() *Problem {
				_, p := look.Target(Ref{Namespace: "shop", APIVersion: "example.com/v1", Kind: "Rocket", Name: "web"})
				return p
			},
			v1alpha1.ReasonUnknownKind, "the API server does not serve the kind of Rocket web in namespace shop",
		},
		"a kind in no namespace": {
			func() *Problem {
				_, p := look.Target(Ref{Namespace: "shop", APIVersion: "v1", Kind: "Node", Name: "web"})
				return p
			},
			v1alpha1.ReasonUnknownKind, "Node web is of a kind that is in no namespace",
		},
		"an apiVersion that is none": {
			func() *Problem {
				_, p := look.Target(Ref{Namespace: "shop", APIVersion: "a/b/c", Kind: "Rocket", Name: "web"})
				return p
			},
			v1alpha1.ReasonUnknownKind, "has no valid apiVersion",
		},
		"no autoscaler": {
			func() *Problem {
				_, p := look.Autoscaler(Ref{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "api"})
				return p
			},
			v1alpha1.ReasonNoAutoscaler, "no HorizontalPodAutoscaler has Deployment api as scaleTargetRef",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, problem := read(t, changed, func() (struct{}, *Problem) { return struct{}{}, tc.look() })
			require.NotNil(t, problem)
			require.Equal(t, tc.reason, problem.Reason)
			require.Contains(t, problem.Message, tc.text)
		})
	}
}

// The API server refuses one without a maximum; another source of the same API, or a later version of it, may not.
func TestAnAutoscalerThatLosesItsMaximumIsNamed(t *testing.T) {
	a := newAutoscalers(nil, "shop")
	require.NoError(t, a.Replace([]any{autoscaler("web", "Deployment", "web", 20)}, ""))
	found, problem := a.of(webRef)
	require.Nil(t, problem)
	require.Equal(t, 20, found.MaxReplicas)
	for _, most := range []int32{0, -5} {
		require.NoError(t, a.Update(autoscaler("web", "Deployment", "web", most)))
		_, problem = a.of(webRef)
		require.NotNil(t, problem)
		require.Equal(t, v1alpha1.ReasonInvalidRule, problem.Reason)
		require.Equal(t, "HorizontalPodAutoscaler web has no maxReplicas", problem.Message)
	}
}

func TestAnAutoscalerThatWentWhileNoWatchWasOpenDoesNotCount(t *testing.T) {
	a := newAutoscalers(nil, "shop")
	require.NoError(t, a.Replace([]any{autoscaler("web", "Deployment", "web", 20), autoscaler("api", "Deployment", "api", 5)}, ""))
	require.NoError(t, a.Replace([]any{autoscaler("api", "Deployment", "api", 5)}, ""))
	_, problem := a.of(webRef)
	require.NotNil(t, problem)
	require.Equal(t, v1alpha1.ReasonNoAutoscaler, problem.Reason)
}

func TestEachChangeOfAnAutoscalerIsTold(t *testing.T) {
	a := newAutoscalers(nil, "shop")
	for what, change := range []func() error{
		func() error { return a.Replace([]any{autoscaler("web", "Deployment", "web", 20)}, "") },
		func() error { return a.Update(autoscaler("web", "Deployment", "web", 30)) },
		func() error { return a.Delete(autoscaler("web", "Deployment", "web", 30)) },
		func() error { return a.Add(autoscaler("web", "Deployment", "web", 30)) },
	} {
		require.NoError(t, change())
		require.Len(t, a.changes(), 1, "change %d", what)
		<-a.changes()
	}
	require.NoError(t, a.Update(autoscaler("web", "Deployment", "web", 30)))
	require.Empty(t, a.changes(), "nothing that counts is another one")
}

// TestAScaleSubresourceThatCouldNotBeReadIsReadAgain: nothing happens to the object, but the controller gets the right.
func TestAScaleSubresourceThatCouldNotBeReadIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rockets := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "rockets"}
		client := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())
		mayRead := false
		client.PrependReactor("get", "rockets/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
			if !mayRead {
				return true, nil, apierrors.NewForbidden(rockets.GroupResource(), "web", errors.New("no"))
			}
			return true, &unstructured.Unstructured{Object: map[string]any{
				"spec": map[string]any{"replicas": int64(3)}, "status": map[string]any{"selector": "app=web"},
			}}, nil
		})
		rocket := newTarget(client, nil, Ref{Namespace: "shop", APIVersion: "example.com/v1", Kind: "Rocket", Name: "web"})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go rocket.readScales(ctx, client.Resource(rockets).Namespace("shop"))
		rocket.readScale()
		synctest.Wait()
		_, problem := rocket.get()
		require.Equal(t, v1alpha1.ReasonForbidden, problem.Reason)

		mayRead = true
		<-time.After(again)
		synctest.Wait()
		found, problem := rocket.get()
		require.Nil(t, problem)
		require.Equal(t, 3, found.Replicas)
		require.NotEmpty(t, rocket.changes(), "and it is told")
	})
}

func TestWhatNobodyAsksForIsFollowedNoMore(t *testing.T) {
	w, _ := newWatcher(t)
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	sources := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.sources)
	}
	for _, headroom := range []types.NamespacedName{hdr, other} {
		look := w.Look(headroom)
		_, _ = look.Target(webRef)
		_, _ = look.Pods("shop", labels.Everything())
		look.End()
	}
	require.Equal(t, 3, sources(), "both ask for the same: a workload, all pods, and a selection of them")
	ended := 0
	w.mu.Lock()
	for _, f := range w.sources {
		stop := f.stop
		f.stop = func() { ended++; stop() }
	}
	w.mu.Unlock()
	look := w.Look(hdr)
	_, _ = look.Pods("shop", labels.Everything())
	look.End()
	require.Equal(t, 3, sources(), "the other still asks for the workload")
	w.Forget(other)
	require.Equal(t, 2, sources())
	w.Forget(hdr)
	require.Zero(t, sources())
	require.Equal(t, 3, ended, "what was read of each ends")
	require.Empty(t, w.asks)
	w.Forget(hdr)
}

func TestScaleSubresource(t *testing.T) {
	ref := Ref{Namespace: "shop", APIVersion: "example.com/v1", Kind: "Rocket", Name: "web"}
	rocket := newTarget(nil, nil, ref)
	scale := func(fields map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: fields}
	}
	found, problem := rocket.ofScale(scale(map[string]any{
		"spec": map[string]any{"replicas": int64(3)}, "status": map[string]any{"selector": "app=web,tier in (a,b)"},
	}), nil)
	require.Nil(t, problem)
	require.Equal(t, 3, found.Replicas)
	require.True(t, found.Selector.Matches(labels.Set{"app": "web", "tier": "b"}))

	resource := schema.GroupResource{Group: "example.com", Resource: "rockets"}
	missing := apierrors.NewGenericServerResponse(404, "get", resource, "web", "404 page not found", 0, true)
	for name, tc := range map[string]struct {
		object       *unstructured.Unstructured
		err          error
		reason, text string
	}{
		"no selector":                {scale(map[string]any{}), nil, v1alpha1.ReasonInvalidRule, "has no selector of pods, and there is no template at spec.template; name pods by percentOf.pods"},
		"a selector that is none":    {scale(map[string]any{"status": map[string]any{"selector": "a b"}}), nil, v1alpha1.ReasonInvalidRule, "has no selector of pods"},
		"no scale subresource":       {nil, missing, v1alpha1.ReasonUnknownKind, "Rocket web has no scale subresource"},
		"no right to read it":        {nil, apierrors.NewForbidden(resource, "web", errors.New("no")), v1alpha1.ReasonForbidden, "the controller may not read the scale subresource of Rocket web"},
		"an API server that is away": {nil, context.DeadlineExceeded, v1alpha1.ReasonUnreadable, "reading the scale subresource of Rocket web in namespace shop failed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problem := rocket.ofScale(tc.object, tc.err)
			require.NotNil(t, problem)
			require.Equal(t, tc.reason, problem.Reason)
			require.Contains(t, problem.Message, tc.text)
		})
	}
	found, problem = rocket.ofScale(nil, apierrors.NewNotFound(resource, "web"))
	require.Nil(t, found)
	require.Nil(t, problem, "it is gone")

	rocket.template = &corev1.PodSpec{}
	found, problem = rocket.ofScale(scale(map[string]any{}), nil)
	require.Nil(t, problem, "units can be made like its pods, whichever these are")
	require.Nil(t, found.Selector)
	require.Same(t, rocket.template, found.Template)
}

// TestAnAPIServerThatStaysAwayIsToldOnce: a reflector tries again and again, and each time in other words.
func TestAnAPIServerThatStaysAwayIsToldOnce(t *testing.T) {
	p := newPods(nil, "shop")
	for i := range 3 {
		p.observe(fmt.Errorf("attempt %d: %w", i, context.DeadlineExceeded))
	}
	require.Len(t, p.changes(), 1)
	<-p.changes()
	p.observe(fmt.Errorf("one more: %w", context.DeadlineExceeded))
	require.Empty(t, p.changes(), "it is known")
	p.observe(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("the role is gone")))
	require.Len(t, p.changes(), 1, "that is another problem")
	<-p.changes()
	p.observe(nil)
	require.Len(t, p.changes(), 1, "and that there is none is news, too")
}

func TestAnAPIServerThatIsAwayLeavesWhatWasRead(t *testing.T) {
	p := newPods(nil, "shop")
	p.observe(context.DeadlineExceeded)
	all := newSelected(p, labels.Everything())
	_, problem := all.get(hdr)
	require.Equal(t, v1alpha1.ReasonUnreadable, problem.Reason)
	require.NoError(t, p.Replace([]any{kept(t, bound("a", "web", "1"))}, ""))
	p.observe(nil)
	p.observe(context.DeadlineExceeded)
	require.Equal(t, 1, countOf(t, p, "app=web"))

	p.observe(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("the role is gone")))
	_, problem = all.get(hdr)
	require.Equal(t, v1alpha1.ReasonForbidden, problem.Reason)
}
