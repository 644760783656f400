// Package cluster runs a real Kubernetes control plane on one machine, for the integration tests, the sandbox, the
// demo and the benchmarks: etcd, kube-apiserver, kube-controller-manager, and KWOK, which simulates the kubelets. No
// containers, no root.
//
//	c, err := cluster.Start(ctx, cluster.Options{})   // in a test: clustertest.Shared(t)
//	defer c.Stop()
//	c.AddNodes(ctx, cluster.Nodes{Count: 12, Zones: 3})
//	c.ApplyFiles(ctx, "manifests/crd")
//	c.RunKarpenter(ctx, cluster.Karpenter{})          // nodes that come and go, where they are wanted
//
// Clusters do not disturb each other: etcd listens on a socket in the cluster's own temporary folder, the port of the
// API server is reserved before it starts, and nothing else listens. Whatever becomes of the program that started it,
// nothing of a cluster is left (see package process).
//
// RBAC and the default admission plugins are on, and every controller works under its own service account, as in a
// real cluster. KWOK admits every pod that is bound to a node: what a kubelet would refuse, it runs.
//
// Why not controller-runtime's envtest control plane: it starts its programs itself, so they could neither join a
// process group that ends with the parent nor write a log file of their own; its error for a program that dies at
// start is "timeout waiting for process" without the cause; and it turns the ServiceAccount admission plugin off.
package cluster
