//go:build tools

// Package tools pins ko, which builds the container images, and holds scratch-base, which makes the base that they stand on.
package tools

import _ "github.com/google/ko"
