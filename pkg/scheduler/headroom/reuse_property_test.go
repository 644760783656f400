package headroom

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

// What is remembered of earlier pods, and what is taken over from the cycle, must change no decision: the plugin is compared with one that
// does neither, while pods, labels and nodes change.
func TestWhatIsRememberedChangesNoDecision(t *testing.T) {
	swaps, decided := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newChanging(t, rt)
		schedule := func(rt *rapid.T) {
			like := rapid.SampledFrom(w.kinds).Draw(rt, "kind")
			for range rapid.IntRange(1, 3).Draw(rt, "pods") {
				decided++
				if w.schedule(rt, like) != nil {
					swaps++
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"pods are scheduled":    schedule,
			"some more pods are":    schedule,
			"and some more":         schedule,
			"a placeholder comes":   w.addPlaceholder,
			"an app comes":          w.addApp,
			"a pod goes":            w.removePod,
			"a pod is relabeled":    w.relabelPod,
			"a node moves":          w.moveNode,
			"another node moves":    w.moveNode,
			"a node comes":          w.addNode,
			"a node goes":           w.removeNode,
			"a node is not for all": w.taintNode,
			"a pod is nominated":    w.nominate,
			"a service changes":     w.changeService,
		})
	})
	require.Greater(t, swaps, decided/4, "of %d pods too few took headroom for the comparison to mean anything", decided)
}

// kind is what consumers that are alike are copies of.
type kind struct {
	pod  *corev1.Pod
	wish string
}

// String is short, for what failures print.
func (k kind) String() string {
	return fmt.Sprintf("%s of %s near %q", k.wish, k.pod.Labels["app"], k.pod.Annotations[v1alpha1.AnnotationNear])
}

// changing is a cluster that changes, under three plugins.
type changing struct {
	tb       testing.TB
	cache    cache.Cache
	headroom *v1alpha1.Headroom
	// remembering is the plugin as it is, forgetful takes all pods for ones like no other, of which nothing is remembered or taken over, and
	// counting runs before all other plugins, so that it has them run once more.
	remembering, forgetful, counting *fixture

	// kinds of consumers: pods alike come again and again.
	kinds []kind
	nodes []*corev1.Node
	pods  []*corev1.Pod
	made  int
}

func newChanging(tb testing.TB, rt *rapid.T) *changing {
	ctx, cancel := context.WithCancel(context.Background())
	rt.Cleanup(cancel)
	open := hr("open", "1")
	// Pods without own constraints spread by default: as they can, as kube-scheduler has it, or as they must.
	spread := rapid.SampledFrom([]func(*schedulerconfig.PodTopologySpreadArgs){nil, nil, spreadByDefault}).Draw(rt, "default spread")
	signed := spread == nil && rapid.Bool().Draw(rt, "signed")
	// So few nodes that a sample of those that tie is less than all.
	minimum := rapid.SampledFrom([]int32{1, 2, 100}).Draw(rt, "least number of scored nodes")
	c := func(arranged bool) cluster {
		c := cluster{change: func(args *config.HeadroomArgs) { args.MinNodesToScore = minimum }, headrooms: []*v1alpha1.Headroom{open}, others: []runtime.Object{service("web")}, spread: spread, signed: signed}
		if arranged {
			c.arrange = goFirst
		}
		return c
	}
	w := &changing{
		tb: tb, cache: cache.New(ctx, nil, false, false), headroom: open,
		remembering: newFixture(tb, c(false)), forgetful: newFixture(tb, c(false)), counting: newFixture(tb, c(true)),
	}
	w.forgetful.useHandle(unsigned{w.forgetful.handle})
	for range rapid.SampledFrom([]int{2, 3, 4, 7, 2 * dryrun.Sequential}).Draw(rt, "nodes") {
		w.addNode(rt)
	}
	for range 2 {
		w.addApp(rt)
		w.kinds = append(w.kinds, drawKind(rt))
	}
	elsewhere := kind{pod: w.kinds[0].pod.DeepCopy(), wish: w.kinds[0].wish}
	metav1.SetMetaDataAnnotation(&elsewhere.pod.ObjectMeta, v1alpha1.AnnotationNear, "app=db")
	w.kinds = append(w.kinds, elsewhere)
	return w
}

// unsigned is the framework of a profile that signs no pod, and of which it is not known what all its plugins read.
type unsigned struct{ framework.Framework }

func (unsigned) SignPod(context.Context, *corev1.Pod) fwk.PodSignature { return nil }

func (u unsigned) ListPlugins() *schedulerconfig.Plugins {
	plugins := u.Framework.ListPlugins().DeepCopy()
	plugins.Filter.Enabled = append(plugins.Filter.Enabled, schedulerconfig.Plugin{Name: "NotInTree"})
	return plugins
}

func (w *changing) fixtures() []*fixture {
	return []*fixture{w.remembering, w.forgetful, w.counting}
}

// schedule lets all plugins decide about a pod, and puts it where they say, or where there is room, unless it cannot be bound.
func (w *changing) schedule(rt *rapid.T, like kind) *swap {
	w.made++
	pod := like.pod.DeepCopy()
	pod.Name = fmt.Sprint("consumer-", w.made)
	pod.UID = types.UID(pod.Name)
	metav1.SetMetaDataLabel(&pod.ObjectMeta, "own", pod.Name)
	if rapid.IntRange(0, 2).Draw(rt, "team") == 0 {
		metav1.SetMetaDataLabel(&pod.ObjectMeta, "team", rapid.SampledFrom([]string{"red", "blue"}).Draw(rt, "color"))
	}
	decisions := make([]*swap, 0, 3)
	var last *framework.CycleState
	for _, f := range w.fixtures() {
		require.NoError(rt, w.cache.UpdateSnapshot(klog.Background(), f.snapshot))
		// The snapshot's placeholders are not those of an informer.
		f.shared.moved.Store(true)
		c, state := f.decided(w.tb, pod)
		if c.swap != nil {
			require.True(rt, passes(w.tb, f, state, pod, c.swap.Node), "a Filter plugin rejects the node that was decided for")
		}
		decisions, last = append(decisions, c.swap), state
	}
	require.Equal(rt, told(decisions[1]), told(decisions[0]), "what is remembered changes the decision")
	require.Equal(rt, told(decisions[1]), told(decisions[2]), "what is taken over, or not, changes the decision")
	made := decisions[0]
	if rapid.IntRange(0, 2).Draw(rt, "unbound") == 2 {
		return made
	}
	if made == nil {
		pod.Spec.NodeName = w.roomFor(pod, last)
	} else {
		pod.Spec.NodeName = made.Node
		for _, victim := range made.Victims {
			w.remove(rt, victim)
		}
	}
	if pod.Spec.NodeName != "" {
		w.add(rt, pod)
	}
	return made
}

// roomFor returns a node that passes all Filter plugins, none if there is none.
func (w *changing) roomFor(pod *corev1.Pod, state *framework.CycleState) string {
	for _, node := range w.nodes {
		if passes(w.tb, w.counting, state, pod, node.Name) {
			return node.Name
		}
	}
	return ""
}

// passes reports whether a pod passes all Filter plugins on a node, in its cycle.
func passes(tb testing.TB, f *fixture, state *framework.CycleState, pod *corev1.Pod, node string) bool {
	info, err := f.snapshot.NodeInfos().Get(node)
	require.NoError(tb, err)
	return f.framework.RunFilterPlugins(context.Background(), state, pod, info).IsSuccess()
}

// told is what decisions have in common. Why they are made is told as far as is known, and who remembers knows more.
func told(s *swap) string {
	if s == nil {
		return "no headroom"
	}
	return fmt.Sprint(s.Node, names(s.Victims), s.Waste)
}

// drawKind is a pod that asks for some of all that plugins look at beyond the node.
func drawKind(rt *rapid.T) kind {
	app := rapid.SampledFrom([]string{"web", "job"}).Draw(rt, "app")
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	key := rapid.SampledFrom([]string{corev1.LabelTopologyZone, corev1.LabelHostname}).Draw(rt, "key")
	pod := wants(rapid.SampledFrom([]string{"1", "1", "2"}).Draw(rt, "cpu")).Label("app", app)
	wish := rapid.SampledFrom([]string{"", "spread", "spread twice", "spread and apart", "spread if possible", "apart", "together", "apart if possible"}).Draw(rt, "wish")
	switch wish {
	case "spread":
		pod = pod.SpreadConstraint(1, key, corev1.DoNotSchedule, selector, nil, nil, nil, nil)
	case "spread and apart":
		pod = pod.SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil).
			PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq)
	case "spread twice":
		pod = pod.SpreadConstraint(2, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil).
			SpreadConstraint(1, corev1.LabelTopologyRegion, corev1.DoNotSchedule, selector, nil, nil, nil, nil)
	case "spread if possible":
		pod = pod.SpreadConstraint(1, key, corev1.ScheduleAnyway, selector, nil, nil, nil, nil)
	case "apart":
		pod = pod.PodAntiAffinity(key, selector, st.PodAntiAffinityWithRequiredReq)
	case "together":
		pod = pod.PodAffinity(key, selector, st.PodAffinityWithRequiredReq)
	case "apart if possible":
		pod = pod.PodAntiAffinity(key, selector, st.PodAntiAffinityWithPreferredReq)
	}
	if near := rapid.SampledFrom([]string{"", "app=web", "app=db"}).Draw(rt, "near"); near != "" {
		pod = pod.Annotation(v1alpha1.AnnotationNear, near)
	}
	return kind{pod: pod.Obj(), wish: wish}
}

func (w *changing) addPlaceholder(rt *rapid.T) {
	w.made++
	pod := unit(w.headroom, 2*w.made, w.nodes[w.anyNode(rt)].Name).Label("app", rapid.SampledFrom([]string{"", "web"}).Draw(rt, "app"))
	w.add(rt, pod.Obj())
}

func (w *changing) addApp(rt *rapid.T) {
	w.made++
	pod := on(w.nodes[w.anyNode(rt)].Name, fmt.Sprint("app-", w.made), rapid.SampledFrom([]string{"0", "1", "100m"}).Draw(rt, "cpu"))
	pod.Labels = map[string]string{"app": rapid.SampledFrom([]string{"db", "web", "job"}).Draw(rt, "app")}
	if rapid.IntRange(0, 4).Draw(rt, "aloof") == 0 {
		pod.Spec.Affinity = keepsOff("", "").Spec.Affinity.DeepCopy()
		term := &pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
		term.LabelSelector = rapid.SampledFrom([]*metav1.LabelSelector{
			{}, {MatchLabels: map[string]string{"team": "red"}}, {MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}, {Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"web"}},
			}},
		}).Draw(rt, "of whom")
		term.NamespaceSelector, term.TopologyKey = nil, rapid.SampledFrom([]string{corev1.LabelHostname, corev1.LabelTopologyZone}).Draw(rt, "key")
	}
	w.add(rt, pod)
}

func (w *changing) anyNode(rt *rapid.T) (index int) {
	if len(w.nodes) == 0 {
		rt.Skip("there is no node")
	}
	return rapid.IntRange(0, len(w.nodes)-1).Draw(rt, "node")
}

func (w *changing) add(rt *rapid.T, pod *corev1.Pod) {
	require.NoError(rt, w.cache.AddPod(klog.Background(), pod))
	w.pods = append(w.pods, pod)
}

func (w *changing) remove(rt *rapid.T, pod *corev1.Pod) {
	require.NoError(rt, w.cache.RemovePod(klog.Background(), pod))
	w.pods = slices.DeleteFunc(w.pods, func(other *corev1.Pod) bool { return other.UID == pod.UID })
}

func (w *changing) removePod(rt *rapid.T) {
	if len(w.pods) == 0 {
		rt.Skip("there is no pod")
	}
	w.remove(rt, w.pods[rapid.IntRange(0, len(w.pods)-1).Draw(rt, "pod")])
}

func (w *changing) relabelPod(rt *rapid.T) {
	if len(w.pods) == 0 {
		rt.Skip("there is no pod")
	}
	i := rapid.IntRange(0, len(w.pods)-1).Draw(rt, "pod")
	relabeled := w.pods[i].DeepCopy()
	metav1.SetMetaDataLabel(&relabeled.ObjectMeta, "app", rapid.SampledFrom([]string{"web", "job", "db"}).Draw(rt, "app"))
	require.NoError(rt, w.cache.UpdatePod(klog.Background(), w.pods[i], relabeled))
	w.pods[i] = relabeled
}

// addNode adds a node that is full: of load, and of room for consumers.
func (w *changing) addNode(rt *rapid.T) {
	w.made++
	node := builders.Node(fmt.Sprint("node-", w.made), rapid.SampledFrom([]string{"z-1", "z-2", "y-3"}).Draw(rt, "zone"),
		builders.Resources{"cpu": "3", "memory": "8Gi"}).Obj()
	w.cache.AddNode(klog.Background(), node)
	w.nodes = append(w.nodes, node)
	// What load leaves of the memory makes nodes differ in their scores.
	load := fmt.Sprint("load-", w.made)
	memory := rapid.SampledFrom([]string{"1Gi", "4Gi"}).Draw(rt, "memory")
	w.add(rt, builders.Consumer(load, builders.Resources{"cpu": "1", "memory": memory}).Namespace("default").UID(load).Node(node.Name).Obj())
	for i := range 2 {
		w.add(rt, unit(w.headroom, 2*w.made+i, node.Name).Obj())
	}
}

func (w *changing) moveNode(rt *rapid.T) {
	zone := rapid.SampledFrom([]string{"z-1", "z-2", "y-3"}).Draw(rt, "zone")
	w.changeNode(rt, func(node *corev1.Node) { node.Labels[corev1.LabelTopologyZone] = zone })
}

func (w *changing) taintNode(rt *rapid.T) {
	w.changeNode(rt, func(node *corev1.Node) {
		if len(node.Spec.Taints) > 0 {
			node.Spec.Taints = nil
			return
		}
		node.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	})
}

func (w *changing) changeNode(rt *rapid.T, change func(*corev1.Node)) {
	i := w.anyNode(rt)
	changed := w.nodes[i].DeepCopy()
	change(changed)
	w.cache.UpdateNode(klog.Background(), w.nodes[i], changed)
	w.nodes[i] = changed
}

// nominate makes a node one that a pod of at least a consumer's priority is nominated to, or ends all nominations.
func (w *changing) nominate(rt *rapid.T) {
	node, ends := w.nodes[w.anyNode(rt)].Name, rapid.Bool().Draw(rt, "ends")
	w.made++
	info, err := framework.NewPodInfo(builders.Consumer("nominated", res("1")).Namespace("default").UID(fmt.Sprint("nominated-", w.made)).Obj())
	require.NoError(rt, err)
	for _, f := range w.fixtures() {
		if ends {
			clear(f.nominated)
			continue
		}
		f.nominated[node] = []fwk.PodInfo{info}
	}
}

// changeService makes pods of another kind the ones that default spread constraints are about.
func (w *changing) changeService(rt *rapid.T) {
	app := rapid.SampledFrom([]string{"web", "job", "none"}).Draw(rt, "app")
	changed := service("web")
	changed.Spec.Selector = map[string]string{"app": app}
	for _, f := range w.fixtures() {
		require.NoError(rt, f.handle.SharedInformerFactory().Core().V1().Services().Informer().GetStore().Update(changed))
	}
}

func (w *changing) removeNode(rt *rapid.T) {
	i := w.anyNode(rt)
	for _, pod := range slices.Clone(w.pods) {
		if pod.Spec.NodeName == w.nodes[i].Name {
			w.remove(rt, pod)
		}
	}
	require.NoError(rt, w.cache.RemoveNode(klog.Background(), w.nodes[i]))
	w.nodes = slices.Delete(w.nodes, i, i+1)
}
