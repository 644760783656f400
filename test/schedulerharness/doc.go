// Package schedulerharness runs schedulers inside a test against a real API server, all in one process.
//
// It is an adapter around the harness of Kubernetes' own scheduler tests (k8s.io/kubernetes/test/integration/framework and
// test/integration/util): the API server is kube-apiserver's test server, since the bare control plane of
// test/integration/framework serves no CustomResourceDefinitions and Headrooms are custom resources. Nothing plays kubelet,
// node controller or garbage collector: what happens to a pod is what the scheduler under test or the test itself did.
//
// A package of tests calls [Main] from its TestMain. Its tests then share one API server and run one after another; each gets a
// [Cluster] of its own from [New]: a namespace, and a cluster without nodes, Headrooms or pods. Schedulers are started and
// killed by the test. Everything lives on ephemeral ports and in one temporary directory, so that several packages, or several
// runs of one, do not disturb each other; etcd ends with the test process even when that is killed.
//
// The harness needs one binary, etcd: see [FindEtcd].
package schedulerharness
