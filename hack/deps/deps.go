//go:build deps

// Package deps keeps the requirements of packages that are about to come.
package deps

import (
	_ "github.com/stretchr/testify/require"
	_ "k8s.io/kubernetes/pkg/kubelet/lifecycle"
	_ "k8s.io/kubernetes/test/integration/scheduler_perf"
	_ "k8s.io/kubernetes/test/integration/util"
	_ "pgregory.net/rapid"
	_ "sigs.k8s.io/controller-runtime"
	_ "sigs.k8s.io/controller-runtime/pkg/envtest"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/pflag"
	_ "k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "sigs.k8s.io/yaml"
	_ "gonum.org/v1/plot"
	_ "golang.org/x/perf/cmd/benchstat"
)
