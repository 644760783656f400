package chaos

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/chaos/proxy"
)

func TestOneAccountEveryHalfMinuteIsWrittenForAReason(t *testing.T) {
	begun := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	write := func(seconds int, method, path string) proxy.Request {
		return proxy.Request{At: begun.Add(time.Duration(seconds) * time.Second), Method: method, Path: path}
	}
	const account = "/apis/headroom.dev/v1alpha1/namespaces/shop/headroomaccounts/web"
	put := func(seconds int) proxy.Request { return write(seconds, http.MethodPut, account) }
	for name, tc := range map[string]struct {
		writes []proxy.Request
		want   []proxy.Request
	}{
		"one":                            {writes: []proxy.Request{put(5)}},
		"one every half minute":          {writes: []proxy.Request{put(5), put(35), put(75)}},
		"more than that":                 {writes: []proxy.Request{put(5), put(15), put(35)}, want: []proxy.Request{put(15)}},
		"one that is made anew":          {writes: []proxy.Request{write(5, http.MethodPost, account)}, want: []proxy.Request{write(5, http.MethodPost, account)}},
		"anything else, however seldom ": {writes: []proxy.Request{write(5, http.MethodPut, "/api/v1/pods")}, want: []proxy.Request{write(5, http.MethodPut, "/api/v1/pods")}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, tc.want, needless(tc.writes))
		})
	}
}
