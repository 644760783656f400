// Package ladder decides on which step of priority the next unit of a Headroom stands, so that kube-scheduler, which preempts the lowest
// priority first, spends the units evenly over the zones. It is pure: it looks at numbers and names, and talks to nobody.
//
// Steps are numbered from 1, the lowest priority and the first to go. The rules:
//
//  1. A new unit is meant for the domain that has the fewest units; of equals, for the first by its name.
//  2. It stands on the step that the fewest units of its domain stand on; of equals, on the highest. So the first unit of a domain is the
//     last to go, and where a domain has more units than there are steps, these are shared out evenly. Of units that are made together,
//     those that come first stand highest.
//  3. Where no domains are known, all units are taken for those of one.
//
// As long as every domain has its units on steps by these rules, whoever takes a unit of the lowest step first leaves no domain with more
// units than another has, but for those of one step and the one by which they may differ in number.
package ladder
