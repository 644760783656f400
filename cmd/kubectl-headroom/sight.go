package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslistersv1 "k8s.io/client-go/listers/apps/v1"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/pager"
	podresource "k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// sight is what a user may look at of nodes and pods.
type sight struct {
	clientset kubernetes.Interface
	// namespace of the pods; "" for all.
	namespace string
	// nodes and daemonSets tell whether these may be listed.
	nodes, daemonSets bool
	// notSeen says what may not, and what it would have told.
	notSeen []string
}

// found is what is there. The DaemonSets are those of Headrooms only.
type found struct {
	nodes      []*corev1.Node
	pods       []*corev1.Pod
	daemonSets []*appsv1.DaemonSet
}

// headroomOf finds the Headroom that controls a DaemonSet.
func (f *found) headroomOf(_, _ string, uid types.UID) (types.NamespacedName, bool) {
	i := slices.IndexFunc(f.daemonSets, func(set *appsv1.DaemonSet) bool { return set.UID == uid })
	if i < 0 {
		return types.NamespacedName{}, false
	}
	return placeholder.Controller(f.daemonSets[i])
}

// lookAround finds out what the user may look at: everything, or else what is in one namespace.
func lookAround(ctx context.Context, clientset kubernetes.Interface, namespace string) (*sight, error) {
	s := &sight{clientset: clientset, nodes: true, daemonSets: true}
	one := metav1.ListOptions{Limit: 1}
	_, err := clientset.CoreV1().Pods("").List(ctx, one)
	if err = listError(err, "pods", ""); lacking(err) {
		s.namespace = namespace
		s.notSeen = append(s.notSeen, fmt.Sprintf("what pods of namespaces other than %s use is not counted: %s", namespace, err))
		_, err = clientset.CoreV1().Pods(namespace).List(ctx, one)
		err = listError(err, "pods", namespace)
	}
	if err != nil {
		return nil, err
	}
	_, err = clientset.CoreV1().Nodes().List(ctx, one)
	if err = listError(err, "nodes", ""); lacking(err) {
		s.nodes = false
		s.notSeen = append(s.notSeen, "zones, sizes and nodes without pods are not shown: "+err.Error())
	} else if err != nil {
		return nil, err
	}
	_, err = clientset.AppsV1().DaemonSets(s.namespace).List(ctx, one)
	if err = listError(err, "daemonsets.apps", s.namespace); lacking(err) {
		s.daemonSets = false
		s.notSeen = append(s.notSeen, "units of Headrooms with placement PerNode count as used: "+err.Error())
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

func listError(err error, resource, namespace string) error {
	if err == nil {
		return nil
	}
	return listProblem(err, resource, namespace)
}

// list asks for everything once, page by page.
func (s *sight) list(ctx context.Context) (found, error) {
	var f found
	err := each(ctx, "pods", s.namespace, s.clientset.CoreV1().Pods(s.namespace).List, func(pod *corev1.Pod) {
		f.pods = append(f.pods, slim(pod))
	})
	if err == nil && s.nodes {
		err = each(ctx, "nodes", "", s.clientset.CoreV1().Nodes().List, func(node *corev1.Node) { f.nodes = append(f.nodes, node) })
	}
	if err == nil && s.daemonSets {
		err = each(ctx, "daemonsets.apps", s.namespace, s.clientset.AppsV1().DaemonSets(s.namespace).List, func(set *appsv1.DaemonSet) {
			if _, ok := placeholder.Controller(set); ok {
				f.daemonSets = append(f.daemonSets, set)
			}
		})
	}
	return f, err
}

// each visits all objects of a list, page by page.
func each[L runtime.Object, T runtime.Object](
	ctx context.Context, resource, namespace string, list func(context.Context, metav1.ListOptions) (L, error), visit func(T),
) error {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return list(ctx, options)
	})
	pages.PageSize = pageSize
	err := pages.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		item, ok := object.(T)
		if !ok {
			return fmt.Errorf("the list of %s has a %T", resource, object)
		}
		visit(item)
		return nil
	})
	return listError(err, resource, namespace)
}

// follow watches everything, and returns a function that says what is there.
func (s *sight) follow(ctx context.Context) func() (found, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(s.clientset, 0, informers.WithNamespace(s.namespace),
		informers.WithTransform(func(object any) (any, error) {
			if pod, ok := object.(*corev1.Pod); ok {
				return slim(pod), nil
			}
			return object, nil
		}))
	// A lister that is asked for is started as well.
	pods := factory.Core().V1().Pods().Lister()
	var nodes listersv1.NodeLister
	if s.nodes {
		nodes = factory.Core().V1().Nodes().Lister()
	}
	var daemonSets appslistersv1.DaemonSetLister
	if s.daemonSets {
		daemonSets = factory.Apps().V1().DaemonSets().Lister()
	}
	factory.Start(ctx.Done())
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	synced := factory.WaitForCacheSync(waiting.Done())
	return func() (found, error) {
		var f found
		for object, ok := range synced {
			if !ok {
				return f, fmt.Errorf("the cluster did not list all objects of kind %s within %s", object.Elem().Name(), patience)
			}
		}
		var podsErr, nodesErr, setsErr error
		f.pods, podsErr = pods.List(labels.Everything())
		if s.nodes {
			f.nodes, nodesErr = nodes.List(labels.Everything())
		}
		if s.daemonSets {
			f.daemonSets, setsErr = daemonSets.List(labels.Everything())
		}
		return f, errors.Join(podsErr, nodesErr, setsErr)
	}
}

// slim returns what the report needs of a pod, which is a small part: a large cluster has a hundred thousand. What it requests is computed
// here, when it comes or changes, and not each time that the report is made; it is that of the one container.
func slim(pod *corev1.Pod) *corev1.Pod {
	requests := podresource.PodRequests(pod, podresource.PodResourcesOptions{UseStatusResources: true})
	small := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			DeletionTimestamp: pod.DeletionTimestamp, OwnerReferences: pod.OwnerReferences,
		},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: requests}}},
		},
		Status: corev1.PodStatus{Phase: pod.Status.Phase},
	}
	if name, ok := pod.Labels[v1alpha1.LabelHeadroom]; ok {
		small.Labels = map[string]string{v1alpha1.LabelHeadroom: name}
	}
	return small
}
