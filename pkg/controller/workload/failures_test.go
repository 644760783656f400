package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
)

// TestWhyNothingCanBeReadIsSaid, and whether that makes what was read before worthless.
func TestWhyNothingCanBeReadIsSaid(t *testing.T) {
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	no := apierrors.NewForbidden(resource, "", errors.New("no"))
	for name, tc := range map[string]struct {
		err     error
		reason  string
		text    string
		lasting bool
	}{
		"it has no right to":              {no, v1alpha1.ReasonForbidden, "headroom-controller-targets", true},
		"nobody knows who it is":          {apierrors.NewUnauthorized("who"), v1alpha1.ReasonForbidden, "may not read", true},
		"no API serves the kind":          {&meta.NoKindMatchError{}, v1alpha1.ReasonUnknownKind, "does not serve", true},
		"no resource is known by that":    {&meta.NoResourceMatchError{}, v1alpha1.ReasonUnknownKind, "does not serve", true},
		"the API is gone":                 {apierrors.NewNotFound(resource, ""), v1alpha1.ReasonUnknownKind, "does not serve", true},
		"it cannot be listed":             {apierrors.NewMethodNotSupported(resource, "list"), v1alpha1.ReasonUnknownKind, "does not serve", true},
		"the API server fails":            {apierrors.NewInternalError(errors.New("etcd")), v1alpha1.ReasonUnreadable, "reading", false},
		"the API server is busy":          {apierrors.NewTooManyRequestsError("later"), v1alpha1.ReasonUnreadable, "reading", false},
		"the API server is away":          {context.DeadlineExceeded, v1alpha1.ReasonUnreadable, "reading", false},
		"a right is missing, in a wrap":   {fmt.Errorf("listing: %w", no), v1alpha1.ReasonForbidden, "may not read", true},
		"what was read fell too far back": {apierrors.NewResourceExpired("too old"), v1alpha1.ReasonUnreadable, "reading", false},
	} {
		t.Run(name, func(t *testing.T) {
			problem := problemOf("Deployment web", tc.err)
			require.Equal(t, tc.reason, problem.Reason)
			require.Contains(t, problem.Message, tc.text)
			require.Contains(t, problem.Message, "Deployment web")
			require.Contains(t, problem.Message, tc.err.Error())
			require.Equal(t, tc.lasting, problem.lasting())
		})
	}
}

// brokenPods are listed and watched unless that fails. What they are asked for is kept.
type brokenPods struct {
	mu          sync.Mutex
	list, watch error
	asked       []string
}

func (*brokenPods) IsWatchListSemanticsUnSupported() bool { return true }

func (b *brokenPods) become(list, watch error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.watch = list, watch
}

func (b *brokenPods) note(verb, namespace string, options metav1.ListOptions) {
	if asked := fmt.Sprint(verb, " ", namespace, " ", options.FieldSelector, " ", options.LabelSelector); !slices.Contains(b.asked, asked) {
		b.asked = append(b.asked, asked)
	}
}

func (b *brokenPods) List(_ context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("list", namespace, options)
	return &podwire.Pods{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, b.list
}

func (b *brokenPods) Watch(_ context.Context, namespace string, options metav1.ListOptions) (watch.Interface, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note("watch", namespace, options)
	if b.watch != nil {
		return nil, b.watch
	}
	return watch.NewFake(), nil
}

// withoutRest has errors logged and nothing more: the handler that comes next rests by the clock of the process, which in a bubble is
// decades ahead.
func withoutRest(t *testing.T) {
	t.Helper()
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = handlers[:1]
	t.Cleanup(func() { utilruntime.ErrorHandlers = handlers })
}

// TestWhatCannotBeListedOrWatchedIsAProblemUntilItCan: a right may be missing for either.
func TestWhatCannotBeListedOrWatchedIsAProblemUntilItCan(t *testing.T) {
	withoutRest(t)
	no := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
	for name, tc := range map[string]struct{ list, watch error }{"listed": {list: no}, "watched": {watch: no}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &brokenPods{list: tc.list, watch: tc.watch}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				p := newPods(source, "shop")
				go p.run(ctx)
				pass(time.Second)
				_, problem := newSelected(p, anything).get(hdr)
				require.NotNil(t, problem)
				require.Equal(t, v1alpha1.ReasonForbidden, problem.Reason)
				source.become(nil, nil)
				pass(2 * time.Minute)
				_, problem = newSelected(p, anything).get(hdr)
				require.Nil(t, problem)
				stop()
				synctest.Wait()
				_, problem = newSelected(p, anything).get(hdr)
				require.Nil(t, problem, "that it is followed no more is none")
				require.ElementsMatch(t, []string{
					"list shop " + boundPods + " !" + v1alpha1.LabelHeadroom, "watch shop " + boundPods + " !" + v1alpha1.LabelHeadroom,
				}, source.asked)
			})
		})
	}
}

// TestWhatFailedIsNotToldToBeLateAsWell: who waits for it was told when it failed.
func TestWhatFailedIsNotToldToBeLateAsWell(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*pods)
		told    int
	}{
		"it was read":             {func(p *pods) { require.NoError(t, p.Replace(nil, "")) }, 0},
		"it failed":               {func(p *pods) { p.observe(context.DeadlineExceeded) }, 0},
		"nothing is known of it":  {func(*pods) {}, 1},
		"it failed, and then not": {func(p *pods) { p.observe(context.DeadlineExceeded); p.observe(nil) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPods(nil, "shop")
				p.begin()
				tc.happens(p)
				for len(p.changes()) > 0 {
					<-p.changes()
				}
				pass(2 * patience)
				require.Len(t, p.changes(), tc.told)
			})
		})
	}
}

// pass has time pass in a bubble.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is synctest's
	synctest.Wait()
}

func TestThatPodsWereReadIsToldOnce(t *testing.T) {
	p := newPods(nil, "shop")
	s := newSelected(p, anything)
	require.NoError(t, p.Replace(nil, ""))
	require.Len(t, p.changes(), 1)
	<-p.changes()
	_, problem := s.get(hdr)
	require.Nil(t, problem)
	require.NoError(t, p.Replace([]any{kept(t, bound("a", "web", "1"))}, ""))
	require.Empty(t, p.changes(), "what changed of them their selections tell")
	require.Equal(t, []types.NamespacedName{hdr}, s.stale([]types.NamespacedName{hdr}))
}

// TestAPodWhoseRequestsAreBrokenIsAnErrorAndTheOthersCount, those that are told after it as well.
func TestAPodWhoseRequestsAreBrokenIsAnErrorAndTheOthersCount(t *testing.T) {
	wire, err := bound("broken", "web", "7777m").Marshal()
	require.NoError(t, err)
	broken, err := podwire.Read(bytes.ReplaceAll(wire, []byte("7777m"), []byte("many!")))
	require.NoError(t, err)
	others := []*podwire.Pod{kept(t, bound("a", "web", "1")), broken, kept(t, bound("b", "web", "1"))}
	for name, told := range map[string]func(*pods) error{
		"by a watch": func(p *pods) error { return p.Update(&podwire.Changes{Pods: others}) },
		"in a list":  func(p *pods) error { return p.Replace([]any{others[0], others[1], others[2]}, "") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPods(nil, "shop")
			require.NoError(t, p.Replace([]any{kept(t, bound("broken", "web", "1"))}, ""))
			require.ErrorContains(t, told(p), "the pods of namespace shop: pod broken does not count: ")
			require.Equal(t, 2, countOf(t, p, "app=web"), "what it was before is no more")
		})
	}
}

// TestWhatIsNoPodIsAnErrorAndTheOthersCount: a watch tells of several at a time.
func TestWhatIsNoPodIsAnErrorAndTheOthersCount(t *testing.T) {
	p := newPods(nil, "shop")
	require.ErrorContains(t, p.Replace([]any{"first", kept(t, bound("a", "web", "1")), kept(t, bound("b", "web", "1"))}, ""),
		"the pods of namespace shop: got a string")
	require.Equal(t, 2, countOf(t, p, "app=web"))
	require.ErrorContains(t, p.Update("something else"), "got a string")
	require.NoError(t, p.Add(changed(t, bound("c", "web", "1"), bound("d", "web", "1"), bound("e", "batch", "1"))))
	require.Equal(t, 4, countOf(t, p, "app=web"))
	require.Equal(t, 1, countOf(t, p, "app=batch"))
	gone := &podwire.Changes{Pods: []*podwire.Pod{{Namespace: "shop", Name: "c"}, {Namespace: "shop", Name: "e"}}}
	require.NoError(t, p.Delete(gone))
	require.Equal(t, 3, countOf(t, p, "app=web"))
	require.Zero(t, countOf(t, p, "app=batch"))
}
