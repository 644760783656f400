// Package clustertest is what tests need of package cluster: clusters that the tests of a package share, or that end with one test, and
// namespaces and addresses that are one test's own.
//
//	func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }
//
//	c := clustertest.Shared(t)
//	namespace := clustertest.Namespace(t, c, nil)
package clustertest
