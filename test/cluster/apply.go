package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner owns what Apply writes.
const fieldOwner = "headroom-cluster"

// applyRank is the order in which kinds are applied; all others come last.
var applyRank = map[string]int{
	"CustomResourceDefinition": -9, "Namespace": -8, "PriorityClass": -7, "ServiceAccount": -6, "ClusterRole": -5, "Role": -5,
	"ClusterRoleBinding": -4, "RoleBinding": -4, "ConfigMap": -3, "Secret": -3,
}

// Parse reads the objects of YAML documents; empty documents are left out.
func Parse(data []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("parsing YAML: %w", err)
		}
		if len(obj.Object) > 0 {
			objects = append(objects, obj)
		}
	}
}

// ParseFiles reads the objects of YAML files. Of a folder it reads *.yaml, in order of name, but no kustomization.yaml.
func ParseFiles(paths ...string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		} else if info.IsDir() {
			files, _ = filepath.Glob(filepath.Join(path, "*.yaml"))
		}
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading manifests: %w", err)
			}
			parsed, err := Parse(data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			objects = append(objects, parsed...)
		}
	}
	return objects, nil
}

// Kustomize renders a folder with a kustomization.yaml by the kubectl of the tools.
func (t Tools) Kustomize(ctx context.Context, dir string) ([]*unstructured.Unstructured, error) {
	kubectl, err := t.Binary("kubectl")
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, kubectl, "kustomize", dir)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w: %s", dir, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return Parse(out)
}

// ApplyFiles applies what ParseFiles reads.
func (c *Cluster) ApplyFiles(ctx context.Context, paths ...string) error {
	objects, err := ParseFiles(paths...)
	if err != nil {
		return err
	}
	return c.Apply(ctx, objects...)
}

// Apply applies objects on the server's side: CRDs first, then namespaces, priority classes, RBAC and configuration,
// then the rest, each in the order given. It returns when the CRDs are served, and when pods can have the priority
// classes. Objects without a namespace go to "default".
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ordered := slices.Clone(objects)
	slices.SortStableFunc(ordered, func(a, b *unstructured.Unstructured) int {
		return cmp.Compare(applyRank[a.GetKind()], applyRank[b.GetKind()])
	})
	for _, obj := range ordered {
		if err := c.applyOne(ctx, cl, obj.DeepCopy()); err != nil {
			return fmt.Errorf("applying %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
	}
	return nil
}

func (c *Cluster) applyOne(ctx context.Context, cl client.Client, obj *unstructured.Unstructured) error {
	if obj.GetNamespace() == "" {
		namespaced, err := cl.IsObjectNamespaced(obj)
		if err != nil {
			return err
		}
		if namespaced {
			obj.SetNamespace("default")
		}
	}
	err := cl.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner(fieldOwner), client.ForceOwnership)
	switch {
	case err != nil:
		return err
	case obj.GetKind() == "CustomResourceDefinition":
		return c.waitServed(ctx, cl, obj)
	case obj.GetKind() == "PriorityClass":
		return c.waitAdmitted(ctx, cl, obj.GetName())
	}
	return nil
}

// waitAdmitted waits until admission, which learns of them by a watch, knows a PriorityClass: until then it refuses pods that name it.
func (c *Cluster) waitAdmitted(ctx context.Context, cl client.Client, class string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("not known after %s", c.timeout))
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "probe-"}}
		pod.Spec.PriorityClassName = class
		pod.Spec.Containers = []corev1.Container{{Name: "probe", Image: "probe"}}
		if !lacksClass(cl.Create(ctx, pod, client.DryRunAll)) && ctx.Err() == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// lacksClass reports whether a pod was refused because admission does not know its PriorityClass. Whatever else refuses one comes after that.
func lacksClass(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no PriorityClass with name")
}

// waitServed waits until the API server serves the kind of a CRD.
func (c *Cluster) waitServed(ctx context.Context, cl client.Client, crd *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("not served after %s", c.timeout))
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := cl.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil && ctx.Err() == nil {
			return err
		}
		if hasCondition(crd, "Established") && discovered(cl, crd) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// discovered reports whether clients can find the kind in all its versions: discovery may lag behind the condition Established.
func discovered(cl client.Client, crd *unstructured.Unstructured) bool {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, entry := range versions {
		version, ok := entry.(map[string]any)
		if !ok || version["served"] != true {
			continue
		}
		// By name, because the client does not look for new versions of a group that it knows already.
		name, _ := version["name"].(string)
		if _, err := cl.RESTMapper().RESTMapping(schema.GroupKind{Group: group, Kind: kind}, name); err != nil {
			return false
		}
	}
	return true
}

// hasCondition reports whether a condition of the object is True.
func hasCondition(obj *unstructured.Unstructured, kind string) bool {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, entry := range conditions {
		if condition, ok := entry.(map[string]any); ok && condition["type"] == kind && condition["status"] == "True" {
			return true
		}
	}
	return false
}
