package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// caches are a cache that is synced or not.
type caches struct {
	cache.Cache
	synced bool
}

// WaitForCacheSync waits as a real cache does.
func (c *caches) WaitForCacheSync(ctx context.Context) bool {
	if !c.synced {
		<-ctx.Done()
	}
	return c.synced
}

func TestReadyOnceTheCachesAreSynced(t *testing.T) {
	c := &caches{}
	check := cachesSynced(c)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	require.ErrorContains(t, check(request), "not read everything yet")
	c.synced = true
	require.NoError(t, check(request))
}
