// Command check-images checks the container images that `make images` has built, and prints what they are: built for both
// architectures, each blob what its digest says, with a numeric user that is not root, labels, one static program, and a bill
// of materials that is about them. The program of this machine's architecture is unpacked and run.
//
// usage: check-images FOLDER IMAGE...
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: check-images FOLDER IMAGE...")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks the layouts in a folder and returns everything that is wrong with them.
func run(out io.Writer, dir string, names []string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var wrong []error
	if _, err := fmt.Fprintln(table, "IMAGE\tPLATFORM\tPULL\tPROGRAM\tUSER\tSBOM\tRAN HERE"); err != nil {
		return err
	}
	for _, name := range names {
		images, err := readLayout(filepath.Join(dir, name))
		if err == nil {
			err = checkPlatforms(images)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		for _, image := range images {
			if err := report(table, dir, name, image); err != nil {
				wrong = append(wrong, fmt.Errorf("%s for %s: %w", name, image.platform, err))
			}
		}
	}
	return errors.Join(append(wrong, table.Flush())...)
}

// report checks one image and prints a line on it.
func report(table io.Writer, dir, name string, image image) error {
	if err := checkImage(image); err != nil {
		return err
	}
	sbom := filepath.Join(dir, "sbom", name+"-"+strings.ReplaceAll(image.platform, "/", "-")+".spdx.json")
	packages, err := checkSBOM(sbom, image.digest)
	if err != nil {
		return err
	}
	program, err := entrypoint(image)
	if err != nil {
		return err
	}
	ran, err := runVersion(name, image, program.data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d packages\t%s\n",
		name, image.platform, megabytes(image.size), megabytes(int64(len(program.data))), image.config.Config.User, packages, ran)
	return err
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// runVersion runs the program with --version, if this machine can, and checks that it is the version of the image's label.
func runVersion(name string, image image, program []byte) (string, error) {
	if image.platform != runtime.GOOS+"/"+runtime.GOARCH {
		return "no: another architecture", nil
	}
	dir, err := os.MkdirTemp("", "headroom-image-")
	if err != nil {
		return "", fmt.Errorf("making a folder to unpack into: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, program, 0o700); err != nil {
		return "", fmt.Errorf("unpacking the program: %w", err)
	}
	command := exec.Command(path, "--version")
	command.Env = []string{} // as in the image: no HOME, no PATH
	printed, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("running the program with --version: %w", err)
	}
	line := strings.TrimSpace(string(printed))
	want := image.config.Config.Labels["org.opencontainers.image.version"]
	if !strings.HasPrefix(line, name+" ") || !strings.HasSuffix(line, strings.ReplaceAll(want, "+", ".")) && !strings.HasSuffix(line, want) {
		return "", fmt.Errorf("--version prints %q, want %s %s", line, name, want)
	}
	return line, nil
}
