package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ToolsEnv names the environment variable with the folder of the control plane's binaries.
const ToolsEnv = "HEADROOM_TOOLS"

// modulePath is the first line of this repository's go.mod.
const modulePath = "github.com/headroom-dev/headroom"

// Tools is a folder with the binaries of the control plane, as `make tools` fills it.
type Tools struct {
	// Dir is the absolute path of the folder.
	Dir string
	// ControlPlane is the folder with kube-apiserver and kube-controller-manager, where they are of another Kubernetes version
	// than the rest. Default: Dir.
	ControlPlane string
}

// FindTools finds the tools: the folder that HEADROOM_TOOLS names, else bin/tools of the repository that holds the
// working directory, else the folder "tools" beside the running executable.
func FindTools() (Tools, error) {
	if dir := os.Getenv(ToolsEnv); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return Tools{}, fmt.Errorf("resolving %s: %w", ToolsEnv, err)
		}
		return Tools{Dir: abs}, nil
	}
	if root, err := RepositoryRoot(); err == nil {
		return Tools{Dir: filepath.Join(root, "bin", "tools")}, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return Tools{}, fmt.Errorf("finding the tools (set %s): %w", ToolsEnv, err)
	}
	return Tools{Dir: filepath.Join(filepath.Dir(exe), "tools")}, nil
}

// Binary returns the path of a tool, or an error that says how to get it.
func (t Tools) Binary(name string) (string, error) {
	if t.ControlPlane != "" && (name == "kube-apiserver" || name == "kube-controller-manager") {
		if path := filepath.Join(t.ControlPlane, name); isFile(path) {
			return path, nil
		}
		return "", fmt.Errorf("%s is missing in %s: run `make test-versions`, which builds it", name, t.ControlPlane)
	}
	path := filepath.Join(t.Dir, name)
	if !isFile(path) {
		return "", fmt.Errorf("%s is missing in %s: run `make tools` (%s chooses another folder)", name, t.Dir, ToolsEnv)
	}
	return path, nil
}

// kwokStages returns the files that tell KWOK how pods and nodes live.
func (t Tools) kwokStages() ([]string, error) { return t.files("kwok-stages") }

// KarpenterCRDs returns the files with the CRDs of Karpenter and of its KWOK provider.
func (t Tools) KarpenterCRDs() ([]string, error) { return t.files("karpenter-crds") }

// files returns the YAML files of a folder, or an error that says how to get them.
func (t Tools) files(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(t.Dir, folder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s/*.yaml is missing in %s: run `make tools` (%s chooses another folder)", folder, t.Dir, ToolsEnv)
	}
	return files, nil
}

// RepositoryRoot is the folder of this repository that the working directory lies in, else the one that the running
// executable lies in.
func RepositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	if root, ok := repositoryAbove(dir); ok {
		return root, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	if root, ok := repositoryAbove(filepath.Dir(exe)); ok {
		return root, nil
	}
	return "", fmt.Errorf("%s is not in a clone of %s: run inside of one", dir, modulePath)
}

func repositoryAbove(dir string) (string, bool) {
	for {
		if data, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(data), "module "+modulePath+"\n") {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// FindProduct finds a binary of the product: beside the running executable, else in bin of the repository that holds
// the working directory.
func FindProduct(name string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	dirs := []string{filepath.Dir(exe)}
	if root, err := RepositoryRoot(); err == nil {
		dirs = append(dirs, filepath.Join(root, "bin"))
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing in %s: run `make build`", name, dirs[len(dirs)-1])
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
