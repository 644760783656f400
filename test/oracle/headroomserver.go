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

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// headroomServer serves the Headrooms of many clusters over HTTP, each below a path of its own: as much of an API server as an informer
// of custom resources needs. A cluster without the CRD answers 404, as a real one does.
type headroomServer struct {
	*httptest.Server

	mu       sync.Mutex
	next     int
	clusters map[string][]v1alpha1.Headroom
}

func startHeadroomServer(t testing.TB) *headroomServer {
	s := &headroomServer{clusters: map[string][]v1alpha1.Headroom{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.CloseClientConnections)
	return s
}

// add serves one more cluster and returns its URL.
func (s *headroomServer) add(headrooms []v1alpha1.Headroom) (url string, remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("cluster-%d", s.next)
	s.next++
	s.clusters[id] = headrooms
	return s.URL + "/" + id, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.clusters, id)
	}
}

const groupPath = "/apis/headroom.dev/v1alpha1"

// ServeHTTP answers discovery of the group, and list and watch of Headrooms of all namespaces.
func (s *headroomServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	headrooms, served := s.clusters[id]
	s.mu.Unlock()
	switch {
	case served && "/"+path == groupPath:
		reply(w, metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: v1alpha1.GroupVersion.String(),
			APIResources: []metav1.APIResource{{
				Name: "headrooms", SingularName: "headroom", Namespaced: true, Kind: v1alpha1.KindHeadroom,
				Verbs: metav1.Verbs{"list", "watch", "get"},
			}},
		})
	case served && "/"+path == groupPath+"/headrooms" && r.URL.Query().Get("watch") != "":
		serveWatch(w, r, headrooms)
	case served && "/"+path == groupPath+"/headrooms":
		reply(w, list(headrooms))
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
func serveWatch(w http.ResponseWriter, r *http.Request, headrooms []v1alpha1.Headroom) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	send := func(kind string, object any) { _ = encoder.Encode(map[string]any{"type": kind, "object": object}) }
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, h := range headrooms {
			send("ADDED", h)
		}
		mark := v1alpha1.Headroom{}
		mark.Kind, mark.APIVersion, mark.ResourceVersion = v1alpha1.KindHeadroom, v1alpha1.GroupVersion.String(), "1"
		mark.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		send("BOOKMARK", mark)
	}
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}
