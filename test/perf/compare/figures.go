package main

import "slices"

// figure is a number by which a change is judged. more and less say what it means that the head has more, or less, of it.
type figure struct {
	unit, title string
	more, less  string
}

// figures in the order in which they are shown. All but ordinary-pods/s are the better the less they are.
var figures = []figure{
	{"burst-s", "burst", "is slower by %s", "is faster by %s"},
	{"p50-ms", "p50", "is slower by %s", "is faster by %s"},
	{"ordinary-pods/s", "ordinary pods a second", "is faster by %s", "is slower by %s"},
	{"scheduler-cpu-ms/pod", "scheduler CPU a pod", "spends %s more CPU", "spends %s less CPU"},
	{"process-cpu-ms/pod", "process CPU a pod", "spends %s more CPU", "spends %s less CPU"},
	{"alloc-KiB/pod", "bytes allocated a pod", "allocates %s more", "allocates %s less"},
	{"allocs/pod", "allocations a pod", "allocates %s more often", "allocates %s less often"},
	{"sec/op", "time", "is slower by %s", "is faster by %s"},
	{"B/op", "bytes allocated", "allocates %s more", "allocates %s less"},
	{"allocs/op", "allocations", "allocates %s more often", "allocates %s less often"},
}

// placeOf is the figure's place in the order.
func placeOf(f figure) int { return slices.Index(figures, f) }

// figureOf reports whether a unit is compared, and as which figure.
func figureOf(unit string) (figure, bool) {
	for _, f := range figures {
		if f.unit == unit {
			return f, true
		}
	}
	return figure{}, false
}
