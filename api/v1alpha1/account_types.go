package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HeadroomAccount is what headroom-controller remembers of the Headroom of its
// name: which pods took units, which went otherwise, what entitled pods lacked
// and how long refills took. Nobody else writes it, and nobody has to make one.
// It goes with its Headroom.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=hdra
// +kubebuilder:printcolumn:name="Taken",type=integer,JSONPath=`.record.taken`
// +kubebuilder:printcolumn:name="Lacked",type=integer,JSONPath=`.record.lacked`
// +kubebuilder:printcolumn:name="Abandoned",type=integer,JSONPath=`.record.abandoned`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.record.openedTime`
type HeadroomAccount struct { //nolint:kubeapilinter // a record has no desired state, so there is no spec, and no status apart from it
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`
	// record is the account.
	// +optional
	Record AccountRecord `json:"record,omitzero"`
}

// AccountRecord is the stored form of an account, of at most 64 KiB.
type AccountRecord struct {
	// openedTime is since when the account is kept.
	// +optional
	OpenedTime *metav1.Time `json:"openedTime,omitempty"`
	// writtenTime is when it was last written.
	// +optional
	WrittenTime *metav1.Time `json:"writtenTime,omitempty"`
	// taken is the number of units that pods took since then.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Taken int64 `json:"taken,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// lacked is the number of units that entitled pods lacked, each pod once.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Lacked int64 `json:"lacked,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// abandoned is the number of units that went although nobody said why and no
	// pod took them: evicted by a scheduler that ended before it bound the
	// consumer, or deleted by hand.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Abandoned int64 `json:"abandoned,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// lost are the units that went otherwise.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=16
	Lost []AccountLoss `json:"lost,omitempty"`
	// missed are the entitled pods that no unit served, each pod once.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=16
	Missed []MissedPods `json:"missed,omitempty"`
	// takes are the last takes, the newest last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Takes []AccountTake `json:"takes,omitempty"`
	// hours is what happened in each hour of the last 15 days, as compressed JSON
	// that pkg/account reads.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Hours []byte `json:"hours,omitempty"` //nolint:kubeapilinter // there are no units of bytes
	// position is where the controller goes on after a restart.
	// +optional
	Position AccountPosition `json:"position,omitzero"`
}

// AccountLoss counts units that went for one reason.
type AccountLoss struct {
	// reason is abandoned, drained, node, failed, overcommitted, yielded,
	// scaled_down, replaced or other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Reason string `json:"reason,omitempty"`
	// units is their number.
	// +required
	// +kubebuilder:validation:Minimum=1
	Units int64 `json:"units,omitempty"`
}

// AccountTake is one unit that a pod took.
type AccountTake struct {
	// time is when the unit went.
	// +required
	Time metav1.MicroTime `json:"time,omitzero"` //nolint:kubeapilinter // a zero time is never written
	// placeholder is the name of the pod that held the unit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Placeholder string `json:"placeholder,omitempty"`
	// uid is the UID of that pod.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// node is where it was.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// how is Swap or Preemption.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	How string `json:"how,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// consumer is the pod that took it, as namespace/name; empty if that is not
	// known.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	Consumer string `json:"consumer,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// consumerUID is the UID of that pod.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ConsumerUID string `json:"consumerUID,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// owner is the consumer's controller, for example ReplicaSet/web-5d9c.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	Owner string `json:"owner,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// refillMilliseconds is after how long a unit was bound in its place; 0 if none
	// was yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RefillMilliseconds int64 `json:"refillMilliseconds,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
}

// AccountPosition is where the controller goes on after a restart.
type AccountPosition struct {
	// writer is the controller process that wrote the record.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Writer string `json:"writer,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// through is the resource version through which the deletions of the Headroom's
	// placeholders are in the record.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Through string `json:"through,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// allThrough is the resource version through which the deletions of every
	// Headroom's placeholders are in some record.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	AllThrough string `json:"allThrough,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// generation is the Headroom's generation at the time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Generation int64 `json:"generation,omitempty"` //nolint:kubeapilinter // absent and zero mean the same
	// lackedThroughTime is when the last pod that lacked units was told so.
	// +optional
	LackedThroughTime *metav1.MicroTime `json:"lackedThroughTime,omitempty"`
	// open are the placeholders that went, and of which it is not known yet why.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Open []AccountDeparture `json:"open,omitempty"`
	// missing are the times at which units went that have no successor yet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Missing []metav1.MicroTime `json:"missing,omitempty"`
}

// AccountDeparture is a placeholder that went.
type AccountDeparture struct {
	// placeholder is its name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Placeholder string `json:"placeholder,omitempty"`
	// uid is its UID.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
	// node is where it was.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`
	// time is when it went.
	// +required
	Time metav1.MicroTime `json:"time,omitzero"` //nolint:kubeapilinter // a zero time is never written
	// preempted says that a scheduler preempted it, and only the pod is missing for
	// which.
	// +optional
	Preempted *bool `json:"preempted,omitempty"` //nolint:kubeapilinter // there is no third state
}

// HeadroomAccountList is a list of HeadroomAccounts.
//
// +kubebuilder:object:root=true
type HeadroomAccountList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the HeadroomAccounts.
	Items []HeadroomAccount `json:"items"`
}
