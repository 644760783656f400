package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// Formats of the flag -o, beside the table.
const (
	formatJSON = "json"
	formatYAML = "yaml"
	formatWide = "wide"
	formatCSV  = "csv"
)

// output is where and how a command prints.
type output struct {
	streams genericiooptions.IOStreams
	// format is the flag -o, formats what it may be.
	format  string
	formats []string
	// size returns the width of the terminal that out is, false if it is none. Tests replace it.
	size func(out io.Writer) (width int, ok bool)
	// getenv is os.Getenv. Tests replace it.
	getenv func(string) string
}

func newOutput(streams genericiooptions.IOStreams, formats ...string) *output {
	return &output{streams: streams, formats: formats, size: terminalSize, getenv: os.Getenv}
}

func (o *output) addFlag(command *cobra.Command) {
	command.Flags().StringVarP(&o.format, "output", "o", "", "how to print: "+strings.Join(o.formats, ", ")+"; a table without it")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(o.formats, cobra.ShellCompDirectiveNoFileComp))
}

// validate fails on a format that is not known.
func (o *output) validate() error {
	if o.format != "" && !slices.Contains(o.formats, o.format) {
		return fmt.Errorf("-o %s is not known: use one of %s", o.format, strings.Join(o.formats, ", "))
	}
	return nil
}

// style is that of the place where the text goes: as wide as the terminal, with colors unless NO_COLOR is set or the terminal has none.
// Elsewhere, as in a pipe, lines have any length and no colors.
func (o *output) style() table.Style {
	width, ok := o.size(o.streams.Out)
	if !ok {
		return table.Style{}
	}
	return table.Style{Width: width, Color: o.getenv("NO_COLOR") == "" && o.getenv("TERM") != "dumb"}
}

// print prints a model as JSON or YAML, and anything else as the text.
func (o *output) print(model any, text func(table.Style) string) error {
	var data []byte
	var err error
	switch o.format {
	case formatJSON:
		if data, err = json.MarshalIndent(model, "", "  "); err == nil {
			data = append(data, '\n')
		}
	case formatYAML:
		data, err = yaml.Marshal(model)
	default:
		data = []byte(text(o.style()))
	}
	if err != nil {
		return fmt.Errorf("printing as %s: %w", o.format, err)
	}
	_, err = o.streams.Out.Write(data)
	return err
}

// notes writes what could not be looked at to the error stream, so that it disturbs no pipe.
func (o *output) notes(notes []string) {
	for _, note := range notes {
		_, _ = fmt.Fprintln(o.streams.ErrOut, "note: "+table.Clean(note))
	}
}

// terminalSize is the width of a terminal.
func terminalSize(out io.Writer) (width int, ok bool) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80, true
	}
	return width, true
}
