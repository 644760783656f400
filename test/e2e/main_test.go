// Package e2e runs the whole product with a real autoscaler: Karpenter adds and removes the nodes of the embedded cluster. Run
// it by `make test-e2e`, which builds Karpenter first.
package e2e

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// patience bounds every wait of these tests. On an idle machine the longest takes a quarter of it.
const patience = 6 * time.Minute

// steady is how long nothing may happen while nothing changes. Karpenter looks again every ten seconds and acts 15 seconds after it
// has decided to, so that a loop of provisioning and deletion shows within a minute or two.
var steady = flag.Duration("steady", time.Minute, "how long the cluster must stay as it is while nobody changes anything")

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // Else it complains after 30 seconds, with a stack trace.
	os.Exit(m.Run())
}
