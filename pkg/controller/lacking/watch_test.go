package lacking

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
)

// book counts what pods lacked.
type book struct {
	through time.Time
	lacked  int
}

func (b *book) Loaded() <-chan struct{} { return nil }

func (b *book) LackedThrough(types.NamespacedName) time.Time { return b.through }

func (b *book) Lacked(_ types.NamespacedName, units int, _ time.Time) { b.lacked += units }

func TestAPodThatWaitsCountsOnce(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api", UID: "api"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list("cpu", "1")}}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: "0/3 nodes are available: 3 Insufficient cpu.", LastTransitionTime: metav1.NewTime(epoch),
		}}},
	}
	for name, tc := range map[string]struct {
		initial bool
		through time.Time
		want    int
	}{
		"it is told while the controller looks":                  {through: epoch.Add(time.Minute), want: 1},
		"it was told before, and later than the last that is in": {initial: true, through: epoch.Add(-time.Minute), want: 1},
		"it was told before, and is in the account":              {initial: true, through: epoch},
	} {
		t.Run(name, func(t *testing.T) {
			accounts, clock := &book{through: tc.through}, testingclock.NewFakePassiveClock(epoch)
			w := &Watcher{
				Namespaces: []string{"shop"}, Accounts: accounts, Clock: clock, waiting: map[types.UID]*waiting{},
				known: []Headroom{headroom(t, "open", nil, list("cpu", "1"))}, asOf: epoch,
			}
			h := handler{w, t.Context()}
			h.OnAdd(pod, tc.initial)
			for range 3 {
				h.OnUpdate(nil, pod)
			}
			require.Equal(t, tc.want, accounts.lacked)
		})
	}
}
