//go:build tools

// Package tools pins benchstat, which compares the benchmarks of two revisions.
package tools

import _ "golang.org/x/perf/cmd/benchstat"
