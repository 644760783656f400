package chaos

import (
	"context"
	"fmt"
	"slices"
)

// Compare runs the traffic of the options without Headrooms first, and then with them. It returns the report of the second run, which fails
// as well if that has more races than the first one and one in 1,000 binds.
func Compare(ctx context.Context, options Options) (*Report, error) {
	without, err := Run(ctx, options.withoutHeadrooms())
	if err != nil {
		return nil, err
	}
	if options.Out != nil {
		_, _ = fmt.Fprintf(options.Out, "\nwithout Headrooms: %s\n\n", without.Summary())
	}
	return Run(ctx, options.beside(without))
}

// withoutHeadrooms are the options of the same traffic without Headrooms. Nothing is a failure there.
func (o Options) withoutHeadrooms() Options {
	o.Without, o.Idle, o.MustHold = true, 0, []string{}
	o.LogDir += "-without"
	return o
}

// beside are the options of a run that is compared with one without Headrooms.
func (o Options) beside(without *Report) Options {
	o.Races = without.Races()
	if o.MustHold == nil {
		o.MustHold = Required()
	}
	if !slices.Contains(o.MustHold, Race) {
		o.MustHold = append(slices.Clone(o.MustHold), Race)
	}
	return o
}
