package message

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCut(t *testing.T) {
	tests := map[string]struct {
		text  string
		limit int
		mark  string
		want  string
	}{
		"a text that fits stays":               {text: "héllo", limit: 6, mark: "...", want: "héllo"},
		"a longer one ends in the mark":        {text: "hello world", limit: 8, mark: "...", want: "hello..."},
		"without a mark it only ends":          {text: "hello world", limit: 5, want: "hello"},
		"a character of two bytes stays whole": {text: "hé world", limit: 2, want: "h"},
		"one of four bytes too":                {text: "ab😀cd", limit: 8 - 1, mark: ".", want: "ab😀."},
		"and goes as a whole":                  {text: "ab😀cd", limit: 6, mark: ".", want: "ab."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Cut(tc.text, tc.limit, tc.mark))
		})
	}
}

func TestCutFitsAndIsABeginningInWholeCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, mark := rapid.String().Draw(t, "text"), rapid.SampledFrom([]string{"", "..."}).Draw(t, "mark")
		limit := rapid.IntRange(len(mark), 40).Draw(t, "limit")
		got := Cut(text, limit, mark)
		require.LessOrEqual(t, len(got), limit)
		require.True(t, utf8.ValidString(got))
		if got == text {
			return
		}
		beginning, cut := strings.CutSuffix(got, mark)
		require.True(t, cut)
		require.True(t, strings.HasPrefix(text, beginning))
		require.Greater(t, len(beginning)+len(mark)+utf8.UTFMax, limit, "no more is cut than has to be")
	})
}
