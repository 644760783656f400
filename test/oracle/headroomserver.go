package oracle

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// headroomServer serves the Headrooms and the PodGroups of many clusters over HTTP, each below a path of its own: as much of an API server as
// an informer of custom resources needs. A cluster without a CRD answers 404, as a real one does.
type headroomServer struct {
	*httptest.Server

	mu       sync.Mutex
	next     int
	clusters map[string]served
}

// served is what a cluster has. Without PodGroups it does not know their kind.
type served struct {
	headrooms []v1alpha1.Headroom
	groups    []schedulingv1alpha1.PodGroup
}

func startHeadroomServer(t testing.TB) *headroomServer {
	s := &headroomServer{clusters: map[string]served{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.CloseClientConnections)
	return s
}

// add serves one more cluster and returns its URL.
func (s *headroomServer) add(headrooms []v1alpha1.Headroom, groups []schedulingv1alpha1.PodGroup) (url string, remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("cluster-%d", s.next)
	s.next++
	s.clusters[id] = served{headrooms, groups}
	return s.URL + "/" + id, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.clusters, id)
	}
}

const (
	groupPath     = "/apis/headroom.dev/v1alpha1"
	podGroupsPath = "/apis/scheduling.x-k8s.io/v1alpha1/podgroups"
)

// ServeHTTP answers discovery of the group, and list and watch of Headrooms and of PodGroups of all namespaces.
func (s *headroomServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	cluster, known := s.clusters[id]
	s.mu.Unlock()
	watches := r.URL.Query().Get("watch") != ""
	switch {
	case known && "/"+path == groupPath:
		reply(w, metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: v1alpha1.GroupVersion.String(),
			APIResources: []metav1.APIResource{{
				Name: "headrooms", SingularName: "headroom", Namespaced: true, Kind: v1alpha1.KindHeadroom,
				Verbs: metav1.Verbs{"list", "watch", "get"},
			}},
		})
	case known && "/"+path == groupPath+"/headrooms" && watches:
		mark := v1alpha1.Headroom{}
		mark.Kind, mark.APIVersion, mark.ResourceVersion = v1alpha1.KindHeadroom, v1alpha1.GroupVersion.String(), "1"
		mark.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		serveWatch(w, r, cluster.headrooms, mark)
	case known && "/"+path == groupPath+"/headrooms":
		reply(w, list(cluster.headrooms))
	case known && len(cluster.groups) > 0 && "/"+path == podGroupsPath && watches:
		mark := schedulingv1alpha1.PodGroup{TypeMeta: cluster.groups[0].TypeMeta}
		mark.ResourceVersion, mark.Annotations = "1", map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		serveWatch(w, r, cluster.groups, mark)
	case known && len(cluster.groups) > 0 && "/"+path == podGroupsPath:
		l := schedulingv1alpha1.PodGroupList{TypeMeta: cluster.groups[0].TypeMeta, Items: cluster.groups}
		l.Kind, l.ResourceVersion = l.Kind+"List", "1"
		reply(w, l)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: "the server could not find the requested resource",
		})
	}
}

func list(headrooms []v1alpha1.Headroom) v1alpha1.HeadroomList {
	l := v1alpha1.HeadroomList{Items: headrooms}
	l.Kind, l.APIVersion, l.ResourceVersion = v1alpha1.KindHeadroom+"List", v1alpha1.GroupVersion.String(), "1"
	return l
}

func reply(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

// serveWatch sends what exists if the client asks for it, and then nothing more until the client goes.
func serveWatch[Object any](w http.ResponseWriter, r *http.Request, objects []Object, mark Object) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	send := func(kind string, object any) { _ = encoder.Encode(map[string]any{"type": kind, "object": object}) }
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, object := range objects {
			send("ADDED", object)
		}
		send("BOOKMARK", mark)
	}
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}
