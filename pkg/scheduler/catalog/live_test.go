package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

// server answers requests for Headrooms in the process itself, so that a fake clock passes over every wait.
type server struct {
	t  *testing.T
	mu sync.Mutex
	// headroom is the only one, nil if there is none. absent says that there is no definition of Headrooms either.
	headroom *v1alpha1.Headroom
	absent   bool
	// lost says that there is no definition when all Headrooms are listed the next time, and right after that there is one.
	lost bool
	// asked is how often something was asked for.
	asked int
	// watches are those that are open.
	watches []*io.PipeWriter
}

func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	query := request.URL.Query()
	switch {
	case s.absent:
		return answer(http.StatusNotFound, failure(http.StatusNotFound, metav1.StatusReasonNotFound))
	case s.lost && query.Get("watch") == "" && query.Get("limit") != "1":
		s.lost = false
		return answer(http.StatusNotFound, failure(http.StatusNotFound, metav1.StatusReasonNotFound))
	case query.Get("sendInitialEvents") == "true": // an API server that only lists
		return answer(http.StatusUnprocessableEntity, failure(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
	case query.Get("watch") == "true":
		reader, writer := io.Pipe()
		s.watches = append(s.watches, writer)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: reader}, nil
	}
	list := v1alpha1.HeadroomList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "HeadroomList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
	}
	if s.headroom != nil {
		list.Items = []v1alpha1.Headroom{*s.headroom}
	}
	return answer(http.StatusOK, list)
}

func failure(code int32, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason}
}

func answer(code int, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(data))}, err
}

// tell sends an event to the watch.
func (s *server) tell(event string, object any) {
	data, err := json.Marshal(map[string]any{"type": event, "object": object})
	require.NoError(s.t, err)
	for _, watch := range s.open() {
		_, err = watch.Write(append(data, '\n'))
		require.NoError(s.t, err)
	}
}

func (s *server) open() []*io.PipeWriter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// become changes what there is while no watch is open: the one that was ends as one that fell too far behind.
func (s *server) become(headroom *v1alpha1.Headroom, absent bool) {
	s.tell("ERROR", failure(http.StatusGone, metav1.StatusReasonExpired))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headroom, s.absent = headroom, absent
	for _, watch := range s.watches {
		_ = watch.Close()
	}
	s.watches = nil
}

// state is the Headroom web for one app, as an API server has it.
func state(app, uid string, generation int64) *v1alpha1.Headroom {
	h := forApp(app)
	h.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom}
	h.UID, h.Generation, h.ResourceVersion = types.UID(uid), generation, "2"
	return h
}

// following is a catalog that follows a server, and what it said changed since that was last asked for.
type following struct {
	*Catalog
	*server
	changed []types.NamespacedName
}

func follow(t *testing.T, s *server) *following {
	t.Helper()
	return followWith(t.Context(), t, s)
}

func followWith(ctx context.Context, t *testing.T, s *server) *following {
	t.Helper()
	f := &following{Catalog: New(), server: s}
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	client, err := customresource.NewClient(&rest.Config{Host: "http://server", Transport: s}, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	require.NoError(t, err)
	go f.follow(ctx, client, func(name types.NamespacedName) { f.changed = append(f.changed, name) })
	return f
}

// settle lets everything take its course, and returns what changed.
func (f *following) settle() []types.NamespacedName {
	for range 60 {
		time.Sleep(time.Second) //nolint:forbidigo // moves the fake clock of the bubble
		synctest.Wait()
	}
	changed := f.changed
	f.changed = nil
	return changed
}

// entitles reports whether the Headroom web entitles the pods of an app.
func (f *following) entitles(app string) bool {
	entry := f.Get(web)
	return entry != nil && entry.Rule.Entitles(consumer(app))
}

func TestTheCatalogFollowsWhatPodsMayTake(t *testing.T) {
	once := []types.NamespacedName{web}
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, headroom: state("web", "1", 1)})
		require.Equal(t, once, f.settle())
		<-f.Ready()
		require.True(t, f.entitles("web"))

		f.tell("MODIFIED", state("web", "1", 1))
		require.Empty(t, f.settle(), "its status changes with every placeholder")
		f.tell("MODIFIED", state("db", "1", 2))
		require.Equal(t, once, f.settle())
		require.True(t, f.entitles("db"))
		require.False(t, f.entitles("web"))

		f.tell("DELETED", state("db", "1", 2))
		require.Equal(t, once, f.settle())
		require.Nil(t, f.Get(web))
		f.become(nil, false)
	})
}

func TestTheCatalogLearnsWhatHappenedWhileItsWatchWasBroken(t *testing.T) {
	once := []types.NamespacedName{web}
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, headroom: state("web", "1", 1)})
		f.settle()

		f.become(state("db", "another", 1), false)
		require.Equal(t, once, f.settle(), "another Headroom of the name, and of the same generation")
		require.True(t, f.entitles("db"))

		f.become(nil, false)
		require.Equal(t, once, f.settle(), "its end was missed")
		require.Nil(t, f.Get(web))
		f.become(nil, false)
	})
}

func TestTheCatalogFollowsTheDefinition(t *testing.T) {
	all := []types.NamespacedName{{}}
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, absent: true})
		require.Equal(t, all, f.settle(), "said once, however often it is asked for")
		<-f.Ready()
		require.True(t, f.CRDAbsent())

		f.become(state("web", "1", 1), false)
		require.Equal(t, []types.NamespacedName{web}, f.settle())
		require.False(t, f.CRDAbsent())
		require.True(t, f.entitles("web"))

		f.become(nil, true)
		require.Equal(t, all, f.settle())
		require.True(t, f.CRDAbsent())
		require.Nil(t, f.Get(web))
	})
}

func TestADefinitionThatIsMadeAnewAtOnceHasNoneOfTheHeadroomsOfTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, headroom: state("web", "1", 1)})
		f.settle()
		require.True(t, f.entitles("web"))

		f.lost = true
		f.become(nil, false)
		f.settle()
		require.False(t, f.lost, "the catalog saw that the definition was gone")
		require.False(t, f.CRDAbsent(), "and found the new one when it looked for it")
		require.Nil(t, f.Get(web))
		f.become(nil, false)
	})
}

func TestTheCatalogFollowsOverWhatUnitsOfAWorkloadsShapeAreSpread(t *testing.T) {
	spreadOver := func(key string) *v1alpha1.Headroom {
		h := state("web", "1", 1)
		h.Spec.ShapeFrom = &v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
		h.Status.Shape = &v1alpha1.ShapeStatus{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{TopologyKey: key}}}
		return h
	}
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, headroom: spreadOver("rack")})
		f.settle()
		require.Equal(t, []string{"rack"}, f.Get(web).SpreadKeys)

		f.tell("MODIFIED", spreadOver("row"))
		require.Equal(t, []types.NamespacedName{web}, f.settle(), "the workload changed, and the Headroom's own spec did not")
		require.Equal(t, []string{"row"}, f.Get(web).SpreadKeys)
		f.become(nil, false)
	})
}

// TestTheDefinitionIsAskedForEveryTwoSecondsAtMost, however long it is not there, and not much later either: pods come as soon as it is.
func TestTheDefinitionIsAskedForEveryTwoSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, absent: true}
		follow(t, s).settle()
		s.mu.Lock()
		before := s.asked
		s.mu.Unlock()
		time.Sleep(10 * time.Minute) //nolint:forbidigo // moves the fake clock of the bubble
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		require.InDelta(t, 10*time.Minute/lastProbe, s.asked-before, 5)
	})
}

func TestAHeadroomThatEntitlesNobodyIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := state("web", "1", 1)
		bad.Spec.Consumers.PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}
		var logged []string
		logger := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
		f := followWith(klog.NewContext(t.Context(), logger), t, &server{t: t, headroom: bad})
		require.Equal(t, []types.NamespacedName{web}, f.settle(), "those that it entitled before have to look elsewhere")
		require.NotNil(t, f.Get(web))
		require.False(t, f.entitles("web"))
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "A Headroom entitles no pod")
		f.become(nil, false)
	})
}

// TestAHeadroomWithoutAGenerationIsReadEachTime, as of an API server that keeps none: it tells nothing of the spec.
func TestAHeadroomWithoutAGenerationIsReadEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, &server{t: t, headroom: state("web", "1", 0)})
		f.settle()
		f.tell("MODIFIED", state("db", "1", 0))
		require.Equal(t, []types.NamespacedName{web}, f.settle())
		require.True(t, f.entitles("db"))
		f.become(nil, false)
	})
}
