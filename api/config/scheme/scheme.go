// Package scheme makes kube-scheduler's configuration loader know the arguments of the Headroom plugin, so that they are
// decoded strictly, defaulted and converted like those of the built-in plugins. Import it for its effect.
package scheme

import (
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	schedulerv1 "k8s.io/kubernetes/pkg/scheduler/apis/config/v1"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/config/v1"
)

func init() {
	// The first decodes configuration files; the second defaults and converts the arguments inside of them.
	for _, scheme := range []*runtime.Scheme{schedulerscheme.Scheme, schedulerv1.GetPluginArgConversionScheme()} {
		utilruntime.Must(config.AddToScheme(scheme))
		utilruntime.Must(v1.AddToScheme(scheme))
	}
}
