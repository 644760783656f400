package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/headroom-dev/headroom/test/cluster"
)

// Right is one verb on one resource that a role grants.
type Right struct {
	// Verb, Group, Resource as in a rule of the role; Resource holds the subresource, as in "pods/status".
	Verb, Group, Resource string
	// Name of the only object it is for; empty for all.
	Name string
	// Namespace it is for; empty for all, and for what is in no namespace.
	Namespace string
}

// String is the right on one line, such as "get pods", "update leases.coordination.k8s.io/web in shop".
func (r Right) String() string {
	text := r.Verb + " " + r.Resource
	if r.Group != "" {
		text += "." + r.Group
	}
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

// Allows reports whether the right covers a request.
func (r Right) Allows(request Request) bool {
	return r.Verb == request.Verb && r.Group == request.Group && r.Resource == request.fullName() &&
		(r.Name == "" || r.Name == request.Name) && (r.Namespace == "" || r.Namespace == request.Namespace)
}

// fullName is the resource as rules name it.
func (r Request) fullName() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// Granted returns the rights that the roles and bindings among the objects give to a service account, each once and in order. A
// binding to a role that is not among them grants nothing here.
func Granted(objects []*unstructured.Unstructured, namespace, account string) ([]Right, error) {
	rules := map[string][]rbacv1.PolicyRule{}
	for _, object := range objects {
		var role rbacv1.ClusterRole // A Role has the same fields.
		if kind := object.GetKind(); kind != "ClusterRole" && kind != "Role" {
			continue
		} else if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			return nil, fmt.Errorf("reading the %s %s: %w", kind, object.GetName(), err)
		}
		rules[roleKey(object.GetKind(), object.GetNamespace(), object.GetName())] = role.Rules
	}
	var rights []Right
	for _, object := range objects {
		binding, err := cluster.BindingOf(object, namespace, account)
		if err != nil {
			return nil, err
		}
		if binding == nil {
			continue
		}
		for _, rule := range rules[roleKey(binding.RoleRef.Kind, binding.Namespace, binding.RoleRef.Name)] {
			rights = append(rights, expand(rule, binding.Namespace)...)
		}
	}
	slices.SortFunc(rights, compareRights)
	return slices.Compact(rights), nil
}

// roleKey tells roles apart; a ClusterRole is in no namespace, wherever it is bound.
func roleKey(kind, namespace, name string) string {
	if kind == "ClusterRole" {
		namespace = ""
	}
	return strings.Join([]string{kind, namespace, name}, "/")
}

func expand(rule rbacv1.PolicyRule, namespace string) []Right {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var rights []Right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					rights = append(rights, Right{Verb: verb, Group: group, Resource: resource, Name: name, Namespace: namespace})
				}
			}
		}
	}
	return rights
}

func compareRights(a, b Right) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Verb, b.Verb))
}

// Unused returns the rights that none of the user's requests needed.
func Unused(rights []Right, requests []Request, user string) []Right {
	var unused []Right
	for _, right := range rights {
		if !slices.ContainsFunc(requests, func(r Request) bool { return r.User == user && right.Allows(r) }) {
			unused = append(unused, right)
		}
	}
	return unused
}
