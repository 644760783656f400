package headroom

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	tf "k8s.io/kubernetes/pkg/scheduler/testing/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

// adviser is an extender that leaves the binding to the scheduler.
type adviser struct{ *tf.FakeExtender }

func (adviser) IsBinder() bool { return false }

func TestExtendersAreAskedBeforeTheChoice(t *testing.T) {
	open := hr("open", "1")
	only := func(node string) tf.FitPredicate {
		return func(_ *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
			if info.Node().Name == node {
				return nil
			}
			return fwk.NewStatus(fwk.Unschedulable)
		}
	}
	broken := func(*corev1.Pod, fwk.NodeInfo) *fwk.Status { return fwk.AsStatus(errors.New("not reachable")) }
	full := []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj(), unit(open, 2, "c").Obj()}
	for name, tc := range map[string]struct {
		extender *tf.FakeExtender
		free     string // a node without its placeholder
		want     string
	}{
		"without any the first node is chosen":        {extender: &tf.FakeExtender{UnInterested: true}, want: "a"},
		"one that is not interested has no say":       {extender: &tf.FakeExtender{UnInterested: true, Predicates: []tf.FitPredicate{only("c")}}, want: "a"},
		"the node that the extender leaves is chosen": {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{only("c")}}, want: "c"},
		"a free node that it rejects is no way out":   {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{only("c")}}, free: "b", want: "c"},
		"a free node that it leaves is":               {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{only("b")}}, free: "b"},
		"nothing is chosen if it rejects all":         {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{only("elsewhere")}}},
		"nothing is chosen if it fails":               {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{broken}}},
		"unless it says that it may be left out":      {extender: &tf.FakeExtender{Predicates: []tf.FitPredicate{broken}, Ignorable: true}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []*corev1.Pod
			for _, pod := range full {
				if pod.Spec.NodeName != tc.free {
					pods = append(pods, pod)
				}
			}
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{
					builders.Node("a", "z", res("1")).Obj(), builders.Node("b", "z", res("1")).Obj(), builders.Node("c", "z", res("1")).Obj(),
				},
				pods: pods, extenders: []fwk.Extender{adviser{tc.extender}},
			})
			c, _ := f.decided(t, wants("1").Obj())
			if tc.want == "" {
				require.Nil(t, c.swap)
				return
			}
			require.NotNil(t, c.swap)
			require.Equal(t, tc.want, c.swap.Node)
		})
	}
}

func TestPodsThatAnExtenderBindsAreNotSwapped(t *testing.T) {
	open := hr("open", "1")
	for name, tc := range map[string]struct {
		extenders []fwk.Extender
		want      bool
	}{
		"an extender that only advises does not mind":        {extenders: []fwk.Extender{adviser{&tf.FakeExtender{}}}, want: true},
		"one that binds others does not, either":             {extenders: []fwk.Extender{&tf.FakeExtender{UnInterested: true}}, want: true},
		"one that binds the pod would skip evictions":        {extenders: []fwk.Extender{&tf.FakeExtender{}}},
		"so would one that is asked after one that does not": {extenders: []fwk.Extender{adviser{&tf.FakeExtender{}}, &tf.FakeExtender{}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
				extenders: tc.extenders,
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, tc.want, c.swap != nil)
		})
	}
}
