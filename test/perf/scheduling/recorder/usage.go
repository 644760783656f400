package recorder

import (
	"runtime/metrics"
	"syscall"
	"time"
)

// usage is what the process had used up at an instant.
type usage struct {
	cpu        time.Duration
	allocBytes uint64
	allocs     uint64
}

// heapLive is the heap that the last garbage collection found reachable: unlike the heap in use it does not depend on how
// soon the next collection comes.
const heapLive = "/gc/heap/live:bytes"

// readUsage is cheap enough to be called for each pod: it stops nothing.
func readUsage() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(samples)
	return usage{
		cpu:        time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		allocBytes: samples[0].Value.Uint64(),
		allocs:     samples[1].Value.Uint64(),
	}
}

func readHeapLive() uint64 {
	samples := []metrics.Sample{{Name: heapLive}}
	metrics.Read(samples)
	return samples[0].Value.Uint64()
}
