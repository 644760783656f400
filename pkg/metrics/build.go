package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headroom-dev/headroom/pkg/buildinfo"
)

// The values of the label "component" of headroom_build_info.
const (
	componentController = "controller"
	componentScheduler  = "scheduler"
)

// build is the metric that says which build of a component is running.
func build(component string) prometheus.Collector {
	info := buildinfo.Get()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headroom_build_info",
		Help: "Always 1; the labels say which build of Headroom this is.",
		ConstLabels: prometheus.Labels{
			"component": component, "version": info.Version, "commit": info.Commit, "build_date": info.BuildDate, "go_version": info.GoVersion,
			"platform": info.Platform,
		},
	}, func() float64 { return 1 })
}
