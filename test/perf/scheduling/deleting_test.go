package scheduling

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// deletingName is the name of deleting in config/deleting.yaml.
const deletingName = "Deleting"

// deleting makes stock kube-scheduler delete as many placeholders, any, as it takes for the CPUs of a pod before it binds the pod. It decides
// nothing and the pod needs none of that room, so that it shows what the requests of a swap cost in themselves: no swap can be quicker.
type deleting struct {
	handle fwk.Handle
	find   sync.Once
	rest   chan *corev1.Pod
}

func newDeleting(_ context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	return &deleting{handle: handle}, nil
}

// Name is the plugin's name.
func (d *deleting) Name() string { return deletingName }

// Bind deletes the next placeholders, all at the same time, and leaves the binding to the next plugin.
func (d *deleting) Bind(ctx context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	var failure error
	d.find.Do(func() { failure = d.list() })
	if failure != nil {
		return fwk.AsStatus(failure)
	}
	deletions, ctx := errgroup.WithContext(ctx)
	for held, wanted := int64(0), milliCPU(pod); held < wanted; {
		select {
		case victim := <-d.rest:
			held += milliCPU(victim)
			deletions.Go(func() error { return d.delete(ctx, victim) })
		default:
			return fwk.NewStatus(fwk.Error, "the placeholders do not hold what the pods ask for: give the workload more of them")
		}
	}
	if err := deletions.Wait(); err != nil {
		return fwk.AsStatus(err)
	}
	return fwk.NewStatus(fwk.Skip)
}

func milliCPU(pod *corev1.Pod) int64 {
	return pod.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
}

func (d *deleting) delete(ctx context.Context, victim *corev1.Pod) error {
	err := d.handle.ClientSet().CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &victim.UID},
	})
	if err != nil {
		return fmt.Errorf("deleting placeholder %s/%s: %w", victim.Namespace, victim.Name, err)
	}
	return nil
}

// list reads all placeholders once, since to search five thousand for each pod would be a cost of its own.
func (d *deleting) list() error {
	selector := labels.SelectorFromSet(labels.Set{v1alpha1.LabelHeadroom: headroomName})
	placeholders, err := d.handle.SharedInformerFactory().Core().V1().Pods().Lister().List(selector)
	if err != nil {
		return fmt.Errorf("listing the placeholders: %w", err)
	}
	d.rest = make(chan *corev1.Pod, len(placeholders))
	for _, placeholder := range placeholders {
		d.rest <- placeholder
	}
	return nil
}
