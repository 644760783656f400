package gang

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
	"github.com/headroom-dev/headroom/test/builders"
)

// server answers, in the process itself, whoever asks for the group web: there is none until it is there.
type server struct {
	asked atomic.Int64
	there atomic.Bool
}

func (s *server) RoundTrip(*http.Request) (*http.Response, error) {
	s.asked.Add(1)
	code, body := http.StatusNotFound, any(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: http.StatusNotFound,
		Reason: metav1.StatusReasonNotFound,
	})
	if s.there.Load() {
		code, body = http.StatusOK, schedulingv1alpha1.PodGroup{
			TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroup"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: schedulingv1alpha1.PodGroupSpec{MinMember: 3},
		}
	}
	data, err := json.Marshal(body)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(data)),
	}, err
}

// TestTheAPIServerIsAskedNowAndThenForAGroupThatIsNotThere, however many of its pods are scheduled meanwhile.
func TestTheAPIServerIsAskedNowAndThenForAGroupThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, groups := &server{}, NewGroups()
		client, err := customresource.NewClient(
			&rest.Config{Host: "http://server", Transport: s}, schedulingv1alpha1.SchemeGroupVersion, schedulingv1alpha1.AddToScheme)
		require.NoError(t, err)
		groups.begin(client)
		pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
		askedFor := func(times int64) {
			for range 100 {
				group, missing := groups.Of(t.Context(), pod)
				require.Nil(t, group)
				require.True(t, missing)
			}
			require.Equal(t, times, s.asked.Load())
		}
		askedFor(1)
		time.Sleep(askAgain) //nolint:forbidigo // the clock is synctest's
		askedFor(1)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		askedFor(2)

		s.there.Store(true)
		time.Sleep(askAgain + time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		group, missing := groups.Of(t.Context(), pod)
		require.False(t, missing, "a pod may be seen before its group is")
		require.Equal(t, 3, group.MinMember)
	})
}
