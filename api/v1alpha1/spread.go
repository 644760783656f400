package v1alpha1

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// SpreadKeys are the topology keys over whose domains the units are kept even, by scaling down and by consumers alike: those of
// topologySpreadConstraints, each once, in their order, else zone and host.
func (s *HeadroomSpec) SpreadKeys() []string {
	var keys []string
	for i := range s.TopologySpreadConstraints {
		if key := s.TopologySpreadConstraints[i].TopologyKey; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return []string{corev1.LabelTopologyZone, corev1.LabelHostname}
	}
	return keys
}

// DomainKey is the topology key whose domains status.spread counts: the first spread key that is not the host, since one count
// for each host would tell nobody anything, else the zone.
func (s *HeadroomSpec) DomainKey() string {
	for _, key := range s.SpreadKeys() {
		if key != corev1.LabelHostname {
			return key
		}
	}
	return corev1.LabelTopologyZone
}
