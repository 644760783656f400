package observer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
)

// Devices watches ResourceClaims, in the order in which the API server stored them, and notes devices that are in two of them at once.
// It only reads.
type Devices struct {
	client kubernetes.Interface
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu          sync.Mutex
	allocations allocations
	seen        map[types.UID]string // resourceVersion of each claim that exists, as far as the watch has come
	failure     error
}

// WatchDevices starts to watch the cluster that the configuration leads to. Stop ends it.
func WatchDevices(ctx context.Context, config *rest.Config) (*Devices, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "headroom-observer"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the observer's client: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &Devices{client: client, cancel: cancel, seen: map[types.UID]string{}, allocations: allocations{}}
	claims := client.ResourceV1().ResourceClaims(metav1.NamespaceAll)
	list, err := claims.List(ctx, metav1.ListOptions{})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listing ResourceClaims: %w", err)
	}
	for i := range list.Items {
		d.record(watch.Event{Type: watch.Added, Object: &list.Items[i]})
	}
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: claims.Watch})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watching ResourceClaims: %w", err)
	}
	d.done.Go(func() {
		for event := range watcher.ResultChan() {
			d.record(event)
		}
		if ctx.Err() == nil {
			d.fail(errors.New("the watch of ResourceClaims ended: the history has a hole"))
		}
	})
	return d, nil
}

func (d *Devices) record(event watch.Event) {
	switch object := event.Object.(type) {
	case *resourcev1.ResourceClaim:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.allocations.observe(event.Type, object)
		if d.seen[object.UID] = object.ResourceVersion; event.Type == watch.Deleted {
			delete(d.seen, object.UID)
		}
	case *metav1.Status:
		d.fail(fmt.Errorf("the watch of ResourceClaims failed: %s", object.Message))
	}
}

func (d *Devices) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = errors.Join(d.failure, err)
}

// Stop waits until the watch has shown everything that is in the API server now, ends it, and returns how many times each device was
// allocated, by driver/pool/device, and a sentence for each time that a device was in two claims at once. The error says that the
// history has a hole.
func (d *Devices) Stop(ctx context.Context) (allocated map[string]int, doubles []string, err error) {
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, catchUp, true, d.caughtUp)
	d.cancel()
	d.done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	allocated = map[string]int{}
	for device, use := range d.allocations {
		allocated[device] = use.times
		doubles = append(doubles, use.doubles...)
	}
	return allocated, doubles, errors.Join(d.failure, err)
}

func (d *Devices) caughtUp(ctx context.Context) (bool, error) {
	list, err := d.client.ResourceV1().ResourceClaims(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("listing ResourceClaims: %w", err)
	}
	now := map[types.UID]string{}
	for i := range list.Items {
		now[list.Items[i].UID] = list.Items[i].ResourceVersion
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure != nil || maps.Equal(now, d.seen), nil
}

// allocations is what became of devices, by driver/pool/device.
type allocations map[string]*use

// use is what became of one device.
type use struct {
	// holders are the claims in which the device is now, by UID.
	holders map[types.UID]string
	times   int
	doubles []string
}

// observe notes one version of a claim.
func (a allocations) observe(kind watch.EventType, claim *resourcev1.ResourceClaim) {
	held := map[string]bool{}
	if kind != watch.Deleted && claim.Status.Allocation != nil {
		for i := range claim.Status.Allocation.Devices.Results {
			result := &claim.Status.Allocation.Devices.Results[i]
			held[result.Driver+"/"+result.Pool+"/"+result.Device] = true
		}
	}
	for device, use := range a {
		if !held[device] {
			delete(use.holders, claim.UID)
		}
	}
	name := claim.Namespace + "/" + claim.Name
	for device := range held {
		if a[device] == nil {
			a[device] = &use{holders: map[types.UID]string{}}
		}
		use := a[device]
		if _, known := use.holders[claim.UID]; known {
			continue
		}
		for _, other := range use.holders {
			use.doubles = append(use.doubles, fmt.Sprintf("device %s is in ResourceClaim %s while it is in %s", device, name, other))
		}
		use.holders[claim.UID] = name
		use.times++
	}
}
