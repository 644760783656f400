package consumption

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesOfOtherNamespacesCanBeHidden(t *testing.T) {
	mine, other := consumer("api-1", "uid-a"), consumer("api-1", "uid-b")
	mine.Owner, other.Owner = "ReplicaSet/api", "ReplicaSet/api"
	other.Namespace = "bank"
	for name, hide := range map[string]bool{"told": false, "hidden": true} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			s.HideOthers = hide
			s.departs("a", nil)
			s.departs("b", nil)
			s.sees("node-1", mine, other)
			require.Equal(t, mine.Consumer, s.taken["uid-a"].Consumer)
			want := other.Consumer
			if hide {
				want.Namespace, want.Name, want.Owner = "", "", ""
			}
			require.Equal(t, want, s.taken["uid-b"].Consumer, "in the account")
			require.NotEmpty(t, want.UID)
			for _, c := range s.Report(web) {
				if c.Placeholder.Name == "b" {
					require.Equal(t, want, c.Consumer, "in the event")
				}
			}
		})
	}
}
