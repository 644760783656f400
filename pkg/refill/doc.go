// Package refill decides which of the units that are missing may be made now, as spec.refill says. It is pure: it looks at numbers and
// times, and talks to nobody.
//
// The rules:
//
//  1. After spec.refill.ttl, counted from the creation of the Headroom, no unit is wanted.
//  2. With the policy Once, as many fewer units are wanted as pods took since the policy became Once. No unit is made in the place of one
//     of which it is not known yet whether a pod took it, and none at all until the number from which on takes count is written down: so
//     no kill of the controller has one unit taken twice.
//  3. No unit is made in the place of one that went less than spec.refill.delay ago.
//  4. No more units wait for room at a time than spec.refill.maxPending says. Those that are more go.
package refill
