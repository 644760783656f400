package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headroom-dev/headroom/pkg/buildinfo"
)

// build is the metric that says which build is running. Both binaries serve it.
func build() prometheus.Collector {
	info := buildinfo.Get()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headroom_build_info",
		Help: "Always 1; the labels say which build of Headroom this is.",
		ConstLabels: prometheus.Labels{
			"version": info.Version, "commit": info.Commit, "build_date": info.BuildDate, "go_version": info.GoVersion,
			"platform": info.Platform,
		},
	}, func() float64 { return 1 })
}
