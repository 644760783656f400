// Command headroom-scheduler is kube-scheduler with the Headroom plugin compiled in.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	// As in upstream's kube-scheduler: --logging-format=json, and metrics of the client and the build.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
)

func main() {
	os.Exit(cli.Run(app.NewSchedulerCommand(plugins()...)))
}

// plugins are those that the scheduler has beside kube-scheduler's own.
func plugins() []app.Option {
	return []app.Option{app.WithPlugin(headroom.Name, headroom.New), app.WithPlugin(headroom.QueueSortName, headroom.NewQueueSort)}
}
