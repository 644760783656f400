package headroom

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestOnlyWhatWasEvictedForAPodIsCountedAsTakenFromOthers has a system-critical pod take units of a Headroom that is not for it.
func TestOnlyWhatWasEvictedForAPodIsCountedAsTakenFromOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		arrange func(f *fixture)
		want    float64
	}{
		"all that went": {want: 2, arrange: func(*fixture) {}},
		"not what went for another pod": {want: 1, arrange: func(f *fixture) {
			f.shared.reservations.Gone("closed-headroom-1")
		}},
		"nor what stays, since the API server refuses": {arrange: func(f *fixture) {
			f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "closed-headroom-0", errors.New("no"))
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			shut, pod := closedHeadroom(), wants("2").Priority(nodeCritical).Obj()
			held := []*corev1.Pod{unit(shut, 0, "a").Obj(), unit(shut, 1, "a").Obj()}
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: held, pending: []*corev1.Pod{pod},
				headrooms: []*v1alpha1.Headroom{shut},
			})
			for _, pod := range append(held, pod) {
				require.NoError(t, f.client.Tracker().Add(pod))
			}
			c, state := f.decided(t, pod)
			require.Len(t, c.swap.Victims, 2)
			require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
			tc.arrange(f)
			before := unentitledEvictions(t)
			require.Equal(t, tc.want > 0, f.Bind(t.Context(), state, pod, "a").IsSuccess())
			after := unentitledEvictions(t)
			require.InDelta(t, tc.want, after["system_critical"]-before["system_critical"], 0)
		})
	}
}
