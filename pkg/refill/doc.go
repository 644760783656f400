// Package refill decides which of the units that are missing may be made now, as spec.refill says, and how many may wait. It is pure: it
// looks at numbers and times, and talks to nobody.
//
// The rules:
//
//  1. After spec.refill.ttl, counted from the creation of the Headroom, no unit is wanted.
//  2. With the policy Once, as many fewer units are wanted as pods took since the policy became Once. No unit is made in the place of one
//     of which it is not known yet whether a pod took it, and none at all until the number from which on takes count is written down: so
//     no kill of the controller has one unit taken twice.
//  3. No unit is made in the place of one that went less than spec.refill.delay ago.
//  4. When units have waited for spec.refill.parkAfter without a sign that room comes, the Headroom is parked: only probes wait, one for
//     each domain over which the units are spread, and at least one. Signs are that a unit was bound, and for up to three times as long
//     that an autoscaler says that it adds room. While the Headroom is parked, two units wait in the place of each one that is
//     bound, and all of them when that is as many as are missing. When nothing was bound for parkAfter again, only probes wait again.
//  5. While a Headroom is parked and pods that came less than ten minutes ago find no room, no unit is made that is not there, for ten
//     minutes at most.
//  6. No more units wait for room at a time than spec.refill.maxPending says. Those that are more go.
package refill
