// Package sizing decides how many units a Headroom with spec.sizing holds. It is pure.
//
//  1. Each rule comes to a number of units and a sentence that says why: OfPods, OfRequests, UpTo and Schedule have the arithmetic, and
//     their caller the evidence. A rule that cannot be evaluated keeps the number that it came to last, so that no error makes a
//     Headroom smaller.
//  2. The largest number counts. As long as the stabilization window lasts, so does a larger one that the rules came to (Memory).
//  3. It is never below the floor, spec.replicas, which is what kubectl scale and HorizontalPodAutoscalers set.
//  4. It is never above max and maxResources, whatever rules and floor say.
//
// Decide does steps 2 to 4 and says which of them made the number what it is.
package sizing
