package workload

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
)

// slowPods are no pods, which are listed when the test says so.
type slowPods struct {
	listed chan struct{}
	err    error
}

func (s *slowPods) IsWatchListSemanticsUnSupported() bool { return true }

func (s *slowPods) List(ctx context.Context, _ string, _ metav1.ListOptions) (runtime.Object, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.listed:
		return &podwire.Pods{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, s.err
	}
}

func (s *slowPods) Watch(context.Context, string, metav1.ListOptions) (watch.Interface, error) {
	return watch.NewFake(), nil
}

// lookAt returns a look of a Headroom at pods that are not listed yet, and whom the Watcher tells of changes.
func lookAt(t *testing.T, source PodSource) (told chan types.NamespacedName, look func() (bool, *Problem)) {
	t.Helper()
	told = make(chan types.NamespacedName, 10)
	w := New(t.Context(), Options{Pods: source})
	w.OnChange(func(headroom types.NamespacedName) { told <- headroom })
	look = func() (bool, *Problem) {
		l := w.Look(hdr)
		defer l.End()
		_, problem := l.Pods("shop", labels.Everything())
		return l.Awaits(), problem
	}
	awaits, problem := look()
	require.True(t, awaits)
	require.Equal(t, v1alpha1.ReasonReading, problem.Reason)
	return told, look
}

// TestALookAwaitsPodsForAWhile: a Headroom waits for what is read in a moment, and for nothing that takes long.
func TestALookAwaitsPodsForAWhile(t *testing.T) {
	for name, test := range map[string]func(t *testing.T){
		"pods that are read": func(t *testing.T) {
			source := &slowPods{listed: make(chan struct{})}
			told, look := lookAt(t, source)
			close(source.listed)
			require.Equal(t, hdr, <-told)
			awaits, problem := look()
			require.False(t, awaits)
			require.Nil(t, problem)
			<-time.After(2 * patience)
			require.Empty(t, told, "nothing is late")
		},
		"pods that take long": func(t *testing.T) {
			source := &slowPods{listed: make(chan struct{})}
			told, look := lookAt(t, source)
			started := time.Now()
			require.Equal(t, hdr, <-told)
			require.Equal(t, patience, time.Since(started))
			awaits, problem := look()
			require.False(t, awaits)
			require.Equal(t, v1alpha1.ReasonReading, problem.Reason)
			close(source.listed)
			require.Equal(t, hdr, <-told)
			awaits, problem = look()
			require.False(t, awaits)
			require.Nil(t, problem)
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

func TestALookAwaitsNothingThatMayNotBeRead(t *testing.T) {
	source := &slowPods{listed: make(chan struct{}), err: apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))}
	told, look := lookAt(t, source)
	close(source.listed)
	require.Equal(t, hdr, <-told)
	awaits, problem := look()
	require.False(t, awaits)
	require.Equal(t, v1alpha1.ReasonForbidden, problem.Reason)
}

func TestALookAwaitsWorkloadsAndAutoscalers(t *testing.T) {
	scheme := runtime.NewScheme()
	w, changed := newWatcher(t)
	listed := make(chan struct{})
	wait := func(clienttesting.Action) (bool, runtime.Object, error) {
		<-listed
		return false, nil, nil
	}
	clients, workloads := fake.NewClientset(), dynamicfake.NewSimpleDynamicClientWithCustomListKinds(scheme,
		map[schema.GroupVersionResource]string{{Group: "apps", Version: "v1", Resource: "deployments"}: "DeploymentList"})
	clients.PrependReactor("list", "horizontalpodautoscalers", wait)
	workloads.PrependReactor("list", "deployments", wait)
	w.Clients, w.Dynamic = clients, workloads
	looks := map[string]func(*Look) *Problem{
		"a workload":    func(l *Look) *Problem { _, problem := l.Target(webRef); return problem },
		"an autoscaler": func(l *Look) *Problem { _, problem := l.Autoscaler(webRef); return problem },
	}
	for name, look := range looks {
		l := w.Look(hdr)
		require.False(t, l.Awaits(), "nothing was asked for")
		require.Equal(t, v1alpha1.ReasonReading, look(l).Reason, name)
		require.True(t, l.Awaits(), name)
	}
	close(listed)
	for name, look := range looks {
		var l *Look
		_, problem := read(t, changed, func() (struct{}, *Problem) {
			l = w.Look(hdr)
			return struct{}{}, look(l)
		})
		require.NotNil(t, problem, "there is none")
		require.False(t, l.Awaits(), name)
	}
}
