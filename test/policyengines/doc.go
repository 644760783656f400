// Package policyengines has policy engines judge placeholders, by their own command line tools and by the files of
// manifests/samples/policies, which the documentation shows. `make test-policy-engines` runs it.
package policyengines
