package app

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a flag that does not exist":      {[]string{"--max-prio=1"}, "unknown flag: --max-prio"},
		"an argument":                     {[]string{"start"}, `unknown command "start"`},
		"a value out of bounds":           {[]string{"--max-priority=-20"}, "placeholders.minPriority"},
		"a configuration file that's not": {[]string{"--config=/does/not/exist"}, "reading the configuration file"},
		"a kubeconfig file that's not":    {[]string{"--kubeconfig=/does/not/exist"}, "finding the API server"},
	} {
		t.Run(name, func(t *testing.T) {
			command := NewCommand()
			command.SetArgs(tc.args)
			command.SetOut(io.Discard)
			command.SetErr(io.Discard)
			require.ErrorContains(t, command.Execute(), tc.want)
		})
	}
}
