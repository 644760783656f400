package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

//go:embed karpenter/rights.yaml
var karpenterRights []byte

// Kinds of Karpenter that tests and the demo look at.
var (
	nodePoolKind  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
	NodeClaimKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
)

// Karpenter says what nodes Karpenter may make, and when. The zero value is good: nodes of 4 CPU and 16Gi in three
// zones, there at once, and taken away 10 seconds after they are of no more use.
type Karpenter struct {
	// RegistrationDelay is the time between Karpenter's order for a node and the appearance of its Node object, as the start of
	// a machine takes it, in whole seconds. Default 0.
	RegistrationDelay time.Duration
	// Region and Zones as in Nodes, so that fixed nodes and Karpenter's can lie in the same zones. Defaults region-1 and 3.
	Region string
	Zones  int
	// InstanceTypes that a NodePool may choose from; Karpenter takes the cheapest that serve. Default: one of 4 CPU and
	// 16Gi.
	InstanceTypes []InstanceType
	// NodePools, at least one. Default: one with the name "default" and all defaults.
	NodePools []NodePool
	// BatchIdle and BatchMax are how long Karpenter waits for more pending pods before it orders nodes. Defaults are
	// Karpenter's own: one and ten seconds.
	BatchIdle, BatchMax time.Duration
	// Env is added to Karpenter's environment, as NAME=value, for any other of its settings.
	Env []string
}

// RunKarpenter runs the real Karpenter with its KWOK provider as one more program of the cluster, and returns when it has taken up
// its NodePools. Start it on a cluster with KWOK (not APIServerOnly): the provider makes Node objects, and KWOK simulates the
// kubelets of those too, leases and all.
//
//	c, err := cluster.Start(ctx, cluster.Options{})
//	_, err = c.RunKarpenter(ctx, cluster.Karpenter{RegistrationDelay: 20 * time.Second})
//
// From then on pods that no node has room for get nodes (a scheduler must run, which says so in their status), and
// nodes that are not needed go. It works with the credentials of the service account karpenter/karpenter and the RBAC
// rules of karpenter/rights.yaml. Its log is LogDir/karpenter.log, and it ends with the cluster. Karpenter insists on
// two ports, for metrics and health; they are free ones, but of all interfaces. What it did can be seen in the
// NodeClaims and in the events Nominated of pods.
func (c *Cluster) RunKarpenter(ctx context.Context, k Karpenter) (*process.Process, error) {
	k = k.withDefaults()
	if err := k.validate(); err != nil {
		return nil, err
	}
	binary, err := c.tools.Binary("karpenter")
	if err != nil {
		return nil, err
	}
	crds, err := c.tools.KarpenterCRDs()
	if err != nil {
		return nil, err
	}
	rights, err := Parse(karpenterRights)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.ApplyFiles(ctx, crds...), c.Apply(ctx, rights...)); err != nil {
		return nil, err
	}
	if err := c.waitRights(ctx, account{"karpenter", "karpenter"}, rights); err != nil {
		return nil, err
	}
	if err := c.Apply(ctx, k.objects()...); err != nil {
		return nil, err
	}
	env, err := c.karpenterEnv(ctx, k)
	if err != nil {
		return nil, err
	}
	p, err := c.watch(process.Spec{Name: "karpenter", Path: binary, Env: env, Grace: programGrace})
	if err != nil {
		return nil, err
	}
	return p, c.waitNodePools(ctx, p, k.NodePools)
}

func (c *Cluster) karpenterEnv(ctx context.Context, k Karpenter) ([]string, error) {
	instanceTypes := filepath.Join(c.group.Dir, "karpenter-instance-types.json")
	data, err := k.instanceTypes()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(instanceTypes, data, 0o600); err != nil {
		return nil, fmt.Errorf("writing Karpenter's instance types: %w", err)
	}
	kubeconfig, err := c.KubeconfigFor(ctx, "karpenter", "karpenter")
	if err != nil {
		return nil, err
	}
	return append([]string{
		"KUBECONFIG=" + kubeconfig,
		"INSTANCE_TYPES_FILE_PATH=" + instanceTypes,
		"SYSTEM_NAMESPACE=karpenter",
		"KARPENTER_SERVICE=karpenter",
		"KUBERNETES_MIN_VERSION=1.19.0-0",
		"DISABLE_LEADER_ELECTION=true",
		"METRICS_PORT=0",
		"HEALTH_PROBE_PORT=0",
		"BATCH_IDLE_DURATION=" + k.BatchIdle.String(),
		"BATCH_MAX_DURATION=" + k.BatchMax.String(),
	}, k.Env...), nil
}

// waitNodePools waits until Karpenter says of every NodePool that it is ready, which nobody but Karpenter does.
func (c *Cluster) waitNodePools(ctx context.Context, p *process.Process, pools []NodePool) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("its NodePools are not ready after %s", c.timeout))
	defer cancel()
	return p.WaitReady(ctx, func(ctx context.Context) error {
		for _, pool := range pools {
			found := &unstructured.Unstructured{}
			found.SetGroupVersionKind(nodePoolKind)
			if err := cl.Get(ctx, types.NamespacedName{Name: pool.Name}, found); err != nil {
				return err
			}
			if !hasCondition(found, "Ready") {
				return fmt.Errorf("the NodePool %s is not ready: %s", pool.Name, conditionMessages(found))
			}
		}
		return nil
	})
}

// conditionMessages says what the conditions of an object say that are not True.
func conditionMessages(obj *unstructured.Unstructured) string {
	var messages []string
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, entry := range conditions {
		if condition, ok := entry.(map[string]any); ok && condition["status"] != "True" {
			messages = append(messages, fmt.Sprintf("%v is %v: %v", condition["type"], condition["status"], condition["message"]))
		}
	}
	return strings.Join(messages, "; ")
}

// NodeClaims lists the nodes that Karpenter has ordered, those included that are not there yet or are going, by name.
func (c *Cluster) NodeClaims(ctx context.Context) ([]unstructured.Unstructured, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(NodeClaimKind)
	if err := cl.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing NodeClaims: %w", err)
	}
	return list.Items, nil
}
