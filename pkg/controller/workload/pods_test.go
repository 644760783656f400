package workload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
)

func bound(name, app, cpu string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": app}}}
	pod.Spec.NodeName = "n1"
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
	}}}
	return pod
}

// kept is what is kept of a pod that the API server sends.
func kept(t require.TestingT, pod *corev1.Pod) *podwire.Pod {
	kept, err := podwire.Of(pod)
	require.NoError(t, err)
	return kept
}

// changed are pods that changed.
func changed(t require.TestingT, all ...*corev1.Pod) *podwire.Changes {
	changes := &podwire.Changes{}
	for _, pod := range all {
		changes.Pods = append(changes.Pods, kept(t, pod))
	}
	return changes
}

// gone is a pod that was deleted.
func gone(name string) *podwire.Changes {
	return &podwire.Changes{Pods: []*podwire.Pod{{Namespace: "shop", Name: name}}}
}

// fakePods lists and watches the pods of a fake API server.
type fakePods struct{ kubernetes.Interface }

// IsWatchListSemanticsUnSupported says that the fake cannot stream lists.
func (fakePods) IsWatchListSemanticsUnSupported() bool { return true }

func (f fakePods) List(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
	all, err := f.CoreV1().Pods(namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	kept := &podwire.Pods{ListMeta: all.ListMeta}
	for i := range all.Items {
		pod, err := podwire.Of(&all.Items[i])
		if err != nil {
			return nil, err
		}
		kept.Items = append(kept.Items, pod)
	}
	return kept, nil
}

func (f fakePods) Watch(ctx context.Context, namespace string, options metav1.ListOptions) (watch.Interface, error) {
	events, err := f.CoreV1().Pods(namespace).Watch(ctx, options)
	if err != nil {
		return nil, err
	}
	return watch.Filter(events, func(event watch.Event) (watch.Event, bool) {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			return event, true
		}
		kept, err := podwire.Of(pod)
		if err != nil || event.Type == watch.Deleted {
			kept = &podwire.Pod{Namespace: pod.Namespace, Name: pod.Name}
		}
		changes := &podwire.Changes{Pods: []*podwire.Pod{kept}, ResourceVersion: pod.ResourceVersion}
		return watch.Event{Type: watch.Modified, Object: changes}, err == nil
	}), nil
}

// groupsOf are the pods that a selector matches.
func groupsOf(t require.TestingT, p *pods, selector string) []Group {
	parsed, err := labels.Parse(selector)
	require.NoError(t, err)
	s := newSelected(p, parsed)
	defer p.detach(s)
	groups, problem := s.get(hdr)
	require.Nil(t, problem)
	return groups
}

func countOf(t require.TestingT, p *pods, selector string) int {
	n := 0
	for _, group := range groupsOf(t, p, selector) {
		n += group.Count
	}
	return n
}

func TestPodsAreCountedByRequests(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace([]any{
		kept(t, bound("a", "web", "1")), kept(t, bound("b", "web", "1")), kept(t, bound("c", "web", "2")), kept(t, bound("d", "batch", "1")),
	}, ""))
	groups := groupsOf(t, p, "app=web")
	require.Len(t, groups, 2)
	require.Equal(t, 2, groups[0].Count)
	require.Equal(t, "2", groups[1].Requests.Cpu().String())

	withOverhead := bound("a", "web", "2")
	withOverhead.Spec.Overhead = corev1.ResourceList{"cpu": resource.MustParse("1")}
	require.NoError(t, p.Update(changed(t, withOverhead)))
	require.NoError(t, p.Update(gone("b")))
	groups = groupsOf(t, p, "app=web")
	require.Len(t, groups, 1, "the overhead of a RuntimeClass is no request")
	require.Equal(t, 2, groups[0].Count)
}

// TestPodsOfEqualRequestsAreOneGroup: requests are a map, whose order is another one each time.
func TestPodsOfEqualRequestsAreOneGroup(t *testing.T) {
	p := newPods(nil, "shop")
	var pods []any
	for i := range 30 {
		pod := bound(fmt.Sprint("pod-", i), "web", "1")
		pod.Labels["pod"] = pod.Name // a class of its own
		for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage, "example.com/gpu"} {
			pod.Spec.Containers[0].Resources.Requests[name] = resource.MustParse("2")
		}
		pods = append(pods, kept(t, pod))
	}
	require.NoError(t, p.Replace(pods, ""))
	groups := groupsOf(t, p, "app=web")
	require.Len(t, groups, 1)
	require.Equal(t, 30, groups[0].Count)
}

// TestPodsOfOtherRequestsAreAnotherGroup, whichever of their requests is another one.
func TestPodsOfOtherRequestsAreAnotherGroup(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	all := []corev1.ResourceList{
		{"cpu": resource.MustParse("1")},
		{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")},
		{"cpu": resource.MustParse("1"), "memory": resource.MustParse("2Gi")},
		{"cpu": resource.MustParse("1"), "memory": resource.MustParse("2Gi"), "example.com/gpu": resource.MustParse("1")},
		{"memory": resource.MustParse("2Gi")},
	}
	for i, requests := range all {
		for n := range i + 1 {
			pod := bound(fmt.Sprint("pod-", i, "-", n), "web", "1")
			pod.Spec.Containers[0].Resources.Requests = requests
			require.NoError(t, p.Update(changed(t, pod)))
		}
	}
	groups := groupsOf(t, p, "app=web")
	require.Len(t, groups, len(all))
	for i, requests := range all {
		at := slices.IndexFunc(groups, func(group Group) bool { return equality.Semantic.DeepEqual(group.Requests, requests) })
		require.GreaterOrEqual(t, at, 0, "%v", requests)
		require.Equal(t, i+1, groups[at].Count, "%v", requests)
	}
}

// TestAPodCountsInEachSelectionThatMatchesIt: Headrooms select the same pods in other words, before they come or after.
func TestAPodCountsInEachSelectionThatMatchesIt(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	words := []string{"", "app", "app=web", "app in (web, batch)", "app!=batch", "app=batch"}
	selections := map[string][]*selected{}
	selects := func() {
		for _, selector := range words {
			parsed, err := labels.Parse(selector)
			require.NoError(t, err)
			selections[selector] = append(selections[selector], newSelected(p, parsed))
		}
	}
	counts := func(want ...int) {
		t.Helper()
		for i, selector := range words {
			for _, s := range selections[selector] {
				count := 0
				groups, problem := s.get(hdr)
				require.Nil(t, problem)
				for _, group := range groups {
					count += group.Count
				}
				require.Equal(t, want[i], count, "%q", selector)
			}
		}
	}
	selects()
	counts(0, 0, 0, 0, 0, 0)
	require.NoError(t, p.Update(changed(t, bound("a", "web", "1"), bound("b", "batch", "1"), bound("c", "web", "1"))))
	counts(3, 3, 2, 3, 2, 1)
	selects()
	counts(3, 3, 2, 3, 2, 1)
	require.NoError(t, p.Update(changed(t, bound("d", "web", "2"), bound("b", "web", "1"))))
	counts(4, 4, 4, 4, 4, 0)
	require.NoError(t, p.Update(gone("a")))
	counts(3, 3, 3, 3, 3, 0)
	require.NoError(t, p.Replace([]any{kept(t, bound("e", "batch", "1"))}, ""))
	counts(1, 1, 0, 1, 0, 1)
}

func TestPodsThatAreBeingDeletedDoNotCount(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace([]any{kept(t, bound("a", "web", "1"))}, ""))
	leaving := bound("a", "web", "1")
	leaving.DeletionTimestamp = &metav1.Time{}
	require.NoError(t, p.Update(changed(t, leaving)))
	require.Zero(t, countOf(t, p, "app=web"))
	require.NoError(t, p.Update(gone("a")), "which was counted no more")
	require.Zero(t, countOf(t, p, "app=web"))
}

func TestOnlyWhatChangesTheCountIsTold(t *testing.T) {
	p := newPods(nil, "shop")
	require.NoError(t, p.Replace(nil, ""))
	web, batch := newSelected(p, labels.SelectorFromSet(labels.Set{"app": "web"})), newSelected(p, labels.SelectorFromSet(labels.Set{"app": "batch"}))
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	both := []types.NamespacedName{hdr, other}
	told := func(s *selected) []types.NamespacedName {
		settled(p)
		select {
		case <-s.changes():
			return s.stale(both)
		default:
			return nil
		}
	}
	look := func() {
		for _, s := range []*selected{web, batch} {
			for _, headroom := range both {
				_, problem := s.get(headroom)
				require.Nil(t, problem)
			}
		}
	}
	look()
	require.NoError(t, p.Update(changed(t, bound("a", "web", "1"))))
	require.Equal(t, both, told(web))
	require.Empty(t, told(batch), "it is no pod of those")
	look()
	same := bound("a", "web", "1")
	same.Annotations, same.Status.Phase = map[string]string{"x": "y"}, corev1.PodRunning
	require.NoError(t, p.Update(changed(t, same)))
	require.Empty(t, told(web))
	require.NoError(t, p.Update(changed(t, bound("a", "web", "2"))))
	require.Equal(t, both, told(web))

	look()
	require.NoError(t, p.Update(gone("a")))
	_, problem := web.get(other)
	require.Nil(t, problem)
	replacement := bound("b", "web", "2")
	replacement.Labels["pod-template-hash"] = "newer"
	require.NoError(t, p.Update(changed(t, replacement)))
	require.Equal(t, []types.NamespacedName{other}, told(web), "who looked in between saw none; for the one who did not, nothing changed")
	require.Equal(t, []types.NamespacedName{other}, web.stale(both), "until it looks again")
	look()
	require.Empty(t, web.stale(both))
}

func TestWhatWasSelectedBeforeItWasReadIsTold(t *testing.T) {
	p := newPods(nil, "shop")
	s := newSelected(p, labels.Everything())
	_, problem := s.get(hdr)
	require.Equal(t, v1alpha1.ReasonReading, problem.Reason)
	require.NoError(t, p.Replace([]any{kept(t, bound("a", "web", "1"))}, ""))
	require.Len(t, p.changes(), 1, "that it was read")
	require.Equal(t, []types.NamespacedName{hdr}, s.stale([]types.NamespacedName{hdr}))
	groups, problem := s.get(hdr)
	require.Nil(t, problem)
	require.Equal(t, 1, groups[0].Count)
	require.Empty(t, s.stale(nil))
	require.Empty(t, s.answers, "of Headrooms that are gone")
}

// Whatever comes and goes, and whenever a selection begins, it counts what is there.
func TestCountsNeverDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPods(nil, "shop")
		require.NoError(t, p.Replace(nil, ""))
		there, selections := map[string]*corev1.Pod{}, map[string]*selected{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			pod := bound(fmt.Sprint("p", rapid.IntRange(0, 5).Draw(t, "pod")), rapid.SampledFrom([]string{"web", "batch"}).Draw(t, "app"),
				rapid.SampledFrom([]string{"1", "2"}).Draw(t, "cpu"))
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0: // the watch begins anew, and nobody told how some pods ended meanwhile
				for _, name := range slices.Sorted(maps.Keys(there)) {
					if rapid.Bool().Draw(t, "ended") {
						delete(there, name)
					}
				}
				var all []any
				for _, each := range there {
					all = append(all, kept(t, each))
				}
				require.NoError(t, p.Replace(all, ""))
			case 1:
				app := pod.Labels["app"]
				if s := selections[app]; s != nil {
					p.detach(s)
					delete(selections, app)
				} else {
					selections[app] = newSelected(p, labels.SelectorFromSet(labels.Set{"app": app}))
				}
			case 2, 3, 4:
				require.NoError(t, p.Update(gone(pod.Name)))
				delete(there, pod.Name)
			default:
				require.NoError(t, p.Update(changed(t, pod)))
				there[pod.Name] = pod
			}
		}
		for _, app := range []string{"web", "batch"} {
			want := map[string]int{}
			for _, pod := range there {
				if pod.Labels["app"] == app {
					want[pod.Spec.Containers[0].Resources.Requests.Cpu().String()]++
				}
			}
			got := map[string]int{}
			for _, group := range groupsOf(t, p, "app="+app) {
				got[group.Requests.Cpu().String()] = group.Count
			}
			require.Equal(t, want, got)
			if s := selections[app]; s != nil {
				groups, _ := s.get(hdr)
				require.Equal(t, groupsOf(t, p, "app="+app), groups)
			}
		}
		require.Len(t, p.byName, len(there))
		for _, g := range p.groups {
			require.Positive(t, g.count)
			require.LessOrEqual(t, len(g.in), 1, "selections that ended are left")
		}
	})
}

func TestTheAPIServerSendsNoPlaceholdersAndNoPodsThatHaveEnded(t *testing.T) {
	client := fake.NewClientset()
	asked := make(chan clienttesting.WatchRestrictions, 100)
	client.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
		watched, ok := action.(clienttesting.WatchAction)
		require.True(t, ok)
		asked <- watched.GetWatchRestrictions()
		return false, nil, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		newPods(fakePods{client}, "shop").run(ctx)
	}()
	got := <-asked
	cancel()
	<-done
	require.Equal(t, "!"+v1alpha1.LabelHeadroom, got.Labels.String())
	require.Equal(t, fields.ParseSelectorOrDie(boundPods).String(), got.Fields.String())
}
