package placeholder

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RefuseSidecars tells the service meshes' injectors to leave a placeholder alone: a sidecar would hold more room than the Headroom
// asks for, and run. A label or annotation that the Headroom sets itself stays. Neither map may be nil.
func RefuseSidecars(meta *metav1.ObjectMeta) {
	set := func(in map[string]string, key, value string) {
		if _, has := in[key]; !has {
			in[key] = value
		}
	}
	set(meta.Labels, "sidecar.istio.io/inject", "false")
	set(meta.Labels, "kuma.io/sidecar-injection", "disabled")
	set(meta.Annotations, "linkerd.io/inject", "disabled")
	set(meta.Annotations, "consul.hashicorp.com/connect-inject", "false")
}
