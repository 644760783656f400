// Command headroom-controller keeps Headrooms topped up.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // for --logging-format=json

	"github.com/headroom-dev/headroom/pkg/controller/app"
)

func main() {
	os.Exit(cli.Run(app.NewCommand()))
}
