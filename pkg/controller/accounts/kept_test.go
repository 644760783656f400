package accounts

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

// db is another Headroom of web's namespace.
var db = types.NamespacedName{Namespace: web.Namespace, Name: "db"}

// TestAChangeThatIsWorkedOnLateTakesNothingBack: several are worked on at a time.
func TestAChangeThatIsWorkedOnLateTakesNothingBack(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.Processed(web, 17)
	s.Processed(web, 12)
	s.writeAll(t.Context(), 0)
	require.Equal(t, "17", s.stored(t).Record.Position.Through)
}

// TestOnlyTheEndsOfWhatIsTakenOverAreLookedFor: this process saw those of what it kept before, and others see those of what they keep.
func TestOnlyTheEndsOfWhatIsTakenOverAreLookedFor(t *testing.T) {
	for name, left := range map[string]bool{"what it keeps": false, "what it kept": true} {
		t.Run(name, func(t *testing.T) {
			beside := headroomObject("2")
			beside.Name = db.Name
			s := newStory(t, keptBy("one"), beside)
			one, two := s.other(t, "one"), s.other(t, "two")
			one.takes("a")
			one.Processed(web, 17)
			one.writeAll(t.Context(), 0)
			two.Lost(db, account.LossDrained, epoch)
			two.writeAll(t.Context(), 0)
			if left {
				two.Leave(db, "three")
			}
			clients := fake.NewClientset()
			clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
				events := watch.NewRaceFreeFake()
				for _, of := range []types.NamespacedName{db, web} {
					pod := placeholder("of-"+of.Name, "n")
					pod.Labels[v1alpha1.LabelHeadroom], pod.ResourceVersion = of.Name, "18"
					events.Delete(&pod)
				}
				events.Stop()
				return true, events, nil
			})
			two.Pods = clients
			var found []string
			two.Departed = func(_ context.Context, pod *corev1.Pod, _ account.Loss) { found = append(found, pod.Name) }
			two.Keep(web)
			require.True(t, two.takeOver(t.Context()))
			require.Equal(t, []string{"of-web"}, found)
		})
	}
}

// TestAProcessTakesUpOnlyWhatItKeeps: what another installation has left undecided, that one decides.
func TestAProcessTakesUpOnlyWhatItKeeps(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one := s.other(t, "one")
	one.takes("a")
	one.Processed(web, 17)
	one.Ledger.Departed(web, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b", UID: "b"}, Spec: corev1.PodSpec{NodeName: "n"},
	}, account.LossAbandoned)
	one.writeAll(t.Context(), 0)
	for installation, want := range map[string]int{"one": 1, "two": 0} {
		next := s.other(t, installation)
		next.Ledger.Snapshot(web, func(open []consumption.Departure) { require.Len(t, open, want, installation) })
		require.Len(t, next.positions(metav1.NamespaceAll, map[types.NamespacedName]bool{web: true}), want, installation)
		require.Len(t, next.kept(), want, installation)
	}
}

func TestTheAccountsOfEachNamespaceAreRead(t *testing.T) {
	elsewhere := headroomObject("2")
	elsewhere.Namespace = "bank"
	s := newStory(t, headroomObject("1"), elsewhere)
	s.begin(t)
	both := []types.NamespacedName{web, {Namespace: "bank", Name: web.Name}}
	for _, name := range both {
		s.Took(name, account.Take{Time: epoch, Placeholder: "a", UID: "a", Node: "n", How: account.BySwap})
	}
	s.writeAll(t.Context(), 0)
	for _, tc := range []struct {
		namespaces []string
		want       []int64
	}{
		{want: []int64{1, 1}},
		{namespaces: []string{"shop", "bank"}, want: []int64{1, 1}},
		{namespaces: []string{"bank", "shop"}, want: []int64{1, 1}},
		{namespaces: []string{"bank"}, want: []int64{0, 1}},
	} {
		s.restart()
		s.Namespaces = tc.namespaces
		s.begin(t)
		for i, name := range both {
			taken, _, stored := s.Taken(name)
			require.Equal(t, tc.want[i], taken, "%s of %q", name, tc.namespaces)
			require.True(t, stored)
		}
	}
}

// TestWhoKeepsAnAccountAfterAllKeepsIt: the other one came back before this one had read what it wrote.
func TestWhoKeepsAnAccountAfterAllKeepsIt(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one, two := s.other(t, "one"), s.other(t, "two")
	one.takes("a")
	one.writeAll(t.Context(), 0)
	two.Keep(web)
	require.True(t, two.Keeps(web))
	two.takes("b")
	two.Leave(web, "one")
	require.False(t, two.Keeps(web))
	require.True(t, two.takeOver(t.Context()))
	two.writeAll(t.Context(), 0)
	require.False(t, two.Keeps(web))
	require.Equal(t, one.Identity, s.stored(t).Record.Position.Writer)
}

// TestADefinitionIsMissingWhereTheAPIServerHasNoSuchKindOrPath, and not where it does not answer: its accounts would be written over.
func TestADefinitionIsMissingWhereTheAPIServerHasNoSuchKindOrPath(t *testing.T) {
	resource := schema.GroupResource{Group: "headroom.dev", Resource: "headroomaccounts"}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"no such kind": {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "headroom.dev", Kind: "HeadroomAccount"}}, true},
		"no such path": {apierrors.NewNotFound(resource, ""), true},
		"not allowed":  {apierrors.NewForbidden(resource, "", errBroken), false},
		"broken":       {errBroken, false},
		"none":         {nil, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, isUndefined(tc.err)) })
	}
}

// TestThatAccountsAreNotKeptIsToldOnce, and again when the definition goes.
func TestThatAccountsAreNotKeptIsToldOnce(t *testing.T) {
	s := newStory(t)
	logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
	sink, ok := logger.GetSink().(ktesting.Underlier)
	require.True(t, ok)
	said := sink.GetBuffer()
	ctx := klog.NewContext(t.Context(), logger)
	s.undone = true
	require.NoError(t, s.load(ctx))
	once := said.String()
	require.Contains(t, once, "apply manifests/crd")
	s.setStored(ctx, false)
	require.Equal(t, once, said.String())
	s.setStored(ctx, true)
	require.Equal(t, once, said.String(), "that they are kept goes without saying")
	s.setStored(ctx, false)
	require.Equal(t, 2, strings.Count(said.String(), "apply manifests/crd"))
}
