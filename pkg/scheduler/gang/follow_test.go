package gang

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/test/builders"
)

// lists answers, in the process itself, whoever follows PodGroups.
type lists struct {
	t  *testing.T
	mu sync.Mutex
	// code is what is answered in the place of lists and watches, zero if these are.
	code   int
	groups []schedulingv1alpha1.PodGroup
	// late is a group of which no watch has told yet.
	late    *schedulingv1alpha1.PodGroup
	asked   int
	watches []*io.PipeWriter
}

func (l *lists) RoundTrip(request *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	query := request.URL.Query()
	switch {
	case l.code != 0:
		return answerWith(l.code)
	case path.Base(request.URL.Path) != plural:
		if l.late == nil || l.late.Name != path.Base(request.URL.Path) {
			return answerWith(http.StatusNotFound)
		}
		return answer(http.StatusOK, l.late)
	case query.Get("sendInitialEvents") == "true": // an API server that only lists
		return answerWith(http.StatusUnprocessableEntity)
	case query.Get("watch") == "true":
		reader, writer := io.Pipe()
		l.watches = append(l.watches, writer)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: reader}, nil
	}
	return answer(http.StatusOK, schedulingv1alpha1.PodGroupList{
		TypeMeta: metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroupList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: l.groups,
	})
}

func failure(code int) metav1.Status {
	reasons := map[int]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusGone: metav1.StatusReasonExpired,
		http.StatusUnprocessableEntity: metav1.StatusReasonInvalid, http.StatusForbidden: metav1.StatusReasonForbidden,
	}
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code],
		Message: http.StatusText(code),
	}
}

func answerWith(code int) (*http.Response, error) {
	return answer(code, failure(code))
}

func answer(code int, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(data)),
	}, err
}

// tell sends an event to those that watch.
func (l *lists) tell(event string, object any) {
	l.mu.Lock()
	watches := slices.Clone(l.watches)
	l.mu.Unlock()
	data, err := json.Marshal(map[string]any{"type": event, "object": object})
	require.NoError(l.t, err)
	for _, watch := range watches {
		_, err = watch.Write(append(data, '\n'))
		require.NoError(l.t, err)
	}
}

// become changes what there is while no watch is open: the one that was ends as one that fell too far behind.
func (l *lists) become(code int, groups ...schedulingv1alpha1.PodGroup) {
	l.tell("ERROR", failure(http.StatusGone))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.code, l.groups = code, groups
	for _, watch := range l.watches {
		_ = watch.Close()
	}
	l.watches = nil
}

func (l *lists) howOften() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// object is a PodGroup as an API server has it.
func object(name string, minMember int32) schedulingv1alpha1.PodGroup {
	return schedulingv1alpha1.PodGroup{
		TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroup"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), ResourceVersion: "2"},
		Spec:       schedulingv1alpha1.PodGroupSpec{MinMember: minMember},
	}
}

// told is what a listener was told.
type told struct {
	mu            sync.Mutex
	ready         int
	changed, gone []types.NamespacedName
}

func (w *told) listener() Listener {
	return Listener{
		Ready:   func() { w.mu.Lock(); defer w.mu.Unlock(); w.ready++ },
		Changed: func(name types.NamespacedName) { w.mu.Lock(); defer w.mu.Unlock(); w.changed = append(w.changed, name) },
		Gone:    func(name types.NamespacedName) { w.mu.Lock(); defer w.mu.Unlock(); w.gone = append(w.gone, name) },
	}
}

// settle lets everything take its course, and returns what was told since it was asked for last.
func (w *told) settle() (changed, gone []types.NamespacedName) {
	time.Sleep(time.Minute) //nolint:forbidigo // the clock is synctest's
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	changed, gone = w.changed, w.gone
	w.changed, w.gone = nil, nil
	return changed, gone
}

// following follows a server until the test ends.
func following(ctx context.Context, t *testing.T, l *lists) (*Groups, *told) {
	t.Helper()
	groups, w := NewGroups(), &told{}
	require.NoError(t, groups.Follow(ctx, &rest.Config{Host: "http://server", Transport: l}, w.listener()))
	return groups, w
}

func TestGroupsFollowWhatTheAPIServerHas(t *testing.T) {
	web := []types.NamespacedName{named("web")}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := &lists{t: t, groups: []schedulingv1alpha1.PodGroup{object("web", 3)}}
		groups, w := following(ctx, t, l)
		changed, gone := w.settle()
		require.Equal(t, web, changed)
		require.Empty(t, gone)
		require.Equal(t, 1, w.ready, "once, as it is known now which groups there are")
		require.Equal(t, 3, groups.MinMember(named("web")))
		require.Zero(t, groups.MinMember(named("other")))

		l.tell("MODIFIED", object("web", 3))
		changed, _ = w.settle()
		require.Empty(t, changed, "its status lets nobody be scheduled")
		l.tell("MODIFIED", object("web", 2))
		changed, _ = w.settle()
		require.Equal(t, web, changed)
		require.Equal(t, 2, groups.MinMember(named("web")))
		l.tell("ADDED", object("db", 1))
		changed, _ = w.settle()
		require.Equal(t, []types.NamespacedName{named("db")}, changed)

		l.tell("DELETED", object("web", 2))
		changed, gone = w.settle()
		require.Empty(t, changed)
		require.Equal(t, web, gone)
		require.Zero(t, groups.MinMember(named("web")))
		require.Equal(t, 1, groups.MinMember(named("db")))
		cancel()
		synctest.Wait()
	})
}

func TestAGroupThatWentWhileTheWatchWasBrokenIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := &lists{t: t, groups: []schedulingv1alpha1.PodGroup{object("web", 3)}}
		groups, w := following(ctx, t, l)
		w.settle()
		l.become(0)
		_, gone := w.settle()
		require.Equal(t, []types.NamespacedName{named("web")}, gone)
		require.Zero(t, groups.MinMember(named("web")))
		cancel()
		synctest.Wait()
	})
}

func TestGroupsFollowTheDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
		l := &lists{t: t, code: http.StatusNotFound}
		groups, w := following(ctx, t, l)
		w.settle()
		require.Equal(t, 1, w.ready, "there can be none")
		_, missing := groups.Of(ctx, pod)
		require.False(t, missing, "the label means nothing")
		asked := l.howOften()
		require.Less(t, asked, 15, "the longer it is not there, the more seldom it is asked for")
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the clock is synctest's
		require.InDelta(t, 20, l.howOften()-asked, 2, "twice a minute")

		l.become(0, object("web", 3))
		changed, _ := w.settle()
		require.Equal(t, []types.NamespacedName{named("web")}, changed)
		group, missing := groups.Of(ctx, pod)
		require.False(t, missing)
		require.Equal(t, 3, group.MinMember)

		l.become(http.StatusNotFound)
		w.settle()
		group, missing = groups.Of(ctx, pod)
		require.Nil(t, group, "with the definition its objects went")
		require.False(t, missing)
		require.Equal(t, 1, w.ready, "that was known already")
		l.become(0, object("web", 2))
		w.settle()
		require.Equal(t, 2, groups.MinMember(named("web")), "it is followed again")
		cancel()
		synctest.Wait()
	})
}

// TestWhereGroupsCannotBeReadThatIsSaidOnceAndTheyAreNotTakenForNone: else pods of groups would take headroom one by one.
func TestWhereGroupsCannotBeReadThatIsSaidOnceAndTheyAreNotTakenForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var logged []string
		ctx = klog.NewContext(ctx, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
		l := &lists{t: t, code: http.StatusForbidden}
		groups, w := following(ctx, t, l)
		w.settle()
		require.Greater(t, l.howOften(), 2)
		require.Len(t, logged, 1, "%v", logged)
		require.Contains(t, logged[0], "PodGroups of scheduler-plugins cannot be read")
		require.Zero(t, w.ready)
		require.False(t, groups.Await(ctx, time.Second))
		l.become(0, object("web", 3))
		w.settle()
		require.Equal(t, 1, w.ready)
		require.True(t, groups.Await(ctx, 0))
		require.Equal(t, 3, groups.MinMember(named("web")))
		cancel()
		synctest.Wait()
	})
}

func TestTheFirstPodWaitsUntilItIsKnownWhichGroupsThereAre(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(groups *Groups, cancel func())
		want    bool
		waits   time.Duration
	}{
		"it becomes known":     {happens: func(groups *Groups, _ func()) { groups.setReady() }, want: true, waits: time.Second},
		"it does not":          {happens: func(*Groups, func()) {}, waits: time.Minute},
		"the scheduler is off": {happens: func(_ *Groups, cancel func()) { cancel() }, waits: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				groups, began := NewGroups(), time.Now()
				time.AfterFunc(time.Second, func() { tc.happens(groups, cancel) })
				require.Equal(t, tc.want, groups.Await(ctx, time.Minute))
				require.Equal(t, tc.waits, time.Since(began))
			})
		})
	}
}

func TestNothingButWhatTheSchedulerReadsOfAGroupIsKept(t *testing.T) {
	web := object("web", 3)
	web.ManagedFields, web.Annotations = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, map[string]string{"a": "b"}
	web.Status.Phase = "Running"
	trimmed, err := trim(&web)
	require.NoError(t, err)
	want := object("web", 3)
	require.Equal(t, &want, trimmed)
	trimmed, err = trim("something else")
	require.NoError(t, err)
	require.Equal(t, "something else", trimmed)
}

func TestGroupsThatCannotBeFollowedAreAnError(t *testing.T) {
	config := &rest.Config{Host: "https://server", TLSClientConfig: rest.TLSClientConfig{CAFile: "/there/is/none"}}
	err := NewGroups().Follow(t.Context(), config, Listener{})
	require.ErrorContains(t, err, "making a client for PodGroups")
}
