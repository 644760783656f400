package catalog

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

// failing is a server that answers everything with a code, unless that is zero.
type failing struct {
	*server
	code atomic.Int32
}

func (f *failing) RoundTrip(request *http.Request) (*http.Response, error) {
	reasons := map[int32]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusForbidden: metav1.StatusReasonForbidden,
		http.StatusUnauthorized: metav1.StatusReasonUnauthorized, http.StatusInternalServerError: metav1.StatusReasonInternalError,
		http.StatusServiceUnavailable: metav1.StatusReasonServiceUnavailable, http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests,
	}
	if code := f.code.Load(); code != 0 {
		return answer(int(code), failure(code, reasons[code]))
	}
	return f.server.RoundTrip(request)
}

// withoutRest has errors logged and nothing more: the handler that comes next rests by the clock of the process, which in a bubble is
// decades ahead.
func withoutRest(t *testing.T) {
	t.Helper()
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = handlers[:1]
	t.Cleanup(func() { utilruntime.ErrorHandlers = handlers })
}

// TestOnlyAnAPIServerThatDoesNotServeHeadroomsMeansThatThereAreNone: of any other failure what is known outlives the watch, and pods take
// headroom meanwhile.
func TestOnlyAnAPIServerThatDoesNotServeHeadroomsMeansThatThereAreNone(t *testing.T) {
	withoutRest(t)
	for name, tc := range map[string]struct {
		code int32
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
				api := &failing{server: &server{t: t, headroom: state("web", "1", 1)}}
				f := &following{Catalog: New(), server: api.server}
				client, err := customresource.NewClient(
					&rest.Config{Host: "http://server", Transport: api}, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
				require.NoError(t, err)
				go f.follow(ctx, client, func(name types.NamespacedName) { f.changed = append(f.changed, name) })
				f.settle()
				api.code.Store(tc.code)
				f.become(state("db", "1", 2), false)
				f.settle()
				require.Equal(t, tc.none, f.CRDAbsent())
				require.Equal(t, !tc.none, f.entitles("web"))

				api.code.Store(0)
				f.settle()
				require.False(t, f.CRDAbsent())
				require.True(t, f.entitles("db"), "it is followed on")
				f.become(nil, false)
				cancel()
				synctest.Wait()
			})
		})
	}
}
