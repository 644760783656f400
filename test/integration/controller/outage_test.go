package controller

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestAPIServerAwayForAMinute(t *testing.T) {
	t.Parallel() // with the other tests, since most of it is waiting
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.headroom("web", replicas(5))
	e.waitFilled("web", 5)
	before := e.pods()

	requests.away.Store(true)
	victim := before[1]
	e.delete(&victim)
	e.change("web", replicas(7))
	tried := requests.writes()
	<-time.After(time.Minute) // the outage is the test
	require.Less(t, requests.writes()-tried, 50, "it does not spin")
	requests.away.Store(false)

	// By now client-go looks for the API server every 30 to 60 seconds.
	e.eventually("the change that was made meanwhile is seen", func() error {
		if h := e.get("web"); h.Status.ObservedGeneration != h.Generation {
			return errNotYet
		}
		return nil
	})
	e.waitFilled("web", 7)
	kept := 0
	for _, pod := range e.pods() {
		for _, old := range before {
			if pod.UID == old.UID {
				kept++
			}
		}
	}
	require.Equal(t, 4, kept, "nothing else was lost")
}

func TestStormsOfRefusedRequests(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func() *http.Response{
		"too many requests": func() *http.Response { return answerWith(http.StatusTooManyRequests, "TooManyRequests") },
		"conflicts":         func() *http.Response { return answerWith(http.StatusConflict, "Conflict") },
		"server errors":     func() *http.Response { return answerWith(http.StatusInternalServerError, "InternalError") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.bindTo(e.nodes("a")...)
			requests := &traffic{}
			var spoilt atomic.Int64
			storm := func(request *http.Request) *http.Response {
				if request.Method == http.MethodGet || spoilt.Load() >= 40 {
					return nil
				}
				if n := spoilt.Add(1); n%4 == 0 { // every fourth gets through
					return nil
				}
				return answer()
			}
			requests.answer.Store(&storm)
			e.startController(through(requests.wrap))
			e.headroom("web", replicas(10))
			e.waitFilled("web", 10)
			require.Len(t, e.pods(), 10)
			e.change("web", replicas(3))
			e.waitFilled("web", 3)
			require.Len(t, e.pods(), 3)
			require.Less(t, requests.writes(), 200)
		})
	}
}

func TestControllerThatIsKilledWhileItCreates(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	most := e.watchMost("web")
	e.headroom("web", replicas(60))
	for _, after := range []int{1, 5, 20} {
		requests := &traffic{}
		var made atomic.Int64
		cut := func(request *http.Request) *http.Response {
			if request.Method == http.MethodPost && resourceOf(request) == "pods" && made.Add(1) >= int64(after) {
				requests.away.Store(true) // this request gets through, its answer and all others do not
			}
			return nil
		}
		requests.answer.Store(&cut)
		c := e.startController(through(requests.wrap))
		e.eventually("the controller is cut off", func() error {
			if requests.away.Load() {
				return nil
			}
			return errNotYet
		})
		c.stop()
	}
	e.startController()
	e.waitFilled("web", 60)
	require.Equal(t, 60, most())
}

func TestIdleControllerWritesNothing(t *testing.T) {
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a", "b")...)
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.headroom("full", replicas(5))
	e.headroom("waiting", replicas(2), func(spec *v1alpha1.HeadroomSpec) { spec.SchedulerName = nobody })
	e.waitFilled("full", 5)
	e.waitStatus("waiting", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, 2)
	e.eventually("it is quiet for two seconds", func() error { return requests.quietFor(2 * time.Second) })
	// Again only if what is due by the clock came between, which is once an hour, and once when no scheduler has looked at a unit for a minute.
	var written, read [2]int
	for range 2 {
		written[0], read[0] = requests.writes(), requests.count("GET pods")
		<-time.After(5 * time.Second) // that nothing happens takes time to see
		written[1], read[1] = requests.writes(), requests.count("GET pods")
		if written[0] == written[1] && read[0] == read[1] {
			break
		}
		e.eventually("it is quiet again for two seconds", func() error { return requests.quietFor(2 * time.Second) })
	}
	require.Equal(t, written[0], written[1])
	require.Equal(t, read[0], read[1])
}
