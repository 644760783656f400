package headroom

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/controller/quota"
	"github.com/headroom-dev/headroom/pkg/ladder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// classes are the PriorityClasses that the units of a Headroom may have: one, or those of the ladder.
type classes struct {
	// names are all of them.
	names []string
	// values are those that there are.
	values map[string]*schedulingv1.PriorityClass
	// steps are the names from the lowest value to the highest, of a Headroom with a ladder.
	steps []string
}

// classesOf reads the PriorityClasses that the units of a Headroom may have.
func (r *Reconciler) classesOf(ctx context.Context, headroom *v1alpha1.Headroom) (classes, error) {
	c := classes{names: placeholder.PriorityClassNames(headroom, r.Defaults), values: map[string]*schedulingv1.PriorityClass{}}
	for _, name := range c.names {
		class := &schedulingv1.PriorityClass{}
		switch err := r.Client.Get(ctx, client.ObjectKey{Name: name}, class); {
		case err == nil:
			c.values[name] = class
		case !apierrors.IsNotFound(err):
			return classes{}, fmt.Errorf("reading PriorityClass %q: %w", name, err)
		}
	}
	if placeholder.OnLadder(headroom, r.Defaults) {
		c.steps = c.byValue()
	}
	return c, nil
}

// byValue are the names of the classes that there are, the lowest value first, whatever somebody made of the values; of equals, the one
// that is named first.
func (c classes) byValue() []string {
	there := slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return c.values[name] == nil })
	slices.SortStableFunc(there, func(a, b string) int { return cmp.Compare(c.values[a].Value, c.values[b].Value) })
	return there
}

// check returns why placeholders may not have one of the classes, and nil if they may have all.
func (c classes) check(limits priority.Limits) *priority.Refusal {
	for _, name := range c.names {
		refusal := priority.Check(name, c.values[name], limits)
		if refusal == nil {
			continue
		}
		if len(c.names) > 1 {
			refusal.Message += " It is a step of the ladder: apply the PriorityClasses of the install, or set spec.ladder: Disabled."
		}
		return refusal
	}
	return nil
}

// stepOf is the step that a pod stands on, from 1, the first to go; 0: none.
func (c classes) stepOf(pod *corev1.Pod) int {
	return slices.Index(c.steps, pod.Spec.PriorityClassName) + 1
}

// deviation says what a placeholder has that spec and PriorityClass do not say; empty if it conforms, or if its class is not there.
func (c classes) deviation(headroom *v1alpha1.Headroom, pod *corev1.Pod) string {
	class := c.values[c.names[0]]
	if len(c.names) > 1 {
		if no := placeholder.NoStep(pod); no != "" {
			return no
		}
		class = c.values[pod.Spec.PriorityClassName]
	}
	if class == nil {
		return ""
	}
	return placeholder.Deviation(pod, headroom.Spec.Requests, class.Value)
}

// shortage is the first quota that leaves less than one more unit, of whichever class; nil if there is none.
func (r *Reconciler) shortage(headroom *v1alpha1.Headroom, quotas []corev1.ResourceQuota) *quota.Shortage {
	pod := placeholder.Build(headroom, r.Defaults, 0)
	for _, name := range placeholder.PriorityClassNames(headroom, r.Defaults) {
		pod.Spec.PriorityClassName = name
		if short := quota.Short(quotas, pod); short != nil {
			return short
		}
	}
	return nil
}

// domainOf is the topology domain of the node that a pod is on, given its labels, or else the one that the pod is meant for.
func domainOf(pod *corev1.Pod, nodeLabels map[string]string, key string) string {
	if pod.Spec.NodeName != "" {
		return nodeLabels[key]
	}
	return pod.Annotations[v1alpha1.AnnotationDomain]
}

// place is where a unit to make is meant to stand.
type place struct {
	placeholder.Place
	rank int
}

// atOnce is how many units are made at the same time, from that one on.
func (p plan) atOnce(start int) int {
	creations := p.actions.Create
	first := p.places[creations[start].Ordinal]
	if first.Domain == "" {
		return start + 1
	}
	size := 1
	for start+size < len(creations) && p.places[creations[start+size].Ordinal].rank == first.rank {
		size++
	}
	return size
}

// places says where the units to make are meant to stand, by their ordinals; nil without a ladder.
func (r *Reconciler) places(
	ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, actions topup.Actions,
) (map[int]place, error) {
	ordinals := make([]int, 0, len(actions.Replace)+len(actions.Create))
	going := map[types.UID]bool{}
	for _, deletion := range actions.Delete {
		going[deletion.Old.UID] = true
	}
	for _, replacement := range actions.Replace {
		going[replacement.Old.UID] = true
		ordinals = append(ordinals, replacement.New.Ordinal)
	}
	for _, creation := range actions.Create {
		ordinals = append(ordinals, creation.Ordinal)
	}
	if len(seen.classes.steps) == 0 || len(ordinals) == 0 {
		return nil, nil
	}
	var there []ladder.Place
	for _, u := range seen.units {
		if (u.State == topup.Pending || u.State == topup.Bound) && !going[u.UID] {
			there = append(there, ladder.Place{Domain: u.domain, Step: u.Step})
		}
	}
	domains, err := r.domainsFor(ctx, headroom)
	if err != nil {
		return nil, err
	}
	places := make(map[int]place, len(ordinals))
	for i, next := range ladder.Places(len(seen.classes.steps), len(ordinals), domains, there) {
		places[ordinals[i]] = place{
			Place: placeholder.Place{PriorityClassName: seen.classes.steps[next.Step-1], Domain: next.Domain}, rank: next.Rank,
		}
	}
	return places, nil
}

// domainsFor are the topology domains of the nodes that the units may be on, if a constraint keeps the units apart over them. A domain
// that has no such node yet is not among them: a unit is bound there all the same when it gets one, since it is meant for others only by
// preference.
func (r *Reconciler) domainsFor(ctx context.Context, headroom *v1alpha1.Headroom) ([]string, error) {
	if !placeholder.SpreadHard(headroom) {
		return nil, nil
	}
	nodes := &corev1.NodeList{}
	if err := r.Client.List(ctx, nodes); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	key, may := headroom.Spec.DomainKey(), nodeaffinity.GetRequiredNodeAffinity(placeholder.Build(headroom, r.Defaults, 0))
	domains := sets.New[string]()
	for i := range nodes.Items {
		domain, has := nodes.Items[i].Labels[key]
		if !has || domains.Has(domain) {
			continue
		}
		if fits, err := may.Match(&nodes.Items[i]); err == nil && fits {
			domains.Insert(domain)
		}
	}
	return sets.List(domains), nil
}
