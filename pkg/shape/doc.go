// Package shape says what a unit has to be like to serve the pods of a workload: their size, and where they may go. It is pure.
//
//  1. Of reads both from a pod template: requests as the scheduler counts them, with init containers, sidecars and requests of the pod as
//     a whole; node selector, node affinity, tolerations, spread and RuntimeClass. The overhead of the RuntimeClass is not among the
//     requests, since admission adds it to a placeholder of that RuntimeClass as it does to the pod.
//  2. Placement is made fit for placeholders: no toleration of everything and none of nodes that an autoscaler takes away, no affinity to
//     pods, and constraints that spread the placeholders and not the pods of the workload.
//  3. Larger adds what pods that run request more than their template, because admission or an autoscaler changed them.
//  4. Remembered says how large they are while none is bound, as after a scale to zero, or while they are being replaced.
//  5. Next says whether placeholders follow: not for less than 10 percent, not twice within 10 minutes, not while the workload rolls.
package shape
