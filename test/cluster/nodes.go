package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// createAtOnce is how many nodes are created in parallel.
const createAtOnce = 16

// Nodes describes nodes that are alike. KWOK simulates their kubelets.
type Nodes struct {
	// Count of nodes, at least 1.
	Count int
	// First is the number in the name of the first node. Default 1.
	First int
	// Prefix of the names, "node" by default: node-01, node-02 and so on.
	Prefix string
	// Region of all, "region-1" by default.
	Region string
	// Zones is how many zones the nodes lie in, in turn: REGION-a, REGION-b and so on. Default 1, at most 26.
	Zones int
	// CPU, Memory, Pods and EphemeralStorage are the capacity of a node, all of it allocatable. Defaults 4, 16Gi, 110
	// and 100Gi.
	CPU, Memory, Pods, EphemeralStorage resource.Quantity
	// Extended are further resources, such as nvidia.com/gpu.
	Extended corev1.ResourceList
	// InstanceType is a label; by default it is made of CPU and memory, as in fixed-4-16Gi.
	InstanceType string
	// Arch is a label, amd64 by default.
	Arch string
	// Labels are added to the standard ones.
	Labels map[string]string
	// Taints of the nodes.
	Taints []corev1.Taint
}

func (n Nodes) withDefaults() Nodes {
	n.First = max(n.First, 1)
	n.Zones = max(n.Zones, 1)
	for field, value := range map[*string]string{&n.Prefix: "node", &n.Region: "region-1", &n.Arch: "amd64"} {
		if *field == "" {
			*field = value
		}
	}
	for field, value := range map[*resource.Quantity]string{
		&n.CPU: "4", &n.Memory: "16Gi", &n.Pods: "110", &n.EphemeralStorage: "100Gi",
	} {
		if field.IsZero() {
			*field = resource.MustParse(value)
		}
	}
	if n.InstanceType == "" {
		n.InstanceType = "fixed-" + n.CPU.String() + "-" + n.Memory.String()
	}
	return n
}

func (n Nodes) validate() error {
	switch {
	case n.Count < 1:
		return fmt.Errorf("a cluster needs at least one node, not %d", n.Count)
	case n.Zones > 26:
		return fmt.Errorf("there are letters for 26 zones, not for %d", n.Zones)
	}
	return nil
}

// Objects are the Node objects, in order of name.
func (n Nodes) Objects() []*corev1.Node {
	n = n.withDefaults()
	digits := max(2, len(strconv.Itoa(n.First+n.Count-1)))
	nodes := make([]*corev1.Node, n.Count)
	for i := range nodes {
		name := fmt.Sprintf("%s-%0*d", n.Prefix, digits, n.First+i)
		nodes[i] = n.object(name, n.Region+"-"+string(rune('a'+i%n.Zones)))
	}
	return nodes
}

func (n Nodes) object(name, zone string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: n.CPU, corev1.ResourceMemory: n.Memory, corev1.ResourcePods: n.Pods,
		corev1.ResourceEphemeralStorage: n.EphemeralStorage,
	}
	maps.Copy(capacity, n.Extended)
	labels := map[string]string{
		corev1.LabelHostname:           name,
		corev1.LabelTopologyRegion:     n.Region,
		corev1.LabelTopologyZone:       zone,
		corev1.LabelInstanceTypeStable: n.InstanceType,
		corev1.LabelArchStable:         n.Arch,
		corev1.LabelOSStable:           "linux",
	}
	maps.Copy(labels, n.Labels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: labels, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		},
		Spec: corev1.NodeSpec{ProviderID: "kwok://" + name, Taints: n.Taints},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			NodeInfo: corev1.NodeSystemInfo{Architecture: n.Arch, OperatingSystem: "linux"},
		},
	}
}

// AddNodes makes nodes and returns when all of them are ready for pods. The cluster must not be APIServerOnly.
func (c *Cluster) AddNodes(ctx context.Context, nodes Nodes) error {
	if err := nodes.validate(); err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	objects := nodes.Objects()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(createAtOnce)
	for _, node := range objects {
		group.Go(func() error {
			_, err := clientset.CoreV1().Nodes().Create(groupCtx, node, metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("creating nodes: %w", err)
	}
	return c.waitUsable(ctx, clientset, objects)
}

// waitUsable waits until KWOK has made the nodes ready and the node lifecycle controller has taken the taint of a new
// node away.
func (c *Cluster) waitUsable(ctx context.Context, clientset kubernetes.Interface, want []*corev1.Node) error {
	var waiting []string
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, c.timeout, true, func(ctx context.Context) (bool, error) {
		list, err := clientset.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return false, err
		}
		usable := map[string]bool{}
		for i := range list.Items {
			usable[list.Items[i].Name] = isUsable(&list.Items[i])
		}
		waiting = waiting[:0]
		for _, node := range want {
			if !usable[node.Name] {
				waiting = append(waiting, node.Name)
			}
		}
		return len(waiting) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		first := strings.Join(waiting[:min(len(waiting), 3)], ", ")
		return fmt.Errorf("%d of %d nodes are not ready after %s, %s among them", len(waiting), len(want), c.timeout, first)
	}
	if err != nil {
		return fmt.Errorf("waiting for nodes: %w", err)
	}
	return nil
}

func isUsable(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
