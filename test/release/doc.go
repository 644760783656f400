// Package release tests what make release-artifacts has made: it installs the product from the chart, the manifests and the images of a
// release, and upgrades to it from an earlier state of the product while Headrooms are held. `make test-release` runs it.
package release
