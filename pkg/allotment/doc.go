// Package allotment decides how many units each Headroom may make now, so that no tenant's Headrooms keep another's from theirs. It is
// pure: it looks at numbers, and talks to nobody.
//
// Two things are shared out. How many units there may be is bounded for each Headroom, each namespace, and in all. And how many units
// may wait for a node at a time is bounded in all, by the window: the scheduler looks at pods of one priority in the order in which they
// came, and autoscalers look at all pending pods in every round, so that a unit that is made behind twenty thousand others waits for
// them.
//
// The rules:
//
//  1. The window is filled by round robin: the next unit is made by the Headroom that has the fewest waiting, and of those with as few
//     by the one whose last turn is longest ago. So one that comes later need not wait for those that were there before, only for the
//     next place in the window.
//  2. No place stays empty that a Headroom could use (work-conserving), and there are never more units waiting than the window has
//     places.
//  3. Units that wait where nothing comes, because no autoscaler adds nodes, would keep the window full for ever. So a Headroom that has
//     waited for some time and has fewer units waiting than its fair share, which is the window divided by the number of Headrooms that
//     have or want places, gets places of those that have more than theirs. They give back units that wait, which hold no room.
//  4. Units that exist count towards the limits whatever becomes of them, and no limit deletes one.
package allotment
