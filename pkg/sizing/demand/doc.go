// Package demand says how many units a Headroom needs, from what its account remembers of the demand and of the refills. It is pure: time
// is a parameter, and the same input gives the same result.
//
// It is the base-stock rule of inventory theory, for a stock of which each unit that goes is ordered anew at once, and comes after a lead
// time L, here the refill time. With a base stock of S units, S - D(t-L, t] of them are at hand at any time t: whatever was ordered before
// t-L has come, and what was asked for since has not. So the stock covers the demand if and only if S covers the demand of one lead time:
//
//	S = the smallest x with P(D(L) <= x) >= served
//
// Sources: P. H. Zipkin, Foundations of Inventory Management, McGraw-Hill 2000, chapter 6 (stochastic demand, one item with a constant lead
// time: the base-stock policy); E. A. Silver, D. F. Pyke, D. J. Thomas, Inventory and Production Management in Supply Chains, 4th edition,
// CRC Press 2017, chapter 6 (individual items with probabilistic demand: the order-up-to level, and the service measure P1).
//
// How D(L) is known:
//
//  1. Refill time. L is the 90th percentile of the refills that needed a node. Refills that are still awaited count with their age, where
//     that raises it. It is 120 s without any refill, at most MaxRefill, and what the finished ones say while units are parked.
//  2. Window. The demand of a window of length L is the units that were taken and those that entitled pods lacked; what one pod lacked and
//     took counts once. Units that went for any other reason are no demand. A window counts at most Max, whatever one Job asks for.
//  3. Censoring. A window in which the stock was empty, in which nobody looked, or which is not over may have asked for more than was seen.
//     It may raise the estimate, and never lowers it: the quantile is the smallest x that is exceeded by at most (1-served)·n windows,
//     where censored ones count among those that exceed it, and not in n.
//  4. Pool. The windows are those of the same hour of the earlier seasons (weeks or days), and those of the last half hour. If they are
//     fewer than Enough, the hours beside it are pooled with it; if that is not enough, all hours are, and at last the maximum counts. See
//     Pool. "The hour" is the one around the time at which what is ordered now serves: two refill times from now.
//  5. Tail. Of n windows nobody sees what happens once in 1000, if n is smaller than that. Then the largest window is taken for one that n
//     windows of Poisson demand have as their largest, at the level n/(n+1), and that demand's quantile counts.
//  6. Once is no rhythm. What only one of the seasons showed (more than twice as much as each other) counts as far as the quantile of all
//     hours goes, and no further: the level is kept over all time without it.
//  7. No rhythm. Seasons count only if they foretell the next. A window is unforeseen if it asks for more than twice what all earlier
//     seasons did around the same time of it, and for more than rule 5 makes of that. If there are more such windows than the level leaves
//     to chance (the DefaultServed quantile of the Poisson distribution with the mean (1-served)·n), as where groups of any size come at
//     any time, the hours keep no level, and there are at least as many units as the quantile of all hours says.
//  8. Burst. Units that went within the last refill time and have not come back, with what pods lacked in that time, are the demand that is
//     under way. Once it has used up half of S, S covers that it goes on at this rate, by the quantile of the Poisson distribution.
//
// More demand never gives fewer units, and neither does a higher level, apart from rule 1, where longer refills give longer windows, and
// from rule 7 where demand comes again at the same time, and so makes a rhythm of what was none.
package demand
