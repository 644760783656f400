package eviction

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientset "k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/util/workqueue"
)

// Evictor deletes reserved placeholders.
type Evictor struct {
	// Client deletes.
	Client clientset.Interface
	// Pods reports whether a pod is gone.
	Pods corelisters.PodLister
	// Reservations are what may be deleted.
	Reservations *Reservations
	// Credits are told of each deletion.
	Credits *Credits
	// Refusals are told of what the API server refuses. It may be nil.
	Refusals *Refusals
	// Wait bounds how long one victim that was terminating already or has finalizers is waited for.
	Wait time.Duration
	// Parallelism is how many victims of one consumer are deleted at the same time.
	Parallelism int
}

// Evict makes sure that the victims, which are reserved for the consumer, are gone from the API server, and returns those that this call
// deleted, in the order given: also if it fails. Victims that another consumer deletes, or that are being deleted already, are waited for
// and are not among them. It fails with nothing deleted if the consumer itself is gone or is being deleted.
func (e *Evictor) Evict(ctx context.Context, consumer *corev1.Pod, victims []*corev1.Pod) (deleted []*corev1.Pod, err error) {
	if err := e.wanted(consumer); err != nil {
		return nil, err
	}
	own := make([]bool, len(victims))
	if len(victims) == 1 {
		own[0], err = e.evict(ctx, consumer, victims[0])
	} else {
		// The first failure stops the deletions that have not begun: the consumer will not be bound.
		parallel, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		workqueue.ParallelizeUntil(parallel, e.Parallelism, len(victims), func(i int) {
			var failure error
			if own[i], failure = e.evict(parallel, consumer, victims[i]); failure != nil {
				cancel(failure)
			}
		})
		err = context.Cause(parallel)
	}
	for i, victim := range victims {
		if own[i] {
			deleted = append(deleted, victim)
		}
	}
	return deleted, err
}

// wanted fails if the consumer was deleted in the meantime: no placeholder must go for it.
func (e *Evictor) wanted(consumer *corev1.Pod) error {
	current, err := e.Pods.Pods(consumer.Namespace).Get(consumer.Name)
	switch {
	case apierrors.IsNotFound(err), err == nil && (current.UID != consumer.UID || current.DeletionTimestamp != nil):
		return fmt.Errorf("pod %s/%s was deleted before headroom was taken for it; nothing was evicted", consumer.Namespace, consumer.Name)
	case err != nil:
		return fmt.Errorf("looking up pod %s/%s: %w", consumer.Namespace, consumer.Name, err)
	}
	return nil
}

// evict returns when the victim is gone, and reports whether this call deleted it.
func (e *Evictor) evict(ctx context.Context, consumer, victim *corev1.Pod) (own bool, err error) {
	reserved, done, err := e.turn(ctx, victim)
	if err != nil {
		return false, err
	}
	defer done()
	if !e.Reservations.isDeleted(reserved) && (victim.DeletionTimestamp == nil || HalfDeleted(victim)) {
		own, err = e.deleteReserved(ctx, reserved, victim)
		if own || err != nil {
			e.Refusals.Answered(victim, err)
		}
		if own || err != nil && unanswered(err) {
			e.Credits.evicted(consumer.UID, victim, !own)
		}
		if err != nil {
			return false, err
		}
	}
	return own, e.await(ctx, reserved, victim)
}

// Remove deletes a placeholder for the sake of its node, and of no pod. Swaps that chose it too do not delete it from then on, so that none
// is credited with it; if one of them was first, nothing is done. mark runs before the deletion. It reports whether this call deleted it.
func (e *Evictor) Remove(ctx context.Context, victim *corev1.Pod, mark func(context.Context)) (removed bool, err error) {
	e.Reservations.Reserve(nobody, []*corev1.Pod{victim})
	defer e.Reservations.Release(nobody, []*corev1.Pod{victim})
	reserved, done, err := e.turn(ctx, victim)
	if err != nil {
		return false, err
	}
	defer done()
	if e.Reservations.isDeleted(reserved) {
		return false, nil
	}
	mark(ctx)
	return e.deleteReserved(ctx, reserved, victim)
}

// nobody holds the reservations of placeholders that go for no pod.
const nobody types.UID = "nobody"

// turn waits until nobody else deletes a victim, or waits for it to be gone. Call done afterwards.
func (e *Evictor) turn(ctx context.Context, victim *corev1.Pod) (reserved *reservation, done func(), err error) {
	reserved = e.Reservations.get(victim.UID)
	if reserved == nil {
		return nil, nil, fmt.Errorf("placeholder %s/%s is not reserved", victim.Namespace, victim.Name)
	}
	select {
	case reserved.turn <- struct{}{}:
		return reserved, func() { <-reserved.turn }, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for placeholder %s/%s, which another pod takes too: %w", victim.Namespace, victim.Name, ctx.Err())
	}
}

// deleteReserved deletes a victim whose turn the caller has, and reports whether it was still there.
func (e *Evictor) deleteReserved(ctx context.Context, reserved *reservation, victim *corev1.Pod) (found bool, err error) {
	if found, err = e.delete(ctx, victim); err != nil {
		return false, err
	}
	e.Reservations.markDeleted(reserved)
	if !found || !e.lingers(victim) {
		// With grace period 0 and no finalizer the API server has removed the object before it answered.
		reserved.goneOnce.Do(func() { close(reserved.gone) })
	}
	return found, nil
}

// unanswered reports whether a request that failed may have been carried out all the same.
func unanswered(err error) bool {
	var status apierrors.APIStatus
	return !errors.As(err, &status) || status.Status().Code >= http.StatusInternalServerError
}

// HalfDeleted reports whether a victim's deletion with grace period 0 has begun and nobody may be about to end it. The API server
// first marks such a pod and then removes it; if the client dies in between, the mark stays, and on a node that is gone there is
// no kubelet to clean up after it.
func HalfDeleted(victim *corev1.Pod) bool {
	grace := victim.DeletionGracePeriodSeconds
	return victim.DeletionTimestamp != nil && grace != nil && *grace == 0 && len(victim.Finalizers) == 0
}

// lingers reports whether finalizers keep a deleted victim.
func (e *Evictor) lingers(victim *corev1.Pod) bool {
	current, err := e.Pods.Pods(victim.Namespace).Get(victim.Name)
	return len(victim.Finalizers) > 0 || err == nil && current.UID == victim.UID && len(current.Finalizers) > 0
}

// delete removes exactly this placeholder, not a later one of the same name, and reports whether it was still there.
func (e *Evictor) delete(ctx context.Context, victim *corev1.Pod) (found bool, err error) {
	now := int64(0)
	err = e.Client.CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &victim.UID},
	})
	if err == nil || apierrors.IsNotFound(err) {
		return err == nil, nil
	}
	if apierrors.IsConflict(err) {
		current, getErr := e.Client.CoreV1().Pods(victim.Namespace).Get(ctx, victim.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(getErr) || getErr == nil && current.UID != victim.UID {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w placeholder %s/%s: %w", ErrRefused, victim.Namespace, victim.Name, err)
}

// await returns when the API server no longer has the victim.
func (e *Evictor) await(ctx context.Context, reserved *reservation, victim *corev1.Pod) error {
	select {
	case <-reserved.gone:
		return nil
	default:
	}
	// The deletion may have been seen before there was a reservation to note it in.
	if current, err := e.Pods.Pods(victim.Namespace).Get(victim.Name); apierrors.IsNotFound(err) || err == nil && current.UID != victim.UID {
		e.Reservations.Gone(victim.UID)
		return nil
	}
	waitCtx, cancel := context.WithTimeoutCause(ctx, e.Wait, errTooLong)
	defer cancel()
	select {
	case <-reserved.gone:
		return nil
	case <-waitCtx.Done():
		if errors.Is(context.Cause(waitCtx), errTooLong) {
			e.Reservations.noteStayed(victim.UID, reserved)
			return fmt.Errorf("%w %s/%s after %s; look for finalizers or a long grace period", ErrStayed, victim.Namespace, victim.Name, e.Wait)
		}
		return fmt.Errorf("waiting for placeholder %s/%s to be gone: %w", victim.Namespace, victim.Name, waitCtx.Err())
	}
}

var errTooLong = errors.New("waited too long")

var (
	// ErrRefused is what Evict fails with when the API server does not delete a victim.
	ErrRefused = errors.New("the API server refused to delete")
	// ErrStayed is what Evict fails with when a victim is not gone in time.
	ErrStayed = errors.New("there still is placeholder")
)
