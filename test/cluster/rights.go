package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// account is a service account.
type account struct{ namespace, name string }

// waitRights waits until the API server allows the service account what the bindings among the applied objects give it: one right of
// each rule. Its authorizer learns of roles and bindings by watches, so a program that starts at once may be refused at first.
func (c *Cluster) waitRights(ctx context.Context, who account, applied []*unstructured.Unstructured) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("not allowed after %s", c.timeout))
	defer cancel()
	for _, obj := range applied {
		binding, err := BindingOf(obj, who.namespace, who.name)
		if err != nil {
			return err
		}
		if binding == nil {
			continue
		}
		if err := waitBinding(ctx, cl, who, binding); err != nil {
			return fmt.Errorf("waiting for the rights of %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
	}
	return nil
}

// BindingOf reads a RoleBinding, or a ClusterRoleBinding as one without a namespace. It is nil if the object is none or is not about the
// service account of that namespace and name.
func BindingOf(obj *unstructured.Unstructured, namespace, account string) (*rbacv1.RoleBinding, error) {
	if kind := obj.GetKind(); kind != "RoleBinding" && kind != "ClusterRoleBinding" {
		return nil, nil
	}
	binding := &rbacv1.RoleBinding{} // The two differ in nothing but scope.
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, binding); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	if !slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == namespace && s.Name == account
	}) {
		return nil, nil
	}
	return binding, nil
}

func waitBinding(ctx context.Context, cl client.Client, who account, binding *rbacv1.RoleBinding) error {
	rules, err := rulesOf(ctx, cl, binding)
	if err != nil {
		return err
	}
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for i := range rules {
		for {
			allowed, err := allows(ctx, cl, who, binding.Namespace, &rules[i])
			if err != nil && ctx.Err() == nil {
				return err
			}
			if allowed {
				break
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-tick.C:
			}
		}
	}
	return nil
}

// rulesOf returns the rules of the role that is bound.
func rulesOf(ctx context.Context, cl client.Client, binding *rbacv1.RoleBinding) ([]rbacv1.PolicyRule, error) {
	if binding.RoleRef.Kind == "ClusterRole" {
		role := &rbacv1.ClusterRole{}
		err := cl.Get(ctx, client.ObjectKey{Name: binding.RoleRef.Name}, role)
		return role.Rules, err
	}
	role := &rbacv1.Role{}
	err := cl.Get(ctx, client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role)
	return role.Rules, err
}

// allows asks for the first of the rights that a rule gives.
func allows(ctx context.Context, cl client.Client, who account, namespace string, rule *rbacv1.PolicyRule) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + who.namespace + ":" + who.name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + who.namespace, "system:authenticated"},
	}}
	if len(rule.NonResourceURLs) > 0 {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: rule.Verbs[0], Path: rule.NonResourceURLs[0]}
	} else {
		resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: subresource, Namespace: namespace,
		}
		if len(rule.ResourceNames) > 0 {
			review.Spec.ResourceAttributes.Name = rule.ResourceNames[0]
		}
	}
	err := cl.Create(ctx, review)
	return review.Status.Allowed, err
}
