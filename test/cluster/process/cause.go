package process

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// causeLimit is the longest cause in characters: it becomes part of one sentence.
const causeLimit = 400

var (
	// klogHeader is what klog puts before a message: severity, date, time, thread, file and line.
	klogHeader = regexp.MustCompile(`^([EF])\d{4} [\d:.]+\s+\d+ [^\]]+\] `)
	// plainError is how command line programs and the Go runtime announce that they give up.
	plainError = regexp.MustCompile(`^(?i)(error|panic|fatal)\b.*:`)
)

// errorCause finds the line of a log that says why its program ended: the last one of severity error or worse, else the
// last one. It reads the formats of klog (Kubernetes), zap's JSON (etcd), and plain text. The result is one line,
// empty for an empty log.
func errorCause(log []byte) string {
	var last, lastError string
	for line := range bytes.Lines(log) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		last = text
		if message, ok := errorLine(text); ok {
			lastError = message
		}
	}
	if lastError == "" {
		lastError = last
	}
	if r := []rune(lastError); len(r) > causeLimit {
		return string(r[:causeLimit]) + "..."
	}
	return lastError
}

// errorLine reports whether a line reports an error, and returns it without its header.
func errorLine(text string) (string, bool) {
	if header := klogHeader.FindString(text); header != "" {
		return strings.TrimPrefix(text, header), true
	}
	if plainError.MatchString(text) {
		return text, true
	}
	var entry struct{ Level, Msg, Error string }
	if json.Unmarshal([]byte(text), &entry) != nil {
		return "", false
	}
	switch strings.ToLower(entry.Level) {
	case "error", "fatal", "panic", "dpanic":
		return strings.TrimSuffix(entry.Msg+": "+entry.Error, ": "), true
	}
	return "", false
}
