package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ControllerRecord is what an installation of headroom-controller says of
// itself.
type ControllerRecord struct {
	// identity of the installation: the namespace and the name of its Lease, unless
	// the operator chose another.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Identity string `json:"identity,omitempty"`
	// lastWriteTime is when it last wrote the status.
	// +required
	LastWriteTime metav1.Time `json:"lastWriteTime,omitzero"` //nolint:kubeapilinter // a record without a time is none
}

// SpreadStatus is where a Headroom holds its units.
type SpreadStatus struct {
	// topologyKey is the node label whose values are the domains: the first
	// topologyKey of spec.topologySpreadConstraints that is not the host, else
	// topology.kubernetes.io/zone.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	TopologyKey string `json:"topologyKey,omitempty"`

	// domains is the number of ready placeholders in each domain that has some,
	// ordered by name; only the first 1024.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1024
	Domains []DomainStatus `json:"domains,omitempty"`

	// summary is domains in one line for people, for example "eu-1a:4 eu-1b:3", cut
	// off after 1024 bytes; kubectl get -o wide shows it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Summary string `json:"summary,omitempty"`
}

// DomainStatus is what a Headroom holds in one topology domain.
type DomainStatus struct {
	// name is the value of the node label topologyKey, empty for nodes without it.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"` //nolint:kubeapilinter // a key of the list: it is always there, and may be empty

	// readyReplicas is the number of ready placeholders on nodes of the domain.
	// +required
	// +kubebuilder:validation:Minimum=1
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
}
