package api_test

import (
	"testing"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/upgrade"
)

func TestHeadroomsStoredByAnEarlierVersionKeepWorking(t *testing.T) {
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true})
	upgrade.Check(t, c, clustertest.Namespace(t, c, nil))
}
