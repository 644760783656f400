package ceiling

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	nodePools  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePoolList"}
	nodeClaims = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
	// claimOf finds the NodeClaim in the note of Karpenter's event Nominated, "Pod should schedule on: nodeclaim/default-x2v9p".
	claimOf = regexp.MustCompile(`nodeclaim/([-.a-z0-9]+)`)
)

const (
	// mostClaims is how many NodeClaims are looked at at most: several units wait for one node.
	mostClaims = 20
	// mostPools is how many NodePools at their limits are named at most.
	mostPools = 3
)

// launched returns when the last of some NodeClaims was launched, the zero time if none was.
func launched(ctx context.Context, live client.Reader, names []string) (last time.Time, err error) {
	for _, name := range names[:min(len(names), mostClaims)] {
		claim := &unstructured.Unstructured{}
		claim.SetGroupVersionKind(nodeClaims)
		switch err := live.Get(ctx, client.ObjectKey{Name: name}, claim); {
		case apierrors.IsNotFound(err):
		case unknown(err):
			return last, nil
		case err != nil:
			return last, fmt.Errorf("reading NodeClaim %s: %w", name, err)
		}
		if at := launchedAt(claim); at.After(last) {
			last = at
		}
	}
	return last, nil
}

// launchedAt is when a cloud gave Karpenter the machine of a NodeClaim, the zero time if it has not.
func launchedAt(claim *unstructured.Unstructured) time.Time {
	var read struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(claim.Object, &read); err != nil {
		return time.Time{}
	}
	if c := meta.FindStatusCondition(read.Status.Conditions, "Launched"); c != nil && c.Status == metav1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// unknown reports whether there is no Karpenter, or none whose objects the controller may read.
func unknown(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsForbidden(err) }

// pool is what is read of a NodePool.
type pool struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Limits   corev1.ResourceList `json:"limits"`
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec struct {
				Requirements []corev1.NodeSelectorRequirement `json:"requirements"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Resources corev1.ResourceList `json:"resources"`
	} `json:"status"`
}

// AtLimit says which of Karpenter's NodePools, of those whose nodes such units may go to by their nodeSelector, have no room for one more
// below their limits: in one sentence with what each has and may have, empty if there are none, or none that may be read.
func AtLimit(ctx context.Context, live client.Reader, nodeSelector map[string]string, unit corev1.ResourceList) (string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(nodePools)
	if err := live.List(ctx, list); err != nil {
		if unknown(err) || apierrors.IsNotFound(err) {
			return "", nil
		}
		return "", fmt.Errorf("listing NodePools: %w", err)
	}
	var pools []pool
	for i := range list.Items {
		var p pool
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &p); err != nil {
			return "", fmt.Errorf("reading NodePool %s: %w", list.Items[i].GetName(), err)
		}
		pools = append(pools, p)
	}
	return atLimit(pools, nodeSelector, unit), nil
}

func atLimit(pools []pool, nodeSelector map[string]string, unit corev1.ResourceList) string {
	var said []string
	for i := range pools {
		if full := pools[i].full(unit); full != "" && pools[i].suits(nodeSelector) {
			said = append(said, "NodePool "+pools[i].Metadata.Name+" has "+full)
		}
	}
	slices.Sort(said)
	if more := len(said) - mostPools; more > 0 {
		said = append(said[:mostPools], fmt.Sprintf("and so for %d more", more))
	}
	return strings.Join(said, ", ")
}

// full says of which resources a pool has too much for one more unit, empty if of none.
func (p *pool) full(unit corev1.ResourceList) string {
	var said []string
	for name, limit := range p.Spec.Limits {
		has := p.Status.Resources[name]
		more := unit[name]
		if name == "nodes" {
			more = *resource.NewQuantity(1, resource.DecimalSI)
		}
		after := has.DeepCopy()
		after.Add(more)
		if !more.IsZero() && after.Cmp(limit) > 0 {
			said = append(said, fmt.Sprintf("%s of at most %s %s", has.String(), limit.String(), name))
		}
	}
	slices.Sort(said)
	return strings.Join(said, " and ")
}

// suits reports whether nothing that the pool says of its nodes contradicts a node selector.
func (p *pool) suits(nodeSelector map[string]string) bool {
	for key, value := range nodeSelector {
		if other, ok := p.Spec.Template.Metadata.Labels[key]; ok && other != value {
			return false
		}
		for _, r := range p.Spec.Template.Spec.Requirements {
			if r.Key == key && (r.Operator == corev1.NodeSelectorOpIn && !slices.Contains(r.Values, value) ||
				r.Operator == corev1.NodeSelectorOpNotIn && slices.Contains(r.Values, value)) {
				return false
			}
		}
	}
	return true
}
