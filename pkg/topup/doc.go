// Package topup decides how a Headroom with placement Cluster gets from the placeholders it has to those it should have.
// It is pure: Plan takes values and returns values, and asks neither a clock nor an API server.
//
// # Rules, in the order in which Plan applies them
//
//  1. Units that wait or are bound count. Units that are going (Terminating), are lost, or belong to somebody else do not,
//     but their names stay taken until they are gone.
//  2. Too many count: the surplus is deleted. Unavailable units go first, then pending ones, then outdated ones, then those whose
//     loss leaves the spread over the domains most even and the rest on the highest steps of a ladder, then the highest ordinal. Units
//     that a surge made stay for a while, and those that are promised to pods until these have taken them or wait no more.
//  3. Too few count, with those that a surge (surge.go) makes in the place of unavailable ones: lost units are replaced at once,
//     and what is still missing is created. Lost units that are not needed any more are deleted.
//  4. Pending units that are outdated, of an old template or nonconforming, are replaced at once: they hold no room.
//  5. Bound units that are outdated are replaced step by step, with maxUnavailable 25 % and at least one. See rollout.go for
//     what counts as outstanding and why this ends on a full cluster too. Promised ones stay as in rule 2.
//
// # Names
//
// Ordinals make names. Each new unit gets the lowest ordinal that is free: that no unit has, whatever its state and whether this plan
// deletes it or not, and that does not cool down. So no unit ever has the name of the one that it replaces: kube-scheduler 1.37 ends
// itself if it lists the pods anew after its watch broke, and finds that one which it knew on a node is now another pod of that name.
// An ordinal is always less than the units, those that go included, the ordinals that cool down, and the units to create come to
// together.
//
// Names make a repeated create harmless: it ends in AlreadyExists instead of a second pod. So the same plan, carried out twice by a
// restarted controller or one with a stale cache, gives the same placeholders.
package topup
