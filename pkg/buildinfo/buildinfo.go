// Package buildinfo says which build of Headroom is running.
package buildinfo

import (
	"runtime/debug"
	"strings"

	"k8s.io/component-base/version"
)

// ownVersion is set by the linker; hack/version.sh says how.
var ownVersion string

// Info is what a binary tells of itself, in metrics and on its first log line.
type Info struct {
	// Version of Headroom, semantic: v0.3.0, or v0.3.1-0.DATE-COMMIT between releases.
	Version string
	// Commit is the full hash of the git commit, or "unknown".
	Commit string
	// BuildDate is when the commit was made, as in 2026-01-31T12:00:00Z.
	BuildDate string
	// GoVersion is that of the compiler, as in go1.26.1.
	GoVersion string
	// Platform is operating system and architecture, as in linux/arm64.
	Platform string
}

// Get returns the build that is running. Without the linker's flags, as after `go install`, the version and the commit are
// those that Go has written into the binary.
func Get() Info {
	return merge(ownVersion, version.Get().GitCommit, readGo())
}

func readGo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
}

// merge takes what the linker was told and, where it was told nothing, what Go knows.
func merge(linked, linkedCommit string, built *debug.BuildInfo) Info {
	base := version.Get()
	info := Info{
		Version: linked, Commit: linkedCommit, BuildDate: base.BuildDate, GoVersion: base.GoVersion, Platform: base.Platform,
	}
	if info.Version == "" {
		info.Version = built.Main.Version
	}
	if info.Commit == "" || strings.HasPrefix(info.Commit, "$Format") { // as component-base has it without flags
		info.Commit = "unknown"
		for _, setting := range built.Settings {
			if setting.Key == "vcs.revision" {
				info.Commit = setting.Value
			}
		}
	}
	return info
}
