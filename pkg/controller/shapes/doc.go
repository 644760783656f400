// Package shapes follows the workload of spec.shapeFrom: it gathers its template and its pods from pkg/controller/workload, has pkg/shape
// decide, and puts the result into status.shape and the condition Shaped. The shape that units have is in the status, and stays as long
// as no other can be told.
package shapes
