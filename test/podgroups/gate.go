package podgroups

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// FilterVerb is the path of a Gate's answers below its URL.
const FilterVerb = "filter"

// patience is how long a Gate waits for the others to be nominated, which takes a moment after the scheduler has gone on to the last member.
// Where the scheduler begins with the group anew it waits so long for each: all of that is less than a group waits in Permit.
const patience = 10 * time.Second

// Gate is a scheduler extender that lets all pods pass but keeps the scheduler waiting for its answer about the last member of a group. With
// it a test stops the scheduling loop of any scheduler between two members, while everything else of the scheduler goes on.
type Gate struct {
	// URL of the extender.
	URL string
	// Reached is closed when the scheduler is held up.
	Reached <-chan struct{}

	client    kubernetes.Interface
	namespace string
	others    int
	server    *httptest.Server
	reached   chan struct{}
	once      sync.Once
	open      chan struct{}
	opened    sync.Once

	mu sync.Mutex
	// asked are the members that the scheduler has asked about.
	asked map[types.UID]bool
}

// NewGate starts a gate: the scheduler is held up when it asks about a member of a group while so many others of the namespace wait in Permit,
// where it nominates them to their nodes. It must be opened in the end.
func NewGate(client kubernetes.Interface, namespace string, others int) *Gate {
	reached := make(chan struct{})
	g := &Gate{Reached: reached, client: client, namespace: namespace, others: others, reached: reached, open: make(chan struct{}), asked: map[types.UID]bool{}}
	g.server = httptest.NewServer(http.HandlerFunc(g.answer))
	g.URL = g.server.URL
	return g
}

// Open lets the scheduler go on. It may be called again.
func (g *Gate) Open() {
	g.opened.Do(func() { close(g.open) })
}

// Stop opens the gate and ends the extender.
func (g *Gate) Stop() {
	g.Open()
	g.server.Close()
}

func (g *Gate) answer(answer http.ResponseWriter, request *http.Request) {
	var args extenderv1.ExtenderArgs
	if err := json.NewDecoder(request.Body).Decode(&args); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	if args.Pod.Labels[schedulingv1alpha1.PodGroupLabel] != "" && g.isLast(args.Pod.UID) && g.othersWait(request.Context()) {
		g.once.Do(func() { close(g.reached) })
		<-g.open
	}
	_ = json.NewEncoder(answer).Encode(extenderv1.ExtenderFilterResult{NodeNames: args.NodeNames}) // the scheduler may be gone
}

// isLast reports whether the scheduler has asked about that many others.
func (g *Gate) isLast(member types.UID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[member] = true
	return len(g.asked) > g.others
}

// othersWait reports whether so many pods are nominated to a node, which may come a moment after the scheduler has gone on to the next.
func (g *Gate) othersWait(ctx context.Context) bool {
	select {
	case <-g.open:
		return false
	default:
	}
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		list, err := g.client.CoreV1().Pods(g.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return nominated(list.Items) >= g.others, nil
	}) == nil
}

func nominated(pods []corev1.Pod) (count int) {
	for i := range pods {
		if pods[i].Status.NominatedNodeName != "" && pods[i].Spec.NodeName == "" {
			count++
		}
	}
	return count
}
