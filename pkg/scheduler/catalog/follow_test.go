package catalog

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

func TestAnErrorThatStaysIsLoggedOnce(t *testing.T) {
	answers := []int{http.StatusForbidden, http.StatusForbidden, http.StatusUnauthorized}
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := int(asked.Add(1)); n <= len(answers) {
			w.WriteHeader(answers[n-1])
			return
		}
		cancel()
	}))
	defer server.Close()
	client, err := customresource.NewClient(&rest.Config{Host: server.URL}, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	require.NoError(t, err)
	var logged []string
	ctx = klog.NewContext(ctx, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))

	New().awaitDefinition(ctx, client, func(types.NamespacedName) {})

	require.Len(t, logged, 2, "%v", logged)
	require.Contains(t, logged[0], "Headrooms cannot be read")
}
