package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nodeClass is the only KWOKNodeClass, for all NodePools.
const nodeClass = "default"

// What Karpenter's KWOK provider takes from the capacity of every instance type before it is allocatable.
var (
	reservedCPU    = resource.MustParse("100m")
	reservedMemory = resource.MustParse("10Mi")
)

// InstanceType is a kind of machine.
type InstanceType struct {
	// Name by default is made of CPU and memory, as in karpenter-4-16Gi.
	Name string
	// CPU, Memory and Pods are what a node of this kind has to give to pods: allocatable, not capacity. Defaults 4, 16Gi
	// and 110.
	CPU, Memory, Pods resource.Quantity
	// Price of an hour; only the comparison counts. Default: the number of CPUs.
	Price float64
}

// NodePool is a set of nodes with the same limits and rules.
type NodePool struct {
	// Name of the pool; its nodes carry it in the label karpenter.sh/nodepool.
	Name string
	// InstanceTypes by name and Zones by letter ("a") restrict the pool. Default: all.
	InstanceTypes, Zones []string
	// Spot says that its nodes are of capacity type spot instead of on-demand.
	Spot bool
	// Labels and Taints of its nodes.
	Labels map[string]string
	Taints []corev1.Taint
	// Limits on the sum of the capacity of its nodes; Karpenter orders none beyond. A node counts with what the KWOK provider
	// reserves, 100m CPU and 10Mi, on top of what an InstanceType says. Default: none.
	Limits corev1.ResourceList
	// ConsolidateAfter is how long the pods of a node must have been the same before Karpenter thinks of removing or replacing it,
	// in whole seconds. Default 10 seconds; negative: it never does.
	ConsolidateAfter time.Duration
	// OnlyEmpty has Karpenter remove nodes without pods only. Default: also those whose pods fit elsewhere.
	OnlyEmpty bool
	// Budget is how many nodes Karpenter may disrupt at a time, a number or a percentage. Default 100%; Karpenter's own
	// default is 10%.
	Budget string
}

func (k Karpenter) withDefaults() Karpenter {
	if k.Region == "" {
		k.Region = "region-1"
	}
	if k.Zones == 0 {
		k.Zones = 3
	}
	if k.BatchIdle == 0 {
		k.BatchIdle = time.Second
	}
	if k.BatchMax == 0 {
		k.BatchMax = 10 * time.Second
	}
	k.InstanceTypes = slices.Clone(k.InstanceTypes)
	if len(k.InstanceTypes) == 0 {
		k.InstanceTypes = []InstanceType{{}}
	}
	for i := range k.InstanceTypes {
		k.InstanceTypes[i] = k.InstanceTypes[i].withDefaults()
	}
	k.NodePools = slices.Clone(k.NodePools)
	if len(k.NodePools) == 0 {
		k.NodePools = []NodePool{{Name: "default"}}
	}
	for i := range k.NodePools {
		k.NodePools[i] = k.NodePools[i].withDefaults()
	}
	return k
}

func (t InstanceType) withDefaults() InstanceType {
	for field, value := range map[*resource.Quantity]string{&t.CPU: "4", &t.Memory: "16Gi", &t.Pods: "110"} {
		if field.IsZero() {
			*field = resource.MustParse(value)
		}
	}
	if t.Name == "" {
		t.Name = "karpenter-" + t.CPU.String() + "-" + t.Memory.String()
	}
	if t.Price == 0 {
		t.Price = t.CPU.AsApproximateFloat64()
	}
	return t
}

func (p NodePool) withDefaults() NodePool {
	if p.ConsolidateAfter == 0 {
		p.ConsolidateAfter = 10 * time.Second
	}
	if p.Budget == "" {
		p.Budget = "100%"
	}
	return p
}

func (k Karpenter) validate() error {
	if k.Zones < 1 || k.Zones > 26 {
		return fmt.Errorf("there are letters for 1 to 26 zones, not for %d", k.Zones)
	}
	if k.RegistrationDelay < 0 || k.RegistrationDelay%time.Second != 0 {
		return fmt.Errorf("a registration delay is a number of whole seconds, not %s", k.RegistrationDelay)
	}
	for _, pool := range k.NodePools {
		if pool.Name == "" {
			return errors.New("a NodePool needs a name")
		}
		if pool.ConsolidateAfter > 0 && pool.ConsolidateAfter%time.Second != 0 {
			return fmt.Errorf("the NodePool %s can consolidate after a number of whole seconds, not after %s", pool.Name, pool.ConsolidateAfter)
		}
	}
	return nil
}

func (k Karpenter) zone(i int) string { return k.Region + "-" + string(rune('a'+i)) }

// instanceTypes is the file that Karpenter's KWOK provider reads.
func (k Karpenter) instanceTypes() ([]byte, error) {
	var types []any
	for _, t := range k.InstanceTypes {
		cpu, memory := t.CPU.DeepCopy(), t.Memory.DeepCopy()
		cpu.Add(reservedCPU)
		memory.Add(reservedMemory)
		var offerings []any
		for i := range k.Zones {
			for _, capacityType := range []string{"on-demand", "spot"} {
				offerings = append(offerings, map[string]any{
					"Price": t.Price, "Available": true,
					"Requirements": []any{
						in("karpenter.sh/capacity-type", capacityType), in(corev1.LabelTopologyZone, k.zone(i)),
					},
				})
			}
		}
		types = append(types, map[string]any{
			"name": t.Name, "architecture": "amd64", "operatingSystems": []any{"linux"}, "offerings": offerings,
			"resources": map[string]any{"cpu": cpu.String(), "memory": memory.String(), "pods": t.Pods.String()},
		})
	}
	data, err := json.Marshal(types)
	if err != nil {
		return nil, fmt.Errorf("encoding Karpenter's instance types: %w", err)
	}
	return data, nil
}

// objects are the node class and the NodePools.
func (k Karpenter) objects() []*unstructured.Unstructured {
	objects := []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": map[string]any{"name": nodeClass},
		"spec": map[string]any{"nodeRegistrationDelay": seconds(k.RegistrationDelay)},
	}}}
	for _, pool := range k.NodePools {
		objects = append(objects, k.nodePool(pool))
	}
	return objects
}

func (k Karpenter) nodePool(p NodePool) *unstructured.Unstructured {
	labels := map[string]any{corev1.LabelTopologyRegion: k.Region}
	for key, value := range p.Labels {
		labels[key] = value
	}
	limits := map[string]any{}
	for name, quantity := range p.Limits {
		limits[string(name)] = quantity.String()
	}
	template := map[string]any{
		"nodeClassRef": map[string]any{"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": nodeClass},
		"requirements": k.requirements(p),
		"taints":       taints(p.Taints),
		"expireAfter":  "Never",
	}
	pool := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": p.Name},
		"spec": map[string]any{
			"template":   map[string]any{"metadata": map[string]any{"labels": labels}, "spec": template},
			"disruption": p.disruption(),
			"limits":     limits,
		},
	}}
	pool.SetGroupVersionKind(nodePoolKind)
	return pool
}

func (k Karpenter) requirements(p NodePool) []any {
	capacityType := "on-demand"
	if p.Spot {
		capacityType = "spot"
	}
	requirements := []any{in("karpenter.sh/capacity-type", capacityType)}
	if len(p.InstanceTypes) > 0 {
		requirements = append(requirements, in(corev1.LabelInstanceTypeStable, p.InstanceTypes...))
	}
	if len(p.Zones) > 0 {
		zones := make([]string, len(p.Zones))
		for i, letter := range p.Zones {
			zones[i] = k.Region + "-" + strings.ToLower(letter)
		}
		requirements = append(requirements, in(corev1.LabelTopologyZone, zones...))
	}
	return requirements
}

func (p NodePool) disruption() map[string]any {
	policy := "WhenEmptyOrUnderutilized"
	if p.OnlyEmpty {
		policy = "WhenEmpty"
	}
	after := "Never"
	if p.ConsolidateAfter > 0 {
		after = seconds(p.ConsolidateAfter)
	}
	return map[string]any{
		"consolidationPolicy": policy, "consolidateAfter": after,
		"budgets": []any{map[string]any{"nodes": p.Budget}},
	}
}

func taints(taints []corev1.Taint) []any {
	all := make([]any, len(taints))
	for i, t := range taints {
		all[i] = map[string]any{"key": t.Key, "value": t.Value, "effect": string(t.Effect)}
	}
	return all
}

// in is a requirement as nodes and NodePools have it.
func in(key string, values ...string) map[string]any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return map[string]any{"key": key, "operator": "In", "values": all}
}

// seconds writes a duration as the CRDs of Karpenter want it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
