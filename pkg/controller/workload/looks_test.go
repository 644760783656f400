package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

var (
	anything = labels.Everything()
	rockets  = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "rockets"}
	rocket   = Ref{Namespace: "shop", APIVersion: "example.com/v1", Kind: "Rocket", Name: "web"}
)

// TestEachHeadroomThatAsksIsTold, and none that does not ask.
func TestEachHeadroomThatAsksIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var told []types.NamespacedName
		var mu sync.Mutex
		source := &slowPods{listed: make(chan struct{})}
		w := New(ctx, Options{Pods: source})
		w.OnChange(func(headroom types.NamespacedName) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, headroom)
		})
		since := func() []types.NamespacedName {
			mu.Lock()
			defer mu.Unlock()
			defer func() { told = nil }()
			return told
		}
		var want []types.NamespacedName
		for _, name := range []string{"a", "b", "c"} {
			want = append(want, types.NamespacedName{Namespace: "shop", Name: name})
			l := w.Look(want[len(want)-1])
			_, _ = l.Pods("shop", anything)
			l.End()
		}
		elsewhere := w.Look(hdr)
		_, _ = elsewhere.Pods("bank", anything)
		elsewhere.End()
		close(source.listed) // once all of them have asked
		pass(time.Minute)
		require.ElementsMatch(t, append(slices.Clone(want), hdr), slices.Compact(slices.SortedFunc(slices.Values(since()), compareNames)))

		l := w.Look(want[0])
		all := follow(l, subject{what: subjectPods, Ref: Ref{Namespace: "shop"}}, func(*Watcher) *pods { return nil })
		require.NotNil(t, all, "it is followed already")
		for _, headroom := range want {
			_, problem := w.Look(headroom).Pods("shop", anything)
			require.Nil(t, problem)
		}
		require.NoError(t, all.Update(changed(t, bound("p", "web", "1"))))
		pass(time.Minute)
		require.ElementsMatch(t, want, since(), "each once")

		require.NoError(t, all.Update(changed(t, bound("q", "web", "1"))))
		_, problem := w.Look(want[0]).Pods("shop", anything)
		require.Nil(t, problem)
		pass(time.Minute)
		require.ElementsMatch(t, want[1:], since(), "one has looked since")
		stop()
		synctest.Wait()
	})
}

func compareNames(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }

// TestSelectionsOfOnePodsAreEachTheirOwn, and each is told of what changed of its pods.
func TestSelectionsOfOnePodsAreEachTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w := New(ctx, Options{Pods: &brokenPods{}})
		l := w.Look(hdr)
		all := follow(l, subject{what: subjectPods, Ref: Ref{Namespace: "shop"}}, func(w *Watcher) *pods { return newPods(w.Pods, "shop") })
		pass(time.Second)
		require.NoError(t, all.Update(changed(t, bound("a", "web", "1"), bound("b", "web", "1"), bound("c", "batch", "1"))))
		for app, want := range map[string]int{"web": 2, "batch": 1} {
			groups, problem := l.Pods("shop", labels.SelectorFromSet(labels.Set{"app": app}))
			require.Nil(t, problem)
			require.Len(t, groups, 1)
			require.Equal(t, want, groups[0].Count)
		}
		l.End()
		require.Len(t, all.selections, 2)
		w.Forget(hdr)
		pass(time.Second)
		require.Empty(t, all.selections, "nothing is counted for nobody")
		stop()
		synctest.Wait()
	})
}

func TestAllSelectionsThatStayDifferentAreTold(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	var all []*selected
	for i := range 5 {
		all = append(all, newSelected(p, labels.SelectorFromSet(labels.Set{"app": fmt.Sprint(i)})))
		_, problem := all[i].get(hdr)
		require.Nil(t, problem)
		require.NoError(t, p.Update(changed(t, bound(fmt.Sprint("p", i), fmt.Sprint(i), "1"))))
	}
	require.Equal(t, 5, p.unsettled.look())
	require.Zero(t, p.unsettled.look())
	for _, s := range all {
		require.Len(t, s.changes(), 1)
	}
}

// TestAChangeIsToldAtTheSecondLookAfterIt, however many changes there were until the first, and only if somebody was told otherwise.
func TestAChangeIsToldAtTheSecondLookAfterIt(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	asked, unasked := newSelected(p, anything), newSelected(p, anything)
	_, problem := asked.get(hdr)
	require.Nil(t, problem)
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, p.Update(changed(t, bound(name, "web", "1"))))
	}
	require.Equal(t, 1, p.unsettled.look())
	require.Empty(t, asked.changes(), "pods that are replaced may be as before in a moment")
	require.Zero(t, p.unsettled.look())
	require.Len(t, asked.changes(), 1)
	require.Empty(t, unasked.changes())
}

// TestALookAwaitsAnyOfWhatItAsksFor, in whatever order it does.
func TestALookAwaitsAnyOfWhatItAsksFor(t *testing.T) {
	asks := map[string]func(l *Look, namespace string){
		"a workload": func(l *Look, ns string) {
			_, _ = l.Target(Ref{ns, "apps/v1", "Deployment", "web"})
		},
		"pods": func(l *Look, ns string) { _, _ = l.Pods(ns, anything) },
		"an autoscaler": func(l *Look, ns string) {
			_, _ = l.Autoscaler(Ref{ns, "apps/v1", "Deployment", "web"})
		},
	}
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			w, _ := newWatcher(t)
			// That of the namespace bank is read, whatever it is.
			l := w.Look(hdr)
			bank := follow(l, subject{what: subjectPods, Ref: Ref{Namespace: "bank"}}, func(*Watcher) *pods {
				return newPods(fakePods{w.Clients}, "bank")
			})
			all := follow(l, subject{what: subjectAutoscalers, Ref: Ref{Namespace: "bank"}}, func(*Watcher) *autoscalers {
				return newAutoscalers(w.Clients, "bank")
			})
			ref := Ref{Namespace: "bank", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
			web := follow(l, subject{what: subjectTarget, Ref: ref}, func(*Watcher) *target { return newTarget(w.Dynamic, w.Mapper, ref) })
			require.NoError(t, bank.Replace(nil, ""))
			require.NoError(t, all.Replace(nil, ""))
			require.NoError(t, web.Replace(nil, ""))

			of := &Look{watcher: w, headroom: hdr, asked: map[subject]bool{}}
			of.awaits = true // of what it asked for before
			ask(of, "bank")
			require.True(t, of.Awaits())
			of = w.Look(hdr)
			ask(of, "bank")
			require.False(t, of.Awaits())
		})
	}
}

// TestWhatAutoscalersScaleIsByAllThatNamesIt: another kind, API or namespace has workloads of the same names.
func TestWhatAutoscalersScaleIsByAllThatNamesIt(t *testing.T) {
	a := newAutoscalers(nil, "shop")
	broken := autoscaler("broken", "Pod", "web", 50)
	broken.Spec.ScaleTargetRef.APIVersion = "a/b/c"
	require.NoError(t, a.Replace([]any{autoscaler("web", "Deployment", "web", 20), broken}, ""))
	for name, tc := range map[string]struct {
		ref  Ref
		want string
	}{
		"it":                       {webRef, "web"},
		"it, by an older version":  {Ref{"shop", "apps/v1beta1", "Deployment", "web"}, "web"},
		"another kind":             {Ref{"shop", "apps/v1", "StatefulSet", "web"}, ""},
		"another name":             {Ref{"shop", "apps/v1", "Deployment", "api"}, ""},
		"the kind of another API":  {Ref{"shop", "example.com/v1", "Deployment", "web"}, ""},
		"the kind of no API":       {Ref{"shop", "v1", "Deployment", "web"}, ""},
		"a core kind":              {Ref{"shop", "v1", "Pod", "web"}, ""},
		"what is no API's version": {Ref{"shop", "a/b", "Pod", "web"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, problem := a.of(tc.ref)
			require.Equal(t, tc.want, found.Name)
			require.Equal(t, tc.want == "", problem != nil)
		})
	}
	require.ErrorContains(t, a.Update("something else"), "the HorizontalPodAutoscalers of namespace shop: got a string")
	require.ErrorContains(t, a.Delete("something else"), "got a string")
}

// rocketClient is of an API server that has no rockets.
func rocketClient() *dynamicfake.FakeDynamicClient {
	lists := map[schema.GroupVersionResource]string{rockets: "RocketList"}
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
}

// TestAKindThatIsInstalledLaterIsFound within half a minute: nothing else tells of it.
func TestAKindThatIsInstalledLaterIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		client, mapper := rocketClient(), &lateMapper{}
		followed := newTarget(client, mapper, rocket)
		go followed.run(ctx)
		pass(time.Hour)
		_, problem := followed.get()
		require.Equal(t, v1alpha1.ReasonUnknownKind, problem.Reason)
		for len(followed.changes()) > 0 {
			<-followed.changes()
		}
		mapper.install()
		pass(again)
		require.Len(t, followed.changes(), 1)
		_, problem = followed.get()
		require.Equal(t, v1alpha1.ReasonTargetNotFound, problem.Reason, "there is none")
		for _, action := range client.Actions() {
			var restrictions string
			switch asked := action.(type) {
			case clienttesting.ListAction:
				restrictions = asked.GetListRestrictions().Fields.String()
			case clienttesting.WatchAction:
				restrictions = asked.GetWatchRestrictions().Fields.String()
			}
			require.Equal(t, "metadata.name=web", restrictions, "%s: of all of them nobody asks for more", action.GetVerb())
			require.Equal(t, "shop", action.GetNamespace())
		}
		require.NotEmpty(t, client.Actions())
		stop()
		synctest.Wait()
	})
}

// lateMapper knows rockets once they are installed.
type lateMapper struct {
	meta.RESTMapper
	mu        sync.Mutex
	installed bool
}

func (m *lateMapper) install() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.installed = true
}

func (m *lateMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := meta.NewDefaultRESTMapper(nil)
	if m.installed {
		known.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Rocket"}, meta.RESTScopeNamespace)
	}
	return known.RESTMapping(kind, versions...)
}

// TestAWorkloadOfAnyKindIsReadByItsScale whenever it changes, until it is gone.
func TestAWorkloadOfAnyKindIsReadByItsScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		client := rocketClient()
		var scale *unstructured.Unstructured
		client.PrependReactor("get", "rockets/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
			if scale == nil {
				return true, nil, apierrors.NewNotFound(rockets.GroupResource(), "web")
			}
			return true, scale.DeepCopy(), nil
		})
		object := func(cpu string, replicas int64) *unstructured.Unstructured {
			scale = &unstructured.Unstructured{Object: map[string]any{
				"spec": map[string]any{"replicas": replicas}, "status": map[string]any{"selector": "app=web"},
			}}
			return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": cpu}}}},
			}}}}}
		}
		followed := newTarget(client, nil, rocket)
		go followed.readScales(ctx, client.Resource(rockets).Namespace("shop"))
		for _, tc := range []struct {
			cpu      string
			replicas int64
		}{{"1", 3}, {"1", 4}, {"2", 4}} {
			require.NoError(t, followed.Update(object(tc.cpu, tc.replicas)))
			pass(2 * calm)
			found, problem := followed.get()
			require.Nil(t, problem)
			require.EqualValues(t, tc.replicas, found.Replicas)
			require.Equal(t, "app=web", found.Selector.String())
			require.Equal(t, "app=web", found.Newest.String())
			require.Equal(t, tc.cpu, found.Template.Containers[0].Resources.Requests.Cpu().String())
			require.Len(t, followed.changes(), 1)
			<-followed.changes()
		}
		scale = nil
		followed.readScale()
		pass(2 * calm)
		_, problem := followed.get()
		require.Equal(t, v1alpha1.ReasonTargetNotFound, problem.Reason)
		require.Len(t, followed.changes(), 1)
		stop()
		synctest.Wait()
	})
}

// TestAScaleIsReadOnceASecondAtMost, however often the object changes.
func TestAScaleIsReadOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		client, reads := rocketClient(), 0
		client.PrependReactor("get", "rockets/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
			reads++
			return true, &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"selector": "app=web"}}}, nil
		})
		followed := newTarget(client, nil, rocket)
		go followed.readScales(ctx, client.Resource(rockets).Namespace("shop"))
		for range 100 {
			followed.readScale()
			pass(calm / 10)
		}
		require.InDelta(t, 10, reads, 1)
		stop()
		synctest.Wait()
	})
}

func TestHowManyAWorkloadWithoutASelectorHasIsKnown(t *testing.T) {
	followed := newTarget(nil, nil, rocket)
	followed.template = &corev1.PodSpec{}
	found, problem := followed.ofScale(&unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(3)}}}, nil)
	require.Nil(t, problem)
	require.Equal(t, 3, found.Replicas)
	found, problem = followed.ofScale(nil, fmt.Errorf("reading: %w", apierrors.NewForbidden(rockets.GroupResource(), "web", errors.New("no"))))
	require.Nil(t, found)
	require.Equal(t, v1alpha1.ReasonForbidden, problem.Reason)
}

// TestThatAWorkloadIsGoneIsTold, and that it is there again.
func TestThatAWorkloadIsGoneIsTold(t *testing.T) {
	followed := newTarget(nil, nil, webRef)
	told := func(want int) {
		t.Helper()
		require.Len(t, followed.changes(), want)
		for len(followed.changes()) > 0 {
			<-followed.changes()
		}
	}
	require.NoError(t, followed.Replace(nil, ""))
	told(1)
	require.NoError(t, followed.Delete(nil))
	told(0)
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(3)}}}
	require.NoError(t, followed.Replace([]any{object}, ""))
	told(1)
	require.NoError(t, followed.Add(object))
	told(0)
	require.NoError(t, followed.Delete(object))
	told(1)
	_, problem := followed.get()
	require.Equal(t, v1alpha1.ReasonTargetNotFound, problem.Reason)
	require.ErrorContains(t, followed.Update("something else"), "Deployment web in namespace shop: got a string")
}

// TestHeadroomsAreToldOnceASecondAtMost of what changes all the time.
func TestHeadroomsAreToldOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w, told := New(ctx, Options{}), 0
		w.OnChange(func(types.NamespacedName) { told++ })
		source := newAutoscalers(nil, "shop")
		go w.tell(ctx, &followed{source: source, users: map[types.NamespacedName]bool{hdr: true}})
		for range 100 {
			require.NoError(t, source.Replace(nil, ""))
			pass(calm / 10)
		}
		pass(calm)
		require.InDelta(t, 11, told, 1)
		stop()
		synctest.Wait()
	})
}

// TestWorkloadsAreToldApartByAllThatNamesThem: what is followed of one is not taken for another.
func TestWorkloadsAreToldApartByAllThatNamesThem(t *testing.T) {
	w := New(t.Context(), Options{Pods: &brokenPods{}})
	l := w.Look(hdr)
	seen := map[*target]bool{}
	for _, ref := range []Ref{
		webRef, {"bank", "apps/v1", "Deployment", "web"}, {"shop", "example.com/v1", "Deployment", "web"},
		{"shop", "apps/v1", "StatefulSet", "web"}, {"shop", "apps/v1", "Deployment", "api"},
	} {
		for range 2 {
			seen[follow(l, subject{what: subjectTarget, Ref: ref}, func(*Watcher) *target {
				return newTarget(nil, meta.NewDefaultRESTMapper(nil), ref)
			})] = true
		}
	}
	require.Len(t, seen, 5)
	for followed := range seen {
		require.Contains(t, followed.what, followed.ref.Namespace)
	}
}
