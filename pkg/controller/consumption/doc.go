// Package consumption tells a placeholder that a pod took from one that was deleted by a drain, a user, an autoscaler or the
// controller itself, and finds out which pod took it. docs/reference/events.md has the rules.
//
// The Ledger decides: it joins placeholders that went with the evidence of why. The Finder gathers the evidence that counts, the annotation
// that the scheduler's binding put on the consumer. The Watcher reads events, which only say where to look, and, of preemptions, for whom.
package consumption
