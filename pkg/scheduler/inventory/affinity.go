package inventory

import (
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// ReadByAffinity returns those of a pod's labels that affinity and anti-affinity terms of the pods of the snapshot read of other pods. Its
// other labels are all the same to these terms, which tell the absence of a label from the keys that are left.
func (inv *Inventory) ReadByAffinity(pod *corev1.Pod) labels.Set {
	read := labels.Set{}
	for key, value := range pod.Labels {
		if inv.affinityKeys[key] > 0 {
			read[key] = value
		}
	}
	return read
}

func (inv *Inventory) countAffinityKeys(keys []string, times int) {
	for _, key := range keys {
		if inv.affinityKeys[key] += times; inv.affinityKeys[key] == 0 {
			delete(inv.affinityKeys, key)
		}
	}
}

// affinityKeysOf returns the label keys that the terms of the pods of a node read of other pods, each once.
func affinityKeysOf(info fwk.NodeInfo) []string {
	keys := map[string]struct{}{}
	add := func(term *fwk.AffinityTerm) {
		requirements, _ := term.Selector.Requirements()
		for i := range requirements {
			keys[requirements[i].Key()] = struct{}{}
		}
	}
	for _, pods := range [][]fwk.PodInfo{info.GetPodsWithAffinity(), info.GetPodsWithRequiredAntiAffinity()} {
		for _, pod := range pods {
			for _, terms := range [][]fwk.AffinityTerm{pod.GetRequiredAffinityTerms(), pod.GetRequiredAntiAffinityTerms()} {
				for i := range terms {
					add(&terms[i])
				}
			}
			for _, terms := range [][]fwk.WeightedAffinityTerm{pod.GetPreferredAffinityTerms(), pod.GetPreferredAntiAffinityTerms()} {
				for i := range terms {
					add(&terms[i].AffinityTerm)
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// Hash is FNV-1a of 64 bits, the same on every machine.
func Hash(s string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(s)) // it never fails
	return hash.Sum64()
}
