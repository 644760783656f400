// Package account tests who took what on the real binaries (property P13): what is recorded adds up to what was evicted, whatever is killed
// and whichever events are lost.
package account

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	units = 24
	// soon is how long anything may take that takes a minute on an idle machine: what is abandoned is found out after one.
	soon   = 5 * time.Minute
	glance = 100 * time.Millisecond
)

// atOnce is how many tests run at a time, unless -test.parallel says otherwise: each has a cluster, and then mostly waits.
const atOnce = 3

func TestMain(m *testing.M) {
	clustertest.SetParallel(atOnce)
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// world is a cluster with both binaries and one Headroom.
type world struct {
	*testing.T
	cluster    *cluster.Cluster
	client     client.Client
	namespace  string
	headroom   *v1alpha1.Headroom
	controller *process.Process
	scheduler  *process.Process
	observer   *observer.Observer
	bursts     int
}

func newWorld(t *testing.T) *world {
	c := clustertest.Start(t, cluster.Options{})
	// The units take all the room there is.
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 4, Zones: 2, CPU: resource.MustParse("6")}))
	cl, err := c.Client()
	require.NoError(t, err)
	w := &world{T: t, cluster: c, client: cl, namespace: clustertest.Namespace(t, c, nil)}
	w.observer, err = observer.Watch(context.WithoutCancel(t.Context()), c.RESTConfig())
	require.NoError(t, err)
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(filepath.Join(root, "manifests", "admission-policy", "policy.yaml"))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
	w.startController()
	w.startScheduler()
	w.headroom = builders.Headroom("web", cpu("1")).Namespace(w.namespace).Replicas(units).Obj()
	require.NoError(t, cl.Create(t.Context(), w.headroom))
	w.waitFilled()
	return w
}

func cpu(quantity string) builders.Resources { return builders.Resources{corev1.ResourceCPU: quantity} }

func (w *world) startController() {
	var err error
	w.controller, err = w.cluster.RunController(w.Context(), "--placeholder-scheduler-name=headroom-scheduler")
	require.NoError(w, err)
}

func (w *world) startScheduler() {
	var err error
	w.scheduler, err = w.cluster.RunHeadroomScheduler(w.Context(), cluster.SecondScheduler)
	require.NoError(w, err)
}

func (w *world) waitFilled() {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		require.NoError(t, w.client.Get(context.Background(), client.ObjectKeyFromObject(w.headroom), w.headroom))
		require.EqualValues(t, units, w.headroom.Status.ReadyReplicas)
	}, soon, glance)
}

// burst creates as many consumers as there are units, at once.
func (w *world) burst() []*corev1.Pod {
	w.Helper()
	w.bursts++
	var pods []*corev1.Pod
	for i := range units {
		pod := builders.Consumer(fmt.Sprintf("burst-%d-%d", w.bursts, i), cpu("1")).Namespace(w.namespace).
			SchedulerName("headroom-scheduler").ZeroTerminationGracePeriod().Obj()
		require.NoError(w, w.client.Create(w.Context(), pod))
		pods = append(pods, pod)
	}
	return pods
}

func (w *world) waitBound(pods []*corev1.Pod, want int) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		bound := 0
		for _, pod := range pods {
			require.NoError(t, w.client.Get(context.Background(), client.ObjectKeyFromObject(pod), pod))
			if pod.Spec.NodeName != "" {
				bound++
			}
		}
		require.GreaterOrEqual(t, bound, want)
	}, soon, 10*time.Millisecond)
}

// carried is how many placeholders the annotations of consumers name.
func (w *world) carried(pods []*corev1.Pod) (placeholders int64) {
	w.Helper()
	for _, pod := range pods {
		if value := pod.Annotations[v1alpha1.AnnotationTook]; value != "" {
			took, err := swapevent.ParseAnnotation(value)
			require.NoError(w, err)
			placeholders += int64(len(took.Placeholders))
		}
	}
	return placeholders
}

// end deletes consumers, so that the room is free for units again, and waits for these.
func (w *world) end(pods []*corev1.Pod) {
	w.Helper()
	for _, pod := range pods {
		require.NoError(w, w.client.Delete(w.Context(), pod))
	}
	w.waitFilled()
}

func (w *world) record() v1alpha1.AccountRecord {
	a := &v1alpha1.HeadroomAccount{}
	if err := w.client.Get(context.Background(), client.ObjectKeyFromObject(w.headroom), a); err != nil {
		return v1alpha1.AccountRecord{}
	}
	return a.Record
}

// waitTaken waits until the stored account has that many takes.
func (w *world) waitTaken(want int64) v1alpha1.AccountRecord {
	w.Helper()
	var record v1alpha1.AccountRecord
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		record = w.record()
		require.Equal(t, want, record.Taken, "abandoned: %d, open: %d", record.Abandoned, len(record.Position.Open))
	}, soon, glance)
	return record
}

// truth is what the API server's own history says.
type truth struct {
	// went are the bound placeholders that were deleted, by UID.
	went map[types.UID]string
	// takers are which consumers carry a placeholder's UID, by the UID.
	takers map[types.UID][]string
}

// look ends the observation.
func (w *world) look() truth {
	w.Helper()
	history, err := w.observer.Stop(context.WithoutCancel(w.Context()))
	require.NoError(w, err)
	found := truth{went: map[types.UID]string{}, takers: map[types.UID][]string{}}
	for _, event := range history {
		switch pod := event.Pod; {
		case pod == nil:
		case pod.Labels[v1alpha1.LabelHeadroom] != "":
			if event.Type == watch.Deleted && pod.Spec.NodeName != "" {
				found.went[pod.UID] = pod.Name
			}
		case pod.Annotations[v1alpha1.AnnotationTook] != "":
			took, err := swapevent.ParseAnnotation(pod.Annotations[v1alpha1.AnnotationTook])
			require.NoError(w, err)
			for _, uid := range took.Placeholders {
				if !slices.Contains(found.takers[uid], pod.Name) {
					found.takers[uid] = append(found.takers[uid], pod.Name)
				}
			}
		}
	}
	return found
}

// TestP13TheAccountAddsUpAcrossKills takes all units again and again, and kills one binary, the other and both with signal 9 meanwhile: when
// nothing is under way, while units are taken, and while nobody looks.
func TestP13TheAccountAddsUpAcrossKills(t *testing.T) {
	t.Parallel() // with the others: most of it is waiting
	w := newWorld(t)

	pods := w.burst()
	w.waitBound(pods, units)
	record := w.waitTaken(units)
	require.Len(t, record.Takes, units)
	names := map[string]bool{}
	for _, take := range record.Takes {
		names[take.Consumer] = true
		require.True(t, strings.HasPrefix(take.Consumer, w.namespace+"/burst-1-"), "taken by %q", take.Consumer)
	}
	require.Len(t, names, units, "each of the pods took one")
	w.end(pods)

	t.Log("the controller is killed, and units are taken while none runs")
	w.controller.Kill()
	pods = w.burst()
	w.waitBound(pods, units)
	w.startController()
	w.waitTaken(2 * units)
	w.end(pods)

	t.Log("the scheduler is killed in the middle of a burst")
	pods = w.burst()
	w.waitBound(pods, 3)
	w.scheduler.Kill()
	w.startScheduler()
	w.waitBound(pods, units)
	credited := 2*units + w.carried(pods)
	w.waitTaken(credited) // a consumer that is gone at once takes its annotation with it
	w.end(pods)

	t.Log("both are killed in the middle of a burst")
	pods = w.burst()
	w.waitBound(pods, 3)
	w.controller.Kill()
	w.scheduler.Kill()
	w.startScheduler()
	w.waitBound(pods, units)
	w.startController()
	w.waitTaken(credited + w.carried(pods))
	w.end(pods)

	w.settle()
}

// settle waits until nothing is undecided, and compares what is recorded with what happened.
func (w *world) settle() {
	w.Helper()
	var record v1alpha1.AccountRecord
	sum := func() (sum int64) {
		for _, loss := range record.Lost {
			sum += loss.Units
		}
		return sum + record.Taken
	}
	found := w.look()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		record = w.record()
		require.Empty(t, record.Position.Open)
		require.EqualValues(t, len(found.went), sum(), "taken %d, lost %v", record.Taken, record.Lost)
	}, soon, glance)
	w.Logf("%d placeholders went: %d taken, lost %v", len(found.went), record.Taken, record.Lost)
	require.EqualValues(w, len(found.takers), record.Taken)
	for uid, takers := range found.takers {
		require.Len(w, takers, 1, "takers of %s", uid)
		require.Contains(w, found.went, uid, "%s took something that did not go", takers)
	}
	for _, loss := range record.Lost {
		require.Equal(w, "abandoned", loss.Reason)
	}
	var consumed int
	for _, take := range record.Takes {
		if take.Consumer != "" {
			consumed++
		}
	}
	require.Len(w, record.Takes, consumed, "each of the last takes is by a pod with a name")
}

// noEvents has the API server refuse the events of swaps: to the controller, they are lost.
const noEvents = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: lose-events}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: ["", events.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [events]}]
  validations: [{expression: "!has(object.reason) || object.reason != 'TookHeadroom'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: lose-events}
spec: {policyName: lose-events, validationActions: [Deny]}
`

func TestP13TheAccountNeedsNoEvents(t *testing.T) {
	t.Parallel() // with the others: most of it is waiting
	w := newWorld(t)
	objects, err := cluster.Parse([]byte(noEvents))
	require.NoError(t, err)
	require.NoError(t, w.cluster.Apply(t.Context(), objects...))

	pods := w.burst()
	w.waitBound(pods, units)
	w.waitTaken(units)
	w.end(pods)
	w.settle()
}
