package observer

import (
	"context"
	"testing"

	"k8s.io/client-go/rest"
)

// Require watches the cluster until the test ends, and then fails the test for every violation of the rules. The function it returns
// ends the watch earlier and judges at once; call it, deferred, when the cluster ends before the test does.
func Require(t testing.TB, config *rest.Config, rules Rules) (judge func()) {
	t.Helper()
	o, err := Watch(context.Background(), config)
	if err != nil {
		t.Fatalf("starting the observer: %v", err)
	}
	if rules.DaemonSets == nil {
		rules.DaemonSets = o.HeadroomOfDaemonSet
	}
	judged := false
	judge = func() {
		t.Helper()
		if judged {
			return
		}
		judged = true
		history, err := o.Stop(context.Background())
		if err != nil {
			t.Errorf("the observer saw only a part of what happened: %v", err)
		}
		for _, violation := range Check(context.Background(), history, rules) {
			t.Errorf("%s", violation)
		}
	}
	t.Cleanup(judge)
	return judge
}
