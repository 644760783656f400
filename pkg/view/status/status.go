// Package status says what each Headroom wants and holds, what is missing and why, and who took units lately. It is pure: model and text
// are made of objects and a time.
package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

const (
	// Lately is how far back takes count as lately, to the hour in which it began.
	Lately = 24 * time.Hour
	// lastTakes is how many takes of a Headroom are told one by one.
	lastTakes = 5
)

// Input is what the status is made of.
type Input struct {
	// Headrooms in any order.
	Headrooms []v1alpha1.Headroom
	// Accounts of these Headrooms, as far as there are any.
	Accounts []v1alpha1.HeadroomAccount
	// AccountsSeen tells whether accounts could be looked at: without one, a Headroom has taken nothing so far if they could, and nothing is
	// known of it if not.
	AccountsSeen bool
	// Now is the time.
	Now time.Time
}

// Report is what is printed, also as JSON and YAML.
type Report struct {
	// Headrooms in the order of namespace and name.
	Headrooms []Headroom `json:"headrooms"`
	// NotSeen says what could not be looked at, and what it would have told.
	NotSeen []string `json:"notSeen,omitempty"`
	now     time.Time
}

// Headroom is the status of one. Wanted is the sum of Ready, Unavailable and Missing unless more is held than wanted.
type Headroom struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Wanted units should be held.
	Wanted int32 `json:"wanted"`
	// Ready units can be taken now.
	Ready int32 `json:"ready"`
	// Unavailable units are held on nodes to which no pod can be bound now.
	Unavailable int32 `json:"unavailable"`
	// Missing units are on no node.
	Missing int32 `json:"missing"`
	// Parked units are those of Missing that are not made until room comes (spec.refill.parkAfter).
	Parked int32 `json:"parked"`
	// Outdated units are held, and are not what the spec says now.
	Outdated int32 `json:"outdated"`
	// Requests is the size of one unit.
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// TopologyKey is the node label whose values are the names in Held.
	TopologyKey string `json:"topologyKey,omitempty"`
	// Held is how many ready units each topology domain has.
	Held []Domain `json:"held"`
	// Reason is Filled, or the reason of the condition that says why not all units can be taken, and Why its message.
	Reason string `json:"reason"`
	Why    string `json:"why,omitempty"`
	// Lately is what the account says; nil if it could not be looked at.
	Lately *Account `json:"lately,omitempty"`
}

// Domain is what one topology domain holds.
type Domain struct {
	Name  string `json:"name"`
	Ready int32  `json:"ready"`
}

// Account is what happened in the last 24 hours, those hours being full ones but for the present one.
type Account struct {
	// Taken and Lacked are units.
	Taken  int `json:"taken"`
	Lacked int `json:"lacked"`
	// Takes are the last ones, the newest first, however old they are.
	Takes []Take `json:"takes"`
}

// Take is one unit that a pod took.
type Take struct {
	Time time.Time `json:"time"`
	// Consumer is the pod as namespace/name; its UID where the name is not known.
	Consumer string `json:"consumer"`
	// Owner is the pod's controller, for example ReplicaSet/web-5d9c.
	Owner string `json:"owner,omitempty"`
	Node  string `json:"node,omitempty"`
}

// New makes the report.
func New(in Input) Report {
	accounts := map[types.NamespacedName]*v1alpha1.HeadroomAccount{}
	for i := range in.Accounts {
		accounts[keyOf(&in.Accounts[i])] = &in.Accounts[i]
	}
	report := Report{Headrooms: []Headroom{}, now: in.Now}
	for i := range in.Headrooms {
		h := &in.Headrooms[i]
		one := headroomOf(h)
		if in.AccountsSeen {
			var problem error
			if one.Lately, problem = lately(accounts[keyOf(h)], in.Now); problem != nil {
				report.NotSeen = append(report.NotSeen, fmt.Sprintf("the account of %s/%s cannot be read: %v", h.Namespace, h.Name, problem))
			}
		}
		report.Headrooms = append(report.Headrooms, one)
	}
	slices.SortFunc(report.Headrooms, func(a, b Headroom) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return report
}

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

func headroomOf(h *v1alpha1.Headroom) Headroom {
	s := &h.Status
	one := Headroom{
		Namespace: h.Namespace, Name: h.Name, Wanted: s.DesiredReplicas, Ready: s.ReadyReplicas, Unavailable: s.UnavailableReplicas,
		Missing: max(0, s.DesiredReplicas-s.ReadyReplicas-s.UnavailableReplicas), Parked: s.ParkedReplicas,
		Outdated:    s.OutdatedReplicas,
		Requests:    h.Shaped(s.Shape).Spec.Requests,
		TopologyKey: s.Spread.TopologyKey, Held: []Domain{},
	}
	for _, domain := range s.Spread.Domains {
		one.Held = append(one.Held, Domain{Name: domain.Name, Ready: domain.ReadyReplicas})
	}
	one.Reason, one.Why = why(h)
	if one.Reason == reasonNotSeen && s.ObservedGeneration == 0 && h.Spec.Replicas != nil {
		one.Wanted = *h.Spec.Replicas
		one.Missing = one.Wanted
	}
	return one
}

// reasonNotSeen is told of a Headroom that the controller has not looked at.
const reasonNotSeen = "NotSeen"

// why says what keeps a Headroom from being full, in the words of its conditions.
func why(h *v1alpha1.Headroom) (reason, message string) {
	ready := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionReady)
	filled := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionFilled)
	switch {
	case ready == nil || filled == nil:
		return reasonNotSeen, "headroom-controller has not looked at it yet: is it running?"
	case h.Generation > h.Status.ObservedGeneration:
		return reasonNotSeen, "headroom-controller has not seen the last change of the spec yet: is it running?"
	case ready.Status == metav1.ConditionFalse:
		return ready.Reason, ready.Message
	case filled.Status != metav1.ConditionTrue:
		return filled.Reason, filled.Message
	default:
		return filled.Reason, ""
	}
}

// lately is what an account says of the last 24 hours. Without an account nothing has happened yet.
func lately(stored *v1alpha1.HeadroomAccount, now time.Time) (*Account, error) {
	told := &Account{Takes: []Take{}}
	if stored == nil {
		return told, nil
	}
	a, err := account.Decode(&stored.Record)
	if err != nil {
		return nil, err
	}
	since := now.Add(-Lately).Truncate(time.Hour)
	for _, hour := range a.Hours() {
		if !hour.Start().Before(since) {
			told.Taken += hour.Taken
			told.Lacked += hour.Lacked
		}
	}
	for _, take := range slices.Backward(a.Takes()) {
		if len(told.Takes) == lastTakes {
			break
		}
		told.Takes = append(told.Takes,
			Take{Time: take.Time, Consumer: consumerOf(&take.Consumer), Owner: take.Consumer.Owner, Node: take.Node})
	}
	return told, nil
}

func consumerOf(c *account.Consumer) string {
	switch {
	case c.Name != "":
		return c.String()
	case c.UID != "":
		return "the pod with UID " + string(c.UID)
	default:
		return "a pod that is not known"
	}
}
