package headroom

import (
	"errors"
	"sync"
)

// inBatches calls do for 0 to n-1: first once, then, while every call succeeds, twice, four times and so on at the same time.
// It returns how many calls were made in batches without failure, and the errors of the first batch that failed. What the API
// server refuses is so asked a few times and not a thousand times.
func inBatches(n int, do func(i int) error) (succeeded int, err error) {
	return inGroups(n, func(start int) int { return start + 1 }, do)
}

// inGroups is inBatches with so many calls at the same time as size says of the first of them.
func inGroups(n int, sizeAt func(start int) int, do func(i int) error) (succeeded int, err error) {
	for start, size := 0, 0; start < n; start += size {
		size = min(sizeAt(start), n-start)
		errs := make([]error, size)
		var running sync.WaitGroup
		for i := range size {
			running.Go(func() { errs[i] = do(start + i) })
		}
		running.Wait()
		if err := first(errs); err != nil {
			return start, err
		}
	}
	return n, nil
}

// first returns the first error, with all others that are about something else than a refusal.
func first(errs []error) error {
	var refusal error
	var rest []error
	for _, err := range errs {
		switch {
		case err == nil:
		case problemOf(err) == nil:
			rest = append(rest, err)
		case refusal == nil:
			refusal = err
		}
	}
	if len(rest) > 0 {
		return errors.Join(rest...)
	}
	return refusal
}
