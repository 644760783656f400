//go:build tools

// Package tools pins Karpenter with its KWOK provider, which adds and removes the nodes of end-to-end tests and demo.
package tools

import _ "sigs.k8s.io/karpenter/kwok"
