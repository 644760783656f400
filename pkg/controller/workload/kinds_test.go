package workload

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestOfOthersKindsTheScaleOfTheOneThatIsNamedCounts, also if the kind has the name of one that says itself what counts.
func TestOfOthersKindsTheScaleOfTheOneThatIsNamedCounts(t *testing.T) {
	for _, kind := range []string{"Rocket", "Deployment", "Job"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				resource := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: strings.ToLower(kind) + "s"}
				object := &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "example.com/v1", "kind": kind, "metadata": map[string]any{"namespace": "shop", "name": "web"},
					"spec": map[string]any{"replicas": int64(7), "selector": map[string]any{"matchLabels": map[string]any{"app": "other"}}},
				}}
				client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
					map[schema.GroupVersionResource]string{resource: kind + "List"}, object)
				client.PrependReactor("get", resource.Resource+"/scale", func(action clienttesting.Action) (bool, runtime.Object, error) {
					asked, ok := action.(clienttesting.GetAction)
					if !ok || asked.GetNamespace() != "shop" || asked.GetName() != "web" {
						return true, nil, apierrors.NewNotFound(resource.GroupResource(), "another")
					}
					return true, &unstructured.Unstructured{Object: map[string]any{
						"spec": map[string]any{"replicas": int64(3)}, "status": map[string]any{"selector": "app=web"},
					}}, nil
				})
				mapper := meta.NewDefaultRESTMapper(nil)
				mapper.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: kind}, meta.RESTScopeNamespace)
				followed := newTarget(client, mapper, Ref{Namespace: "shop", APIVersion: "example.com/v1", Kind: kind, Name: "web"})
				go followed.run(ctx)
				pass(2 * calm)
				found, problem := followed.get()
				require.Nil(t, problem)
				require.Equal(t, 3, found.Replicas)
				require.Equal(t, "app=web", found.Selector.String())
				stop()
				synctest.Wait()
			})
		})
	}
}

// TestAWorkloadIsReadInTheVersionThatIsNamed: one that the API server does not serve is a kind that is not known.
func TestAWorkloadIsReadInTheVersionThatIsNamed(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, version := range []string{"v1", "v2beta1"} {
		mapper.Add(schema.GroupVersionKind{Group: "example.com", Version: version, Kind: "Rocket"}, meta.RESTScopeNamespace)
	}
	mapper.Add(schema.GroupVersionKind{Group: "example.org", Version: "v2", Kind: "Rocket"}, meta.RESTScopeNamespace)
	for apiVersion, want := range map[string]schema.GroupVersionResource{
		"example.com/v1":      {Group: "example.com", Version: "v1", Resource: "rockets"},
		"example.com/v2beta1": {Group: "example.com", Version: "v2beta1", Resource: "rockets"},
		"example.org/v2":      {Group: "example.org", Version: "v2", Resource: "rockets"},
		"example.com/v2":      {},
		"v1":                  {},
	} {
		t.Run(apiVersion, func(t *testing.T) {
			followed := newTarget(nil, mapper, Ref{Namespace: "shop", APIVersion: apiVersion, Kind: "Rocket", Name: "web"})
			mapping, problem := followed.mapping()
			if want.Empty() {
				require.NotNil(t, problem)
				require.Equal(t, v1alpha1.ReasonUnknownKind, problem.Reason)
				return
			}
			require.Nil(t, problem)
			require.Equal(t, want, mapping.Resource)
		})
	}
}

// TestALookAwaitsNothingForLong: of what is not read within the time that a Headroom waits for it, it is told that it is late.
func TestALookAwaitsNothingForLong(t *testing.T) {
	for name, look := range map[string]func(*Look) *Problem{
		"a workload":    func(l *Look) *Problem { _, problem := l.Target(webRef); return problem },
		"an autoscaler": func(l *Look) *Problem { _, problem := l.Autoscaler(webRef); return problem },
		"pods":          func(l *Look) *Problem { _, problem := l.Pods("shop", anything); return problem },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				listed := make(chan struct{})
				wait := func(clienttesting.Action) (bool, runtime.Object, error) {
					<-listed
					return false, nil, nil
				}
				clients, workloads := fake.NewClientset(), dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
					map[schema.GroupVersionResource]string{{Group: "apps", Version: "v1", Resource: "deployments"}: "DeploymentList"})
				clients.PrependReactor("list", "*", wait)
				workloads.PrependReactor("list", "*", wait)
				mapper := meta.NewDefaultRESTMapper(nil)
				mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
				w := New(ctx, Options{Pods: fakePods{clients}, Clients: clients, Dynamic: workloads, Mapper: mapper})
				told := make(chan types.NamespacedName, 10)
				w.OnChange(func(headroom types.NamespacedName) { told <- headroom })
				awaits := func() bool {
					l := w.Look(hdr)
					defer l.End()
					require.Equal(t, v1alpha1.ReasonReading, look(l).Reason)
					return l.Awaits()
				}
				require.True(t, awaits())
				pass(patience - time.Nanosecond)
				require.True(t, awaits())
				require.Empty(t, told)
				pass(time.Nanosecond)
				require.False(t, awaits())
				require.Equal(t, hdr, <-told)
				pass(time.Hour)
				require.Empty(t, told, "once")
				close(listed)
				pass(2 * calm)
				require.Len(t, told, 1, "when it is read")
				stop()
				synctest.Wait()
			})
		})
	}
}
