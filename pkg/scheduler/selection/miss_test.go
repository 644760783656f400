package selection

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMissNamesThreeHeadroomsAndCountsTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		refusals map[int]string
		want     string
	}{
		"one":                  {refusals: map[int]string{7: "x"}, want: "x"},
		"three, in order":      {refusals: map[int]string{0: "c", 1: "a", 2: "b"}, want: "a; b; c"},
		"one more":             {refusals: map[int]string{0: "d", 1: "a", 2: "b", 3: "c"}, want: "a; b; c; and 1 more"},
		"as many as there are": {refusals: map[int]string{0: "e", 1: "a", 2: "b", 3: "c", 4: "d"}, want: "a; b; c; and 2 more"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, join(tc.refusals)) })
	}
}
