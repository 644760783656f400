//go:build tools

// Package tools pins Helm, with which the chart is linted, rendered, and installed in tests.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
