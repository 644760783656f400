// Package report makes a page that needs nothing else, and a picture, from the records of the runs.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// Run is a run with what was recorded of it.
type Run struct {
	summary.Run
	// Record is where all numbers of the run come from.
	Record history.Record
}

// Demo is everything that the report tells.
type Demo struct {
	// Runs in their order: three.
	Runs []Run
	// Burst is the number of pods of a run, Headroom the number of units held before it in the runs that have headroom,
	// Nodes the number of full nodes at its start, Zones the number of zones they lie in.
	Burst, Headroom, Nodes, Zones int
	// Autoscaler is its name and version; empty with fixed nodes.
	Autoscaler string
	// Delay is how long the autoscaler's nodes take to come.
	Delay time.Duration
	// Machine says what the demo ran on.
	Machine string
	// Version of Headroom.
	Version string
	// Started is when the demo began, and Elapsed how long it took.
	Started time.Time
	Elapsed time.Duration
}

// roles are the colors of the runs.
var roles = []struct{ strong, soft drawing.Role }{
	{drawing.Run1, drawing.Run1Soft}, {drawing.Run2, drawing.Run2Soft}, {drawing.Run3, drawing.Run3Soft},
}

// Files are what was written, as absolute paths.
type Files struct{ HTML, PNG, SVG string }

// Probe fails when no file can be written into the folder, which it makes if it is missing.
func Probe(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the report (--out chooses another): %w", err)
	}
	file, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return fmt.Errorf("writing into the folder for the report (--out chooses another): %w", err)
	}
	// As much as a report needs: a full disk still takes empty files.
	_, err = file.Write(make([]byte, 1<<20))
	if err := errors.Join(err, file.Close(), os.Remove(file.Name())); err != nil {
		return fmt.Errorf("writing into the folder for the report (--out chooses another): %w", err)
	}
	return nil
}

// Write writes report.html, and a picture of it as report.png and report.svg, into the folder.
func Write(dir string, d Demo) (Files, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Files{}, fmt.Errorf("finding the folder for the report: %w", err)
	}
	files := Files{HTML: filepath.Join(abs, "report.html"), PNG: filepath.Join(abs, "report.png"), SVG: filepath.Join(abs, "report.svg")}
	page, err := Page(d)
	if err != nil {
		return Files{}, err
	}
	var png bytes.Buffer
	picture := Picture(d)
	if err := picture.PNG(&png, drawing.Light()); err != nil {
		return Files{}, err
	}
	err = errors.Join(
		os.WriteFile(files.HTML, page, 0o644), os.WriteFile(files.PNG, png.Bytes(), 0o644),
		os.WriteFile(files.SVG, []byte(picture.Document(title(d))), 0o644),
	)
	if err != nil {
		return Files{}, fmt.Errorf("writing the report (--out chooses another folder): %w", err)
	}
	return files, nil
}
