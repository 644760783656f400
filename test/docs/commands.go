package docs

import (
	"regexp"
	"slices"
	"strings"
)

// shells are the languages of blocks that hold commands. Blocks without a fence and without a language do if a word of programs comes first.
var shells = []string{"console", "bash", "sh"}

// programs are the first words by which a block without a language is known to hold commands.
var programs = []string{"make", "kubectl", "helm", "go", "git"}

var (
	comment = regexp.MustCompile(`\s+#\s.*$`)
	heredoc = regexp.MustCompile(`<<-?'?([A-Z]+)'?`)
)

// Commands returns the commands of a block, each as a shell would read it: with the lines that continue it and with its here-document, and
// without prompt and comment. Where a line begins with a prompt, "$ ", all others are output. Other blocks have no commands.
func (b Block) Commands() []string {
	lines := strings.Split(strings.TrimRight(b.Text, "\n"), "\n")
	prompted := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "$ ") })
	if !slices.Contains(shells, b.Language) && !prompted {
		first, _, _ := strings.Cut(lines[0], " ")
		if b.Language != "" && b.Language != Indented || !slices.Contains(programs, first) {
			return nil
		}
	}
	var commands []string
	for i := 0; i < len(lines); i++ {
		line, ok := strings.CutPrefix(lines[i], "$ ")
		if prompted && !ok || strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		command := comment.ReplaceAllString(line, "")
		for strings.HasSuffix(command, `\`) && i+1 < len(lines) {
			i++
			command += "\n" + comment.ReplaceAllString(lines[i], "")
		}
		if match := heredoc.FindStringSubmatch(command); match != nil {
			for i+1 < len(lines) && lines[i] != match[1] {
				i++
				command += "\n" + lines[i] //nolint:perfsprint // a few lines of a here-document
			}
		}
		commands = append(commands, command)
	}
	return commands
}
