package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// wantPlatforms are what every image is built for.
var wantPlatforms = []string{"linux/amd64", "linux/arm64"}

// wantLabels must be there.
var wantLabels = []string{
	"org.opencontainers.image.title", "org.opencontainers.image.description", "org.opencontainers.image.version",
	"org.opencontainers.image.revision", "org.opencontainers.image.created", "org.opencontainers.image.source",
	"org.opencontainers.image.licenses",
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// numericUser is what runAsNonRoot can judge without /etc/passwd.
var numericUser = regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`)

// checkPlatforms returns what is wrong with the set of platforms.
func checkPlatforms(images []image) error {
	var got []string
	for _, image := range images {
		got = append(got, image.platform)
	}
	slices.Sort(got)
	if !slices.Equal(got, wantPlatforms) {
		return fmt.Errorf("the platforms are %s, want %s", strings.Join(got, ", "), strings.Join(wantPlatforms, ", "))
	}
	return nil
}

// checkImage returns everything that is wrong with an image.
func checkImage(image image) error {
	var wrong []error
	settings := image.config
	if platform := settings.OS + "/" + settings.Architecture; platform != image.platform {
		wrong = append(wrong, fmt.Errorf("the configuration is for %s", platform))
	}
	if !numericUser.MatchString(settings.Config.User) {
		wrong = append(wrong, fmt.Errorf("the user is %q, want a number other than 0", settings.Config.User))
	}
	for _, label := range wantLabels {
		if settings.Config.Labels[label] == "" {
			wrong = append(wrong, fmt.Errorf("the label %s is missing", label))
		}
	}
	for name, file := range image.files {
		if file.mode&(os.ModeSetuid|os.ModeSetgid) != 0 {
			wrong = append(wrong, fmt.Errorf("%s has the setuid or setgid bit", name))
		}
	}
	if program, err := entrypoint(image); err != nil {
		wrong = append(wrong, err)
	} else if err := checkProgram(program.data, settings.Architecture); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// entrypoint returns the program that the image runs.
func entrypoint(image image) (file, error) {
	command := image.config.Config.Entrypoint
	if len(command) != 1 {
		return file{}, fmt.Errorf("the entrypoint is %q, want one program without arguments", command)
	}
	program, ok := image.files[command[0]]
	if !ok {
		return file{}, fmt.Errorf("the entrypoint %s is not in the image", command[0])
	}
	if program.mode.Perm()&0o555 != 0o555 {
		return file{}, fmt.Errorf("%s has mode %s: not everybody may run it", command[0], program.mode)
	}
	return program, nil
}

// checkProgram checks that a program runs on the architecture without a library.
func checkProgram(data []byte, architecture string) error {
	parsed, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	if parsed.Machine != machines[architecture] {
		return fmt.Errorf("the program is for %s, not for %s", parsed.Machine, architecture)
	}
	for _, segment := range parsed.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			return errors.New("the program is linked dynamically, and the image has no libraries")
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("reading how the program was built: %w", err)
	}
	for _, setting := range info.Settings {
		if setting.Key == "CGO_ENABLED" && setting.Value != "0" {
			return errors.New("the program was built with CGO")
		}
	}
	return nil
}

// checkSBOM checks that a bill of materials is about an image and names what is in it, and returns how many packages it names.
func checkSBOM(path, digest string) (packages int, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading the SBOM: %w", err)
	}
	var bill struct {
		Version  string `json:"spdxVersion"`
		Packages []struct {
			Name string `json:"name"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(data, &bill); err != nil {
		return 0, fmt.Errorf("reading the SBOM %s: %w", path, err)
	}
	if !strings.HasPrefix(bill.Version, "SPDX-") {
		return 0, fmt.Errorf("%s is not SPDX", path)
	}
	names := map[string]bool{}
	for _, entry := range bill.Packages {
		names[entry.Name] = true
	}
	for _, want := range []string{digest, "k8s.io/client-go"} {
		if !names[want] {
			return 0, fmt.Errorf("the SBOM %s does not name %s", path, want)
		}
	}
	return len(bill.Packages), nil
}
