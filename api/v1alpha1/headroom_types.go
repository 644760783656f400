package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Placement says how the units of a Headroom are laid out over the nodes.
// +kubebuilder:validation:Enum=Cluster;PerNode
type Placement string

const (
	// PlacementCluster keeps spec.replicas units anywhere in the cluster.
	PlacementCluster Placement = "Cluster"
	// PlacementPerNode keeps one unit on each matching node.
	PlacementPerNode Placement = "PerNode"
)

// Headroom is spare capacity kept ready for pods that need room at once: so
// many units of such a size, there, for those consumers. Each unit is held by
// a placeholder pod of low priority. A pod that needs the room takes the
// placeholder's place, and the headroom is topped up again in the background.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=hdr
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.scaleReplicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.status.desiredReplicas`,description="Units that should be held."
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`,description="Units that are held on a node and can be taken now."
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingReplicas`,description="Units that wait for room."
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.status.unitRequests.cpu`,description="CPU of one unit."
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.status.unitRequests.memory`,description="Memory of one unit."
// +kubebuilder:printcolumn:name="Placement",type=string,JSONPath=`.spec.placement`,description="Cluster or PerNode."
// +kubebuilder:printcolumn:name="Filled",type=string,JSONPath=`.status.conditions[?(@.type=="Filled")].status`,description="Whether every unit is held on a node."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="Time since creation."
// +kubebuilder:printcolumn:name="Priority",type=string,priority=1,JSONPath=`.status.priorityClassName`,description="PriorityClass of the placeholders."
// +kubebuilder:printcolumn:name="Spread",type=string,priority=1,JSONPath=`.status.spread.summary`,description="Units held in each topology domain, as a rule in each zone."
// +kubebuilder:printcolumn:name="Parked",type=integer,priority=1,JSONPath=`.status.parkedReplicas`,description="Units that are not made for now, because no room came for those that waited."
// +kubebuilder:printcolumn:name="Sizing",type=string,priority=1,JSONPath=`.status.sizing.message`,description="Why spec.sizing comes to this number of units."
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters: the placeholders carry it in a label"
type Headroom struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name has at most 63
	// characters, because the placeholders carry it in a label.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the capacity to keep ready.
	// +required
	Spec HeadroomSpec `json:"spec,omitzero"` //nolint:kubeapilinter // it has a required field: requests or shapeFrom
	// status is the capacity that is ready, as last observed by the controller.
	// +optional
	Status HeadroomStatus `json:"status,omitempty"` //nolint:kubeapilinter // a value, as in the core API
}

// HeadroomSpec is the capacity to keep ready.
//
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || self.placement != 'PerNode' || !has(self.topologySpreadConstraints) || size(self.topologySpreadConstraints) == 0",message="topologySpreadConstraints must be absent with placement PerNode: there is one unit on each matching node, and nothing to spread"
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || self.placement != 'PerNode' || !has(self.replicas) || self.replicas == 1 || (oldSelf.hasValue() && has(oldSelf.value().replicas) && oldSelf.value().replicas == self.replicas)",optionalOldSelf=true,message="replicas must be 1, the default, with placement PerNode: there is one unit on each matching node, whatever it says; change nodeSelector, affinity or tolerations instead"
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || (has(self.requests) && self.limits.all(r, r in self.requests))",message="limits must name resources that requests name: a limit without a request is a request too, and would make the unit larger than it says"
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.requests) || self.limits.all(r, !(r in self.requests) || quantity(string(self.limits[r])).compareTo(quantity(string(self.requests[r]))) >= 0)",message="limits must not be below requests"
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || self.placement != 'PerNode' || !has(self.sizing)",message="sizing must be absent with placement PerNode: there is one unit on each matching node"
// +kubebuilder:validation:XValidation:rule="!has(self.sizing) || !has(self.sizing.max) || !has(self.replicas) || self.sizing.max >= self.replicas",message="sizing.max must not be below replicas"
// +kubebuilder:validation:XValidation:rule="has(self.requests) != has(self.shapeFrom)",message="exactly one of requests and shapeFrom must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.sizing) || !has(self.sizing.maxResources) || !has(self.requests) || self.sizing.maxResources.exists(r, r in self.requests)",message="sizing.maxResources must have a resource of requests, or it limits nothing"
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || self.placement != 'PerNode' || !has(self.refill)",message="refill must be absent with placement PerNode: a DaemonSet makes the units, and no autoscaler adds nodes for them"
// +kubebuilder:validation:XValidation:rule="!has(self.sizing) || !has(self.refill) || !has(self.refill.policy) || self.refill.policy != 'Once'",message="refill.policy must not be Once with sizing: rules say how many units there are to be now, Once says how many pods can take in all"
// +kubebuilder:validation:XValidation:rule="!has(self.reserved) || !self.reserved || (has(self.consumers) && (has(self.consumers.podSelector) || has(self.consumers.namespaceSelector)))",message="consumers must have a podSelector or a namespaceSelector with reserved: only pods that they name can take reserved units"
// +kubebuilder:validation:XValidation:rule="!has(self.reserved) || !self.reserved || !has(self.priorityClassName) || self.priorityClassName in ['headroom', 'headroom-reserved']",message="priorityClassName must be absent with reserved: reserved units have the PriorityClass headroom-reserved"
// +kubebuilder:validation:XValidation:rule="!has(self.ladder) || self.ladder != 'Enabled' || !has(self.placement) || self.placement != 'PerNode'",message="ladder must not be Enabled with placement PerNode: a DaemonSet makes the units, and all pods of one have the same PriorityClass"
// +kubebuilder:validation:XValidation:rule="!has(self.ladder) || self.ladder != 'Enabled' || !has(self.reserved) || !self.reserved",message="ladder must not be Enabled with reserved: reserved units have the PriorityClass headroom-reserved"
// +kubebuilder:validation:XValidation:rule="!has(self.ladder) || self.ladder != 'Enabled' || !has(self.priorityClassName) || self.priorityClassName == 'headroom'",message="priorityClassName must be absent with ladder Enabled: the units get the PriorityClasses headroom-ladder-1 to headroom-ladder-10"
type HeadroomSpec struct {
	// replicas is the number of units to keep ready, from 0 to 10000; default 1.
	// kubectl scale and a HorizontalPodAutoscaler can set it. Going down, units
	// that wait for room go first, then those whose loss leaves the rest most
	// evenly spread. With placement PerNode only 1 is valid: there is one unit on
	// each matching node, and scaling is refused.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Replicas *int32 `json:"replicas,omitempty"`

	// requests is the size of one unit: cpu, memory, ephemeral-storage,
	// hugepages-SIZE, and extended resources such as nvidia.com/gpu, up to 12 in
	// all. At least one must be above zero and none below. Extended resources and
	// huge pages come in whole numbers, and huge pages need cpu or memory beside
	// them, as in a pod. A unit serves a pod best if it is as large as the pod; a
	// larger pod takes several units of one node. Required, unless shapeFrom is
	// set. Example: {cpu: "2", memory: 4Gi}.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="self.all(r, !string(self[r]).startsWith('-'))",message="requests must not be negative"
	// +kubebuilder:validation:XValidation:rule="self.exists(r, quantity(string(self[r])).isGreaterThan(quantity('0')))",message="requests must have at least one resource above zero: a unit of nothing holds no room"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r in ['cpu', 'memory', 'ephemeral-storage'] || r.startsWith('hugepages-') || (r.contains('/') && !r.startsWith('kubernetes.io/') && !r.startsWith('requests.') && !format.qualifiedName().validate(r.lowerAscii()).hasValue()))",message="requests must name resources that a container can request: cpu, memory, ephemeral-storage, hugepages-SIZE, or an extended resource such as nvidia.com/gpu"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !(r.contains('/') || r.startsWith('hugepages-')) || quantity(string(self[r])).isInteger())",message="requests of extended resources and huge pages must be whole numbers"
	// +kubebuilder:validation:XValidation:rule="!self.exists(r, r.startsWith('hugepages-')) || 'cpu' in self || 'memory' in self",message="requests of huge pages need cpu or memory beside them, as in a pod"
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// limits of a unit, as in a container, for namespaces whose quota or policy
	// demands them: cpu, memory and ephemeral-storage, each at or above the request
	// of the same resource, which must be given. Extended resources and huge pages
	// have limits equal to their requests in any case. Default: none, so that a
	// placeholder is Burstable. With cpu and memory limits equal to the requests it
	// is Guaranteed, and where the kubelet's CPU manager policy is static a
	// Guaranteed placeholder of whole CPUs gets CPUs of its own, which all other
	// pods of the node are then kept off: set the cpu limit above the request there.
	// A placeholder uses nothing, so a limit never throttles it. Example:
	// {cpu: "4", memory: 4Gi}.
	// +optional
	// +kubebuilder:validation:MaxProperties=3
	// +kubebuilder:validation:XValidation:rule="self.all(r, r in ['cpu', 'memory', 'ephemeral-storage'])",message="limits must name cpu, memory or ephemeral-storage: extended resources and huge pages have limits equal to their requests in any case"
	Limits corev1.ResourceList `json:"limits,omitempty"`

	// shapeFrom makes units like the pods of a workload, in place of requests: as
	// large, and on nodes on which they may be. It is a Deployment, a StatefulSet, a
	// ReplicaSet, a Job, a CronJob, a PodTemplate, or another object with a scale
	// subresource. nodeSelector, affinity, tolerations, topologySpreadConstraints
	// and runtimeClassName that are set here go before those of the workload.
	// Placeholders follow a change of 10 percent or more, not twice within 10
	// minutes, and not while the workload replaces its pods.
	// +optional
	ShapeFrom *WorkloadReference `json:"shapeFrom,omitempty"` //nolint:kubeapilinter // nil is absent

	// placement is Cluster (default: replicas units anywhere in the cluster) or
	// PerNode (one unit on each node that nodeSelector, affinity and tolerations
	// allow, by a DaemonSet). It cannot be changed; make another Headroom instead.
	// +optional
	// +default="Cluster"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="placement cannot be changed; make another Headroom instead"
	Placement Placement `json:"placement,omitempty"`

	// priorityClassName is the PriorityClass of the placeholders; default
	// headroom. Its value must lie within the operator's limits (default -10 to
	// -1: below every ordinary pod, and high enough for Cluster Autoscaler to see
	// it), and its preemptionPolicy must be Never. If not, the condition Ready is
	// False and says why. With reserved it is headroom-reserved, whatever this says.
	// +optional
	// +default="headroom"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// ladder is Enabled or Disabled. Enabled gives the units PriorityClasses of
	// ten steps, headroom-ladder-1 (value -10, the first to go) to
	// headroom-ladder-10 (-1), in place of priorityClassName, so that a scheduler
	// that preempts the lowest priority first, as kube-scheduler, spends them
	// evenly: where a constraint of topologySpreadConstraints with DoNotSchedule
	// spreads the units over zones, the units of each zone are on different steps,
	// as far as there are steps, and prefer the zone that they are meant for.
	// headroom-scheduler needs none of it. A change replaces the placeholders step
	// by step. Default: the operator's choice, as a rule Disabled; Disabled for
	// Headrooms that name a PriorityClass of their own. Not with placement PerNode.
	// +optional
	Ladder LadderPolicy `json:"ladder,omitempty"`

	// nodeSelector restricts the nodes by their labels, as in a pod; up to 64
	// labels. Default: any node.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// affinity of the placeholders, as in a pod. Default: none. To select the
	// placeholders themselves, use the label headroom: NAME or
	// headroom.dev/headroom: NAME. Karpenter treats preferences as requirements
	// when it adds nodes.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// tolerations of the placeholders, as in a pod; up to 64. Default: none.
	// Tolerating everything (operator Exists without a key) keeps placeholders on
	// nodes that an autoscaler wants to drain.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// topologySpreadConstraints of the placeholders, as in a pod; up to 16.
	// Default: none. They are kept as written: a constraint without a
	// labelSelector counts no pods and so spreads nothing; select the label
	// headroom: NAME. Their topologyKeys, in this order, are also the domains over
	// which scaling down and consumers keep the rest even (default: zone, then
	// host). Not with placement PerNode.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// podSecurityContext of the placeholders, as in a pod. What it leaves open is
	// filled in such that Pod Security level restricted lets the placeholders pass: a
	// numeric user that is not root, and seccomp RuntimeDefault. Beyond Pod Security
	// level baseline, or restricted if the operator says so, the condition Ready is
	// False, whatever the namespace enforces.
	// +optional
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`

	// securityContext of the placeholders' only container, as in a pod. What it
	// leaves open is filled in such that Pod Security level restricted lets the
	// placeholders pass: no privilege escalation and no capabilities; and a read-only
	// root file system. The bounds of podSecurityContext apply.
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`

	// runtimeClassName of the placeholders, as in a pod. Default: none. The
	// overhead of a RuntimeClass is room that a unit holds on top of its requests.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// schedulerName is the scheduler of the placeholders. Default: the operator's
	// choice. It should be the scheduler of the consumers, so that no two
	// schedulers compete for the same room.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SchedulerName string `json:"schedulerName,omitempty"`

	// image of the placeholders' only container. Default: the operator's choice,
	// the pause image. Others have to be allowed by the operator; if this one is
	// not, the condition Ready is False. It has to run forever, as any user and
	// with a read-only root file system; one that has large layers in common with
	// the consumers' image has them on the node already when a consumer comes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// imagePullSecrets for the image, as in a pod; up to 16. Default: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// podLabels are put on the placeholders beside the labels that Headroom needs;
	// up to 64. Default: none. The key headroom and keys that begin with
	// headroom.dev/ are reserved. Mind that Services and policies select pods by
	// labels.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, k != 'headroom' && !k.startsWith('headroom.dev/'))",message="podLabels must not set the label headroom or labels that begin with headroom.dev/: Headroom sets them itself"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue() && size(self[k]) <= 63)",message="podLabels must be valid labels: keys and values have at most 63 letters, digits, '-', '_' and '.', keys after an optional DNS name and '/'"
	PodLabels map[string]string `json:"podLabels,omitempty"`

	// podAnnotations are put on the placeholders beside the annotations that
	// Headroom needs; up to 64. Default: none. The key
	// cluster-autoscaler.kubernetes.io/safe-to-evict and keys that begin with
	// headroom.dev/ are reserved. A controller.kubernetes.io/pod-deletion-cost of
	// -100000000 or less is refused: Karpenter takes nodes with such pods for
	// empty, and deletes them again and again.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, k != 'cluster-autoscaler.kubernetes.io/safe-to-evict' && !k.startsWith('headroom.dev/'))",message="podAnnotations must not set cluster-autoscaler.kubernetes.io/safe-to-evict or annotations that begin with headroom.dev/: Headroom sets them itself"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="podAnnotations must have valid keys: at most 63 letters, digits, '-', '_' and '.', after an optional DNS name and '/'"
	// +kubebuilder:validation:XValidation:rule="!('controller.kubernetes.io/pod-deletion-cost' in self) || !self['controller.kubernetes.io/pod-deletion-cost'].matches('^-0*[1-9][0-9]{8,}$')",message="podAnnotations must not set a controller.kubernetes.io/pod-deletion-cost of -100000000 or less: Karpenter takes nodes with such pods for empty, and deletes them again and again"
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`

	// consumers says which pods may take this headroom. Default: every pod of
	// higher priority whose preemptionPolicy is not Never. Only
	// headroom-scheduler heeds it; to other schedulers the headroom is open to
	// every pod of higher priority.
	// +optional
	Consumers *Consumers `json:"consumers,omitempty"`

	// reserved keeps the units for the pods that consumers name, against every
	// scheduler: they have the PriorityClass headroom-reserved, above ordinary pods,
	// so that no scheduler preempts them for pods of its priority or below.
	// headroom-scheduler has the named pods take them whatever the priority of these
	// is. System-critical pods get the room all the same, and so does a pod of a
	// DaemonSet that finds no other on its node. The operator has to allow it, and
	// consumers must have a selector. Default: false.
	// +optional
	Reserved bool `json:"reserved,omitempty"` //nolint:kubeapilinter // there is no third state

	// sizing finds the number of units by rules: a percentage of pods, what a
	// HorizontalPodAutoscaler may still add, times of the week. It is never below
	// replicas, which stays what kubectl scale and HorizontalPodAutoscalers set.
	// Default: none, replicas is the number. Not with placement PerNode.
	// +optional
	Sizing *Sizing `json:"sizing,omitempty"` //nolint:kubeapilinter // nil is absent

	// refill says which units are made anew after they went, when, how many at a
	// time, and for how long. Default: all, at once, as many as the operator allows,
	// for as long as the Headroom is there. Not with placement PerNode.
	// +optional
	Refill *Refill `json:"refill,omitempty"` //nolint:kubeapilinter // nil is absent
}

// HeadroomStatus is the capacity that is ready, as last observed by the
// controller.
type HeadroomStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// desiredReplicas is the number of units that should be held: spec.replicas,
	// what spec.sizing comes to or, if placement is PerNode, the number of matching
	// nodes; less what was taken if spec.refill.policy is Once, and 0 after
	// spec.refill.ttl.
	// +optional
	DesiredReplicas int32 `json:"desiredReplicas"`

	// replicas is the number of placeholders that exist, those being deleted left
	// out.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is the number of units that can be taken now: placeholders that
	// are bound to a node to which a consumer could be bound as well.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// pendingReplicas is the number of placeholders that wait for room.
	// +optional
	PendingReplicas int32 `json:"pendingReplicas"`

	// parkedReplicas is the number of units that are not made for now, because no
	// room came for those that waited within spec.refill.parkAfter.
	// +optional
	ParkedReplicas int32 `json:"parkedReplicas"`

	// unavailableReplicas is the number of placeholders that are bound and cannot be
	// taken now: their node is being deleted, not ready or unschedulable, or has a
	// taint that spec.tolerations do not tolerate, or they are promised to a pod that
	// waits: one that is nominated to their node and fits there only without them.
	// They are not in readyReplicas. After a minute other units are made in their
	// place, at most a quarter of replicas and at least one, with placement Cluster.
	// +optional
	UnavailableReplicas int32 `json:"unavailableReplicas"`

	// outdatedReplicas is how many of the bound placeholders are not what the spec
	// and the PriorityClass say now, because they changed, or because admission
	// changed the placeholders. They can be taken, and are being replaced.
	// +optional
	OutdatedReplicas int32 `json:"outdatedReplicas"`

	// scaleReplicas is what the scale subresource says: the number of placeholders
	// that exist or that spec.refill holds back, at most spec.replicas, so that
	// neither what a Headroom holds beside them nor what it makes later misleads an
	// autoscaler.
	// +optional
	ScaleReplicas int32 `json:"scaleReplicas"`

	// unitRequests is the size of one unit: spec.requests, or what spec.shapeFrom
	// comes to.
	// +optional
	UnitRequests corev1.ResourceList `json:"unitRequests,omitempty"`

	// shape is what units are made like with spec.shapeFrom.
	// +optional
	Shape *ShapeStatus `json:"shape,omitempty"`

	// priorityClassName is the PriorityClass that units are made with:
	// spec.priorityClassName, headroom-reserved with spec.reserved, and
	// headroom-ladder-*, which stands for all steps, on a ladder. Units from before
	// a change of it are in outdatedReplicas.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// selector selects the placeholders; the scale subresource and the
	// HorizontalPodAutoscaler read it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Selector string `json:"selector,omitempty"`

	// capacity is the sum of what the ready placeholders hold on their nodes.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`

	// spread is the number of ready placeholders in each topology domain, as a rule
	// in each zone.
	// +optional
	Spread SpreadStatus `json:"spread,omitzero"`

	// usage is what became of the units in the last seven days.
	// +optional
	Usage UsageStatus `json:"usage,omitzero"`

	// lastConsumedTime is when a consumer last took a placeholder.
	// +optional
	LastConsumedTime *metav1.Time `json:"lastConsumedTime,omitempty"`

	// controller is the installation of headroom-controller that acts on this
	// Headroom, and when it last wrote this status.
	// +optional
	Controller *ControllerRecord `json:"controller,omitempty"` //nolint:kubeapilinter // nil is absent

	// otherController is another installation that would act on this Headroom too.
	// It does not while the first one does, and takes over when that has not
	// answered for a minute.
	// +optional
	OtherController *ControllerRecord `json:"otherController,omitempty"` //nolint:kubeapilinter // nil is absent

	// sizing is what the rules of spec.sizing come to, and why.
	// +optional
	Sizing *SizingStatus `json:"sizing,omitempty"`

	// refill is what spec.refill.policy Once counts.
	// +optional
	Refill *RefillStatus `json:"refill,omitempty"` //nolint:kubeapilinter // nil is absent

	// conditions are Ready (the spec is valid and acted on), Filled (every unit can
	// be taken), with spec.sizing Sized (every rule is evaluated), and with
	// spec.shapeFrom Shaped (units are like the workload's pods). A cluster without
	// room is no error: Ready stays True, and Filled says why it is not.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// HeadroomList is a list of Headrooms.
//
// +kubebuilder:object:root=true
type HeadroomList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Headrooms.
	Items []Headroom `json:"items"`
}
