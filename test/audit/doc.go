// Package audit knows what programs asked of an API server, and whether they might: from the audit log that the API server itself
// writes, not from what the programs say. It compares that with the rights that manifests grant.
package audit
