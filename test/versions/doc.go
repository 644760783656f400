// Package versions tests the product on API servers of earlier Kubernetes versions: the same binaries, the rights of their
// manifests, and the life of a Headroom in small. It is behind the build tag "versions" because the control planes take long to
// build; `make test-versions` builds and runs it, and docs/reference/kubernetes-versions.md has the result.
package versions
