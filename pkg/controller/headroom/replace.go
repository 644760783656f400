package headroom

import (
	"cmp"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// brake is how many replacements for one reason may be made now. Those that may be no better than what they replace have to wait: they
// can fail, be changed by admission or be outdated again as fast as they are made.
type brake struct {
	// left is how many may be made; if there are more, wait is when to look again, zero: no need.
	left int
	wait time.Duration
	// used is how many were tried.
	used int
}

// brakesOf returns the brakes as they are now.
func (r *Reconciler) brakesOf(headroom *v1alpha1.Headroom, seen *observation, template string) map[topup.Reason]*brake {
	key := client.ObjectKeyFromObject(headroom)
	after := func(memory *retries) *brake {
		if wait, _ := memory.due(key, headroom.Generation); wait > 0 {
			return &brake{wait: wait}
		}
		return &brake{left: maxWrites}
	}
	outdated := &brake{}
	outdated.left, outdated.wait = r.relapses.allow(key, template, outdatedUnits(seen.units, template))
	return map[topup.Reason]*brake{
		topup.ReasonLost: after(r.losses), topup.ReasonNonconforming: after(r.deviations), topup.ReasonOutdated: outdated,
	}
}

// outdatedUnits counts the units of another template.
func outdatedUnits(units []unit, template string) int {
	n := 0
	for _, u := range units {
		if (u.State == topup.Pending || u.State == topup.Bound) && u.Template != template {
			n++
		}
	}
	return n
}

// tighten notes what was tried, so that what comes next has to wait for longer. failing is how a unit failed, if one did. It returns when
// to look again at units that admission changed; zero: no need.
func (r *Reconciler) tighten(headroom *v1alpha1.Headroom, brakes map[topup.Reason]*brake, failing *problem) (retry time.Duration) {
	key := client.ObjectKeyFromObject(headroom)
	if brakes[topup.ReasonLost].used > 0 {
		r.losses.failed(key, headroom.Generation, failing)
	}
	if brakes[topup.ReasonNonconforming].used > 0 {
		retry = r.deviations.failed(key, headroom.Generation, nil)
	}
	if n := brakes[topup.ReasonOutdated].used; n > 0 {
		r.relapses.replaced(key, n)
	}
	return retry
}

// replaceAll replaces placeholders one by one, so that what a crash in between can lose is one of them.
func (r *Reconciler) replaceAll(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation, p plan) (done outcome, err error) {
	brakes := r.brakesOf(headroom, seen, p.template)
	var failing *problem
	defer func() { done.retry = soonest(done.retry, r.tighten(headroom, brakes, failing)) }()
	asked, pointless := false, false
	for i, replacement := range p.actions.Replace {
		if i == maxWrites {
			done.retry = soonest(done.retry, again)
			break
		}
		b := brakes[replacement.Reason]
		if b.used >= b.left {
			done.retry = soonest(done.retry, b.wait)
			continue
		}
		if replacement.Reason == topup.ReasonLost {
			failing = cmp.Or(seen.failureOf(replacement.Old.UID), failing)
		} else if !asked {
			// Before one of the old is given up. A quota is no obstacle, since the old one gives its share back.
			if pointless, err = r.wouldDeviate(ctx, headroom, seen); err != nil && !isQuota(err) {
				return done, err
			}
			asked = true
		}
		b.used++
		if pointless && replacement.Reason == topup.ReasonNonconforming {
			continue
		}
		next, err := r.replace(ctx, headroom, replacement, p.places[replacement.New.Ordinal].Place)
		if done = done.and(next); err != nil {
			return done, err
		}
	}
	return done, nil
}

// wouldDeviate asks the API server whether a new placeholder would be none better than one that is not as it should be.
func (r *Reconciler) wouldDeviate(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation) (bool, error) {
	got, err := r.dryRunCreate(ctx, headroom)
	if err != nil || got == nil {
		return false, err
	}
	return seen.classes.deviation(headroom, got) != "", nil
}

// replace deletes one placeholder and creates another, of another name, in its place. The old one goes first: its room and its share of a
// quota are those of the new one.
func (r *Reconciler) replace(
	ctx context.Context, headroom *v1alpha1.Headroom, replacement topup.Replacement, place placeholder.Place,
) (outcome, error) {
	if err := r.delete(ctx, headroom, replacement.Old, replacement.Reason); err != nil {
		return outcome{}, err
	}
	done := outcome{deleted: []types.UID{replacement.Old.UID}}
	if replacement.New.FromRollout {
		r.rollouts.rolloutStep(client.ObjectKeyFromObject(headroom), 1)
	}
	pod, err := r.create(ctx, headroom, replacement.New, place)
	switch {
	case pod != nil:
		done.created = []*corev1.Pod{pod}
	case err == nil:
		done.retry = again // the name was taken
	}
	return done, err
}
