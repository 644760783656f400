// Package account is the one account of a Headroom: which pods took its units, which units went otherwise and why, what entitled pods
// lacked, and how long refills took. Whoever needs any of that reads it here; nobody keeps a second one. It is pure: time is a parameter,
// and it talks to no API server.
//
// An account remembers Days days by the hour, each hour in slots of two minutes, and the last Takes takes. Its stored form is
// v1alpha1.AccountRecord, of at most MaxBytes whatever was recorded: see Encode.
//
// What the words mean:
//
//   - taken: the unit was evicted by the decision to bind a consumer in its place, or preempted for one;
//   - lost: it went for any other reason, see Loss. A unit that went without a word, and that no pod took within Patience, is abandoned;
//   - lacked: units that would have served an entitled pod that found no room, each pod once;
//   - refill: from the moment in which a unit went until one is bound in its place, the longest missing served first.
package account
