package chaos

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headroom-dev/headroom/test/chaos/proxy"
)

// accountsEvery is how often headroom-controller writes one account where nothing happens, so that a successor finds out what happened
// since: see docs/reference/account.md.
const accountsEvery = 30 * time.Second

// needless leaves out what a component that has nothing to do may write. The writes are of one component, in order of time.
func needless(writes []proxy.Request) []proxy.Request {
	var last time.Time
	return slices.DeleteFunc(slices.Clone(writes), func(write proxy.Request) bool {
		if write.Method != http.MethodPut || !strings.Contains(write.Path, "/headroomaccounts/") || write.At.Sub(last) < accountsEvery {
			return false
		}
		last = write.At
		return true
	})
}
