package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// readCluster lists the objects of a cluster.
func readCluster(ctx context.Context, config *rest.Config) (*objects, error) {
	config.WarningHandler = rest.NoWarnings{}
	reader, err := client.New(config, client.Options{Scheme: newScheme()})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	var (
		pods       corev1.PodList
		nodes      corev1.NodeList
		namespaces corev1.NamespaceList
		daemonSets appsv1.DaemonSetList
		headrooms  v1alpha1.HeadroomList
	)
	for _, list := range []struct {
		kind string
		into client.ObjectList
	}{
		{"pods", &pods}, {"nodes", &nodes}, {"namespaces", &namespaces}, {"daemonsets", &daemonSets}, {"headrooms", &headrooms},
	} {
		err := reader.List(ctx, list.into)
		if list.kind == "headrooms" && meta.IsNoMatchError(err) {
			continue // The CustomResourceDefinition is not installed: there are none.
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s (all of the cluster's are needed; -f reads them from a file): %w", list.kind, err)
		}
	}
	found := &objects{where: "the cluster", remedy: "name the consumer as NAMESPACE/NAME, or its namespace by --namespace"}
	found.Pods, found.Nodes, found.Namespaces = pointers(pods.Items), pointers(nodes.Items), pointers(namespaces.Items)
	found.DaemonSets, found.Headrooms = pointers(daemonSets.Items), pointers(headrooms.Items)
	return found, nil
}

func pointers[T any](items []T) []*T {
	list := make([]*T, len(items))
	for i := range items {
		list[i] = &items[i]
	}
	return list
}
