package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// cluster lists what placements depend on: objects of the whole cluster.
func (r *reader) cluster(ctx context.Context) (*objects, error) {
	var (
		pods       corev1.PodList
		nodes      corev1.NodeList
		namespaces corev1.NamespaceList
		daemonSets appsv1.DaemonSetList
		headrooms  v1alpha1.HeadroomList
		classes    schedulingv1.PriorityClassList
	)
	taken := time.Now()
	for _, list := range []struct {
		kind string
		into client.ObjectList
	}{
		{"pods", &pods}, {"nodes", &nodes}, {"namespaces", &namespaces}, {"daemonsets.apps", &daemonSets},
		{"headrooms.headroom.dev", &headrooms},
	} {
		err := r.list(ctx, list.into, list.kind, "")
		if list.kind == "headrooms.headroom.dev" && meta.IsNoMatchError(err) {
			continue // The CustomResourceDefinition is not installed: there are none.
		}
		if err != nil {
			return nil, fmt.Errorf("%w (a placement depends on all of them; a file with them does as well)", err)
		}
	}
	// Only pods that do not exist yet need them, and where that is so an unknown class is an error.
	if err := r.list(ctx, &classes, "priorityclasses.scheduling.k8s.io", ""); err != nil && !lacking(err) {
		return nil, err
	}
	found := &objects{where: "the cluster", taken: taken, remedy: "name the consumer as NAMESPACE/NAME, or its namespace by --namespace"}
	found.Pods, found.Nodes, found.Namespaces = pointers(pods.Items), pointers(nodes.Items), pointers(namespaces.Items)
	found.DaemonSets, found.Headrooms = pointers(daemonSets.Items), pointers(headrooms.Items)
	found.priorityClasses = pointers(classes.Items)
	return found, nil
}

func pointers[T any](items []T) []*T {
	list := make([]*T, len(items))
	for i := range items {
		list[i] = &items[i]
	}
	return list
}
