package swapevent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestAnnotation(t *testing.T) {
	for name, tc := range map[string]struct {
		uids   []types.UID
		others map[string]string
		want   string
	}{
		"one":                                {uids: []types.UID{"a"}, want: "a"},
		"several":                            {uids: []types.UID{"a", "b", "c"}, want: "a,b,c"},
		"a pod that is full of other things": {uids: []types.UID{"a", "b"}, others: map[string]string{"k": strings.Repeat("x", maxAnnotations)}, want: "+2"},
	} {
		t.Run(name, func(t *testing.T) {
			value := Annotation(tc.uids, tc.others)
			require.Equal(t, tc.want, value)
			_, err := ParseAnnotation(value)
			require.NoError(t, err)
		})
	}
}

func TestAnnotationsThatNoSchedulerWroteAreRefused(t *testing.T) {
	for _, value := range []string{"", ",", "a,", "a, b", "+", "+0", "+x", "a+-1"} {
		_, err := ParseAnnotation(value)
		require.Error(t, err, "%q", value)
	}
}

func TestAnnotationFitsAndLosesNoPlaceholder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
		var uids []types.UID
		for range rapid.IntRange(1, 700).Draw(t, "placeholders") {
			uids = append(uids, types.UID(uid.Draw(t, "uid")))
		}
		filler := rapid.IntRange(0, maxAnnotations).Draw(t, "filler")
		others := map[string]string{"k": strings.Repeat("x", filler)}
		value := Annotation(uids, others)
		require.LessOrEqual(t, len(value), maxTook+len("+700"))
		if filler < maxAnnotations-spareAnnotations {
			require.Less(t, filler+len("k")+len(value)+len("headroom.dev/took"), maxAnnotations)
		}
		took, err := ParseAnnotation(value)
		require.NoError(t, err)
		require.Equal(t, len(uids), len(took.Placeholders)+took.Unnamed)
		require.Equal(t, uids[:len(took.Placeholders)], append([]types.UID{}, took.Placeholders...))
	})
}

func FuzzParseAnnotation(f *testing.F) {
	f.Add("a,b+3")
	f.Fuzz(func(t *testing.T, value string) {
		if took, err := ParseAnnotation(value); err == nil {
			require.Positive(t, len(took.Placeholders)+took.Unnamed)
		}
	})
}
