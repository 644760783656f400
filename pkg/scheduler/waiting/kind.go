package waiting

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// shape is what Filter plugins may read of a pod, wherever they are from.
type shape struct {
	Namespace           string
	Labels, Annotations map[string]string
	Spec                corev1.PodSpec
}

// kindOf is equal for pods that get the same answers of all Filter plugins at one moment, as those of one ReplicaSet do: they differ in
// nothing but their names and what is named after them, such as the volume with their token. A pod is of a kind of its own if it claims
// devices, since the names of its claims are not in its spec, and if it is nominated to a node, since it alone is not in its own way there.
func kindOf(pod *corev1.Pod) string {
	if len(pod.Spec.ResourceClaims) > 0 || pod.Status.NominatedNodeName != "" {
		return string(pod.UID)
	}
	read := shape{Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations, Spec: pod.Spec}
	read.Spec.Hostname = ""
	read.Spec.Volumes = slices.DeleteFunc(slices.Clone(pod.Spec.Volumes), func(v corev1.Volume) bool { return v.Projected != nil })
	read.Spec.Containers = withoutMounts(pod.Spec.Containers)
	read.Spec.InitContainers = withoutMounts(pod.Spec.InitContainers)
	encoded, err := json.Marshal(read)
	if err != nil {
		return string(pod.UID)
	}
	sum := sha256.Sum256(encoded)
	return string(sum[:])
}

func withoutMounts(containers []corev1.Container) []corev1.Container {
	containers = slices.Clone(containers)
	for i := range containers {
		containers[i].VolumeMounts = nil
	}
	return containers
}
