// Command golangci-lint is the pinned linter with the two Kubernetes linters compiled in that it does not ship:
// kube-api-linter for the API types and logcheck for contextual logging.
package main

import (
	"fmt"
	"os"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	_ "sigs.k8s.io/kube-api-linter"
	_ "sigs.k8s.io/logtools/logcheck/gclplugin"
)

func main() {
	if err := commands.Execute(commands.BuildInfo{Version: "v2", GoVersion: "unknown", Commit: "none", Date: "unknown"}); err != nil {
		fmt.Fprintln(os.Stderr, "golangci-lint:", err)
		os.Exit(3)
	}
}
