package gang

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Smallest returns, for each resource that every node counts, the least that any of some pods requests.
func Smallest(pods []*corev1.Pod) evictionorder.Resources {
	var smallest evictionorder.Resources
	for _, pod := range pods {
		request := requestOf(pod)
		if smallest == nil {
			smallest = request
			continue
		}
		for i := range smallest {
			smallest[i] = min(smallest[i], request[i])
		}
	}
	return smallest
}

func requestOf(pod *corev1.Pod) evictionorder.Resources {
	requests := resource.PodRequests(pod, resource.PodResourcesOptions{})
	amounts := make(evictionorder.Resources, evictionorder.FirstExtended)
	amounts[evictionorder.Pods] = 1
	amounts[evictionorder.MilliCPU] = requests.Cpu().MilliValue()
	amounts[evictionorder.Memory] = requests.Memory().Value()
	amounts[evictionorder.EphemeralStorage] = requests.StorageEphemeral().Value()
	return amounts
}

// Most returns how many pods nodes have room for at most, none of which requests less than the smallest: once all placeholders are gone
// that may be taken. It stops counting at enough. That costs far less than to look for their places, and spares it a group for which there
// can be none.
func Most(nodes []inventory.Node, smallest evictionorder.Resources, takeable func(*inventory.Placeholder) bool, enough int) int {
	most := 0
	for i := range nodes {
		if most >= enough {
			break
		}
		most += mostOn(&nodes[i], smallest, takeable, enough-most)
	}
	return most
}

func mostOn(node *inventory.Node, smallest evictionorder.Resources, takeable func(*inventory.Placeholder) bool, enough int) int {
	most := int64(enough)
	for i, want := range smallest {
		if want <= 0 {
			continue
		}
		free := node.Allocatable.At(i) - node.Requested.At(i)
		for j := range node.Placeholders {
			if p := &node.Placeholders[j]; takeable(p) {
				free += p.Evidence.Requests.At(i)
			}
		}
		most = min(most, max(0, free)/want)
	}
	return int(most)
}

// Missing returns what some pods request together, in words, for example "cpu 2, memory 4Gi".
func Missing(pods []*corev1.Pod) string {
	sum := corev1.ResourceList{}
	for _, pod := range pods {
		for name, quantity := range resource.PodRequests(pod, resource.PodResourcesOptions{}) {
			total := sum[name]
			total.Add(quantity)
			sum[name] = total
		}
	}
	words := make([]string, 0, len(sum))
	for name, quantity := range sum {
		words = append(words, fmt.Sprintf("%s %s", name, quantity.String()))
	}
	if len(words) == 0 {
		return fmt.Sprintf("pods %d", len(pods))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
