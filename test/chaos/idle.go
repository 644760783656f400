package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/accounts"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
)

// accountsEvery is how often headroom-controller writes one account where nothing happens, so that a successor finds out what happened
// since: see docs/reference/account.md.
const accountsEvery = 30 * time.Second

// comesToRest is how long components may go on writing when the cluster is at rest: of a unit that went it is only known a minute later that
// no pod took it, and the account is written with the next tick but one.
const comesToRest = account.Patience + 2*accounts.WriteInterval + 10*time.Second

// nodesComeToRest is how long it is waited for nodes that go on changing.
const nodesComeToRest = 5 * time.Minute

// restBy is until when components may go on writing in a cluster that nobody has used since it came to rest, and a node of which changed last
// at another time: nodes are not ready for a moment where the machine is too busy for their heartbeats, and components have to say so.
func restBy(atRest, nodeChanged time.Time) time.Time {
	if nodeChanged.Before(atRest) {
		nodeChanged = atRest
	}
	if limit := atRest.Add(nodesComeToRest); nodeChanged.After(limit) {
		nodeChanged = limit
	}
	return nodeChanged.Add(comesToRest)
}

// stateOf says in a few words what components heed of a node.
func stateOf(node *corev1.Node) string {
	state := []string{fmt.Sprintf("unschedulable %t", node.Spec.Unschedulable)}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			state = append(state, fmt.Sprintf("Ready %s", c.Status))
		}
	}
	for _, taint := range node.Spec.Taints {
		state = append(state, fmt.Sprintf("%s:%s", taint.Key, taint.Effect))
	}
	return strings.Join(state, ", ")
}

// needless leaves out what a component that has nothing to do may write. The writes are of one component, in order of time.
func needless(writes []proxy.Request) []proxy.Request {
	var last time.Time
	return slices.DeleteFunc(slices.Clone(writes), func(write proxy.Request) bool {
		if write.Method != http.MethodPut || !strings.Contains(write.Path, "/headroomaccounts/") || write.At.Sub(last) < accountsEvery {
			return false
		}
		last = write.At
		return true
	})
}
