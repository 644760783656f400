package gang

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/test/builders"
)

// withoutRest has errors logged and nothing more: the handler that comes next rests by the clock of the process, which in a bubble is
// decades ahead.
func withoutRest(t *testing.T) {
	t.Helper()
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = handlers[:1]
	t.Cleanup(func() { utilruntime.ErrorHandlers = handlers })
}

// TestOnlyAnAPIServerThatDoesNotServeGroupsMeansThatThereAreNone: of any other failure the groups that are known outlive the watch, since
// their pods would take headroom one by one.
func TestOnlyAnAPIServerThatDoesNotServeGroupsMeansThatThereAreNone(t *testing.T) {
	withoutRest(t)
	for name, tc := range map[string]struct {
		code int
		none bool
	}{
		"it does not serve them":      {code: http.StatusNotFound, none: true},
		"it lets nobody read them":    {code: http.StatusForbidden},
		"it wants to know who asks":   {code: http.StatusUnauthorized},
		"it fails":                    {code: http.StatusInternalServerError},
		"it is about to start or end": {code: http.StatusServiceUnavailable},
		"it has too much to do":       {code: http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), funcr.New(func(_, _ string) {}, funcr.Options{})))
				defer cancel()
				pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
				l := &lists{t: t, groups: []schedulingv1alpha1.PodGroup{object("web", 3)}}
				groups, w := following(ctx, t, l)
				w.settle()
				l.become(tc.code)
				changed, gone := w.settle()
				require.Empty(t, changed)
				require.Empty(t, gone)
				group, missing := groups.Of(ctx, pod)
				require.False(t, missing)
				require.Equal(t, tc.none, group == nil)

				l.become(0, object("web", 2))
				changed, _ = w.settle()
				require.Equal(t, []types.NamespacedName{named("web")}, changed)
				require.Equal(t, 2, groups.MinMember(named("web")), "it is followed on")
				require.Equal(t, 1, w.ready)
				cancel()
				synctest.Wait()
			})
		})
	}
}

// TestAGroupOfWhichTheWatchHasNotToldIsAskedFor: a pod may be seen before its group is.
func TestAGroupOfWhichTheWatchHasNotToldIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		late := object("web", 3)
		l := &lists{t: t, late: &late}
		groups, w := following(ctx, t, l)
		w.settle()
		group, missing := groups.Of(ctx, builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj())
		require.False(t, missing)
		require.Equal(t, 3, group.MinMember)
		_, missing = groups.Of(ctx, builders.Consumer("b", nil).Namespace("default").Label(Label, "db").Obj())
		require.True(t, missing)
		cancel()
		synctest.Wait()
	})
}

// TestEachReasonWhyGroupsCannotBeReadIsSaidOnce, however often it is the same.
func TestEachReasonWhyGroupsCannotBeReadIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var logged []string
		ctx = klog.NewContext(ctx, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
		l := &lists{t: t}
		for i, code := range []int{http.StatusForbidden, http.StatusBadRequest, http.StatusForbidden} {
			l.become(code)
			if i == 0 {
				_, w := following(ctx, t, l)
				w.settle()
			} else {
				(&told{}).settle()
			}
			require.Len(t, logged, i+1, "%v", logged)
			require.Contains(t, logged[i], http.StatusText(code))
		}
		cancel()
		synctest.Wait()
	})
}
