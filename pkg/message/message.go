// Package message shortens text for places of bounded length, conditions and events, and has the words by which the binaries understand
// each other. It is pure.
package message

import "strings"

// Ellipsis is the mark of a text that goes on.
const Ellipsis = "..."

// Cut returns text unchanged if it has at most limit bytes. Otherwise it returns the beginning of text followed by mark, together
// at most limit bytes, and never splits a character. mark must not be longer than limit.
func Cut(text string, limit int, mark string) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}
