package swapevent

import (
	"fmt"
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
		"a pod that is full of keys":         {uids: []types.UID{"a", "b"}, others: map[string]string{strings.Repeat("k", maxAnnotations): ""}, want: "+2"},
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
	for _, value := range []string{"", ",", "a,", ",a", "a,,b", "a, b", "a\tb", "a\n", "+", "a+", "+0", "+x", ",+2", "a,+2", "a+2+2", "a+2,b", "a+-1", "a+99999999999999999999"} {
		_, err := ParseAnnotation(value)
		require.Error(t, err, "%q", value)
	}
}

// longestKey is how long the key of an annotation can be: a prefix, a slash and a name.
const longestKey = 253 + 1 + 63

func TestAPodThatTakesAgainKeepsWhatItTookBefore(t *testing.T) {
	carries := func(value string) map[string]string { return map[string]string{"headroom.dev/took": value} }
	require.Equal(t, "a", Extend([]types.UID{"a"}, nil))
	require.Equal(t, "a,b,c", Extend([]types.UID{"b", "c"}, carries("a")))
	require.Equal(t, "a,b", Extend([]types.UID{"b"}, carries("a,b")), "told twice")
	require.Equal(t, "b", Extend([]types.UID{"b"}, carries("no list")))

	var many []string
	for i := range 512 {
		many = append(many, fmt.Sprintf("%036d", i))
	}
	took, err := ParseAnnotation(Extend([]types.UID{"new"}, carries(strings.Join(many, ","))))
	require.NoError(t, err)
	require.Len(t, took.Placeholders, 512)
	require.Equal(t, types.UID(many[1]), took.Placeholders[0], "the oldest is left out")
	require.Equal(t, types.UID("new"), took.Placeholders[511])
}

func TestWhatAPodCarriesAlreadyTakesNoRoomFromItself(t *testing.T) {
	const most = 4
	var uids []string
	for i := range most {
		uids = append(uids, fmt.Sprintf("%036d", i))
	}
	value := Extend([]types.UID{types.UID(uids[most-1])}, map[string]string{
		"headroom.dev/took": strings.Join(uids[:most-1], ","), "headroom.dev/taking": uids[most-1],
		"others": strings.Repeat("x", maxAnnotations-spareAnnotations-len("others")-most*37),
	})
	require.Equal(t, strings.Join(uids, ","), value, "there is room for as many")
}

// TestAPodThatIsFullOfOtherThingsKeepsWhatItTookLast has room for two UIDs, for one, and for none.
func TestAPodThatIsFullOfOtherThingsKeepsWhatItTookLast(t *testing.T) {
	const uid = 36
	is := func(i int) string { return fmt.Sprintf("%0*d", uid, i) }
	for room, want := range map[int]string{2: is(2) + "," + is(3), 1: is(3), 0: "+1"} {
		value := Extend([]types.UID{types.UID(is(3))}, map[string]string{
			"headroom.dev/took": strings.Join([]string{is(0), is(1), is(2)}, ","),
			"others":            strings.Repeat("x", maxAnnotations-spareAnnotations-len("others")-room*(uid+1)),
		})
		require.Equal(t, want, value, "room for %d", room)
	}
}

func TestWhatAPodTakesNowIsCountedAtLeast(t *testing.T) {
	is := func(i int) string { return fmt.Sprintf("%036d", i) }
	value := Extend([]types.UID{types.UID(is(3)), types.UID(is(4)), types.UID(is(5))}, map[string]string{
		"headroom.dev/took": is(0) + "," + is(1), "others": strings.Repeat("x", maxAnnotations-spareAnnotations-len("others")-37),
	})
	require.Equal(t, is(3)+"+2", value, "what it took before gives way, and of what it takes now none is lost")
}

func TestWhatIsNoListIsNotRepeatedInFull(t *testing.T) {
	_, err := ParseAnnotation(strings.Repeat("no list ", 1<<10))
	require.ErrorContains(t, err, "no list no list")
	require.Less(t, len(err.Error()), 2*maxWhy)
}

// TestAnnotationFillsTheRoomThatThereIs to the last byte, of which the comma between two UIDs takes one.
func TestAnnotationFillsTheRoomThatThereIs(t *testing.T) {
	one, two := strings.Repeat("1", 36), strings.Repeat("2", 36)
	for room, want := range map[int]string{73: one + "," + two, 72: one + "+1", 37: one + "+1", 36: "+2", 0: "+2"} {
		others := map[string]string{"others": strings.Repeat("x", maxAnnotations-spareAnnotations-len("others")-room)}
		require.Equal(t, want, Annotation([]types.UID{types.UID(one), types.UID(two)}, others), "room for %d bytes", room)
	}
}

func TestAnnotationFitsAndLosesNoPlaceholder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
		var uids []types.UID
		for range rapid.IntRange(1, 700).Draw(t, "placeholders") {
			uids = append(uids, types.UID(uid.Draw(t, "uid")))
		}
		// Either may take most of the room: one long value, or many keys.
		others, used := map[string]string{}, 0
		if rapid.Bool().Draw(t, "keys") {
			for i := range rapid.IntRange(0, maxAnnotations/longestKey).Draw(t, "annotations") {
				others[fmt.Sprintf("%0*d", longestKey, i)] = ""
			}
			used = len(others) * longestKey
		} else {
			others["k"] = strings.Repeat("x", rapid.IntRange(0, maxAnnotations).Draw(t, "filler"))
			used = len("k") + len(others["k"])
		}
		value := Annotation(uids, others)
		require.LessOrEqual(t, len(value), maxTook+len("+700"))
		if used < maxAnnotations-spareAnnotations {
			require.Less(t, used+len(value)+len("headroom.dev/took"), maxAnnotations)
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
