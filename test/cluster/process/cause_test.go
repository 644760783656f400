package process

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCause(t *testing.T) {
	for name, tc := range map[string]struct{ log, want string }{
		"an empty log has none": {"", ""},
		"without an error the last line": {
			"I1121 21:00:00.000001       1 a.go:1] starting\nalmost there\n\n", "almost there",
		},
		"klog's last error, not its last line": {
			"E1121 21:00:00.000001       1 a.go:1] first\nE1121 21:00:00.000002      17 run.go:72] \"command failed\" err=\"bind: in use\"\n" +
				"I1121 21:00:00.000003       1 a.go:1] bye\n",
			`"command failed" err="bind: in use"`,
		},
		"a flag's error before the usage": {"Error: unknown flag: --bogus\nUsage:\n  kube-apiserver [flags]\n", "Error: unknown flag: --bogus"},
		"a panic before its stack":        {"panic: boom\n\ngoroutine 1 [running]:\n", "panic: boom"},
		"etcd's JSON": {
			`{"level":"warn","msg":"slow"}` + "\n" + `{"level":"fatal","msg":"discovery failed","error":"no space left"}` + "\n",
			"discovery failed: no space left",
		},
		"a long line is cut": {strings.Repeat("ä", 500), strings.Repeat("ä", 400) + "..."},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, errorCause([]byte(tc.log))) })
	}
}
