//go:build tools

// Package tools pins the generator of the CRD and of the deep copy functions.
package tools

import _ "sigs.k8s.io/controller-tools/cmd/controller-gen"
