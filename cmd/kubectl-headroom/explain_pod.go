package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/explanation"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

const explainPodLong = `Says which units a pod took and why, and what would happen if it came now: on which nodes it fits as it is,
which units it would take and by which rule, or why it can take none and what would have to change.

With -f it is about a pod that does not exist yet: a Pod, or the template of a Deployment, ReplicaSet, StatefulSet or Job. The answer comes
from the scheduler's own code, over the objects of the cluster as they are; what it takes for granted is printed with it.`

const explainPodExample = `  # Why did web-1 take that unit, or why can it not?
  kubectl headroom explain pod web-1

  # What would a pod of this Deployment do?
  kubectl headroom explain pod -f deployment.yaml

  # The same for a cluster that was saved
  kubectl get headrooms.headroom.dev,daemonsets,nodes,namespaces,priorityclasses,pods -A -o yaml > cluster.yaml
  kubectl headroom explain pod web-1 --cluster-file cluster.yaml

  # With the configuration and the reservations of the scheduler that runs
  kubectl -n headroom-system port-forward deployment/headroom-scheduler 10259 &
  kubectl headroom explain pod web-1 --from-scheduler https://127.0.0.1:10259`

// explainPodOptions are the flags of "kubectl headroom explain pod".
type explainPodOptions struct {
	access          *access
	output          *output
	files           []string
	cluster         []string
	schedulerConfig string
	scheduler       scheduler
}

func newExplainPod(streams genericiooptions.IOStreams) *cobra.Command {
	o := &explainPodOptions{access: newAccess(), output: newOutput(streams, formatJSON, formatYAML)}
	command := &cobra.Command{
		Use:     "pod (NAME | -f FILE)",
		Short:   "Say which units a pod took or would take, or why it can take none",
		Long:    explainPodLong,
		Example: explainPodExample,
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := command.Flags()
	flags.StringArrayVarP(&o.files, "filename", "f", nil,
		"`FILE` with the pod, or with the workload whose template it is; - for standard input")
	flags.StringArrayVar(&o.cluster, "cluster-file", nil,
		"`FILE` with the objects of the cluster, - for standard input; may be repeated. Without it the cluster is asked")
	flags.StringVar(&o.schedulerConfig, "scheduler-config", "",
		"configuration `FILE` of headroom-scheduler, of which the pod's profile applies. "+
			"Default: kube-scheduler's defaults, and the plugin's")
	o.scheduler.addFlags(flags)
	o.output.addFlag(command)
	o.access.addFlags(flags, false)
	return command
}

func (o *explainPodOptions) run(ctx context.Context, args []string) error {
	if err := o.output.validate(); err != nil {
		return err
	}
	if (len(args) == 0) == (len(o.files) == 0) {
		return errors.New("name one pod, or a file with one by -f")
	}
	if o.scheduler.address != "" && (o.schedulerConfig != "" || len(o.cluster) > 0) {
		return errors.New("--from-scheduler asks a running scheduler: leave out --scheduler-config and --cluster-file")
	}
	klog.SetLogger(logr.Discard()) // The scheduler's code logs what a scheduler would; nobody wants to read that here.
	gathered, err := gatherObjects(ctx, o.access, o.cluster, o.output.streams.In)
	if len(args) > 0 && len(o.cluster) == 0 && exitCode(err) == exitForbidden {
		return o.tellHistory(ctx, args[0], err)
	}
	if err != nil {
		return err
	}
	pod, err := o.pod(gathered, args)
	if err != nil {
		return err
	}
	profile, err := o.profile(ctx, gathered, pod)
	if err != nil {
		return err
	}
	told, err := predict(ctx, gathered, profile, pod)
	if err != nil {
		return err
	}
	if len(o.files) == 0 {
		told.State = stateOf(pod)
		if err := o.addHistory(ctx, told, gathered, pod); err != nil {
			return err
		}
	}
	return o.tell(told)
}

// profile is that of the pod's scheduler: as a file says it is configured, or as it says itself, and then what it knows counts.
func (o *explainPodOptions) profile(ctx context.Context, gathered *objects, pod *corev1.Pod) (*explain.Profile, error) {
	name := cmp.Or(pod.Spec.SchedulerName, corev1.DefaultSchedulerName)
	if o.scheduler.address == "" {
		return explain.ReadProfile(ctx, o.schedulerConfig, name)
	}
	config, err := o.access.config()
	if err != nil {
		return nil, err
	}
	answer, err := o.scheduler.ask(ctx, config)
	if err != nil {
		return nil, err
	}
	gathered.asKnownTo(&answer.State, pod)
	return explain.ParseProfile(answer.Configuration, "the scheduler at "+o.scheduler.address, name)
}

func (o *explainPodOptions) tell(told *explanation.Explanation) error {
	o.output.notes(told.NotSeen)
	return o.output.print(told, func(style table.Style) string { return told.Text(style, time.Now()) })
}

// tellHistory tells what became of a pod to a user who may not look at the whole cluster, and so cannot be told what would happen now.
func (o *explainPodOptions) tellHistory(ctx context.Context, name string, whyNot error) error {
	namespace, err := o.namespace()
	if err != nil {
		return err
	}
	reader, err := o.access.reader()
	if err != nil {
		return err
	}
	var pods corev1.PodList
	if err := reader.list(ctx, &pods, "pods", namespace, client.MatchingFields{"metadata.name": name}); err != nil {
		return err
	}
	gathered := &objects{where: "namespace " + namespace, remedy: "name its namespace by --namespace"}
	gathered.Pods = pointers(pods.Items)
	pod, err := gathered.pod(name, namespace)
	if err != nil {
		return err
	}
	told := &explanation.Explanation{
		Pod: pod.Namespace + "/" + pod.Name, State: stateOf(pod), NotSeen: []string{"what would happen now is not shown: " + whyNot.Error()},
	}
	if err := o.addHistory(ctx, told, gathered, pod); err != nil {
		return err
	}
	return o.tell(told)
}

// pod is the one that is asked about.
func (o *explainPodOptions) pod(gathered *objects, args []string) (*corev1.Pod, error) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		return gathered.pod(args[0], namespace)
	}
	described, err := readFiles(o.files, o.output.streams.In)
	if err != nil {
		return nil, err
	}
	pods := slices.Concat(described.Pods, described.templates)
	if len(pods) != 1 {
		return nil, fmt.Errorf("the files have %d pods and workloads with pods: one is needed", len(pods))
	}
	pod := pods[0]
	if pod.Namespace == "" || described.defaulted[pod] {
		pod.Namespace = namespace
	}
	return explain.Future(pod, gathered.priorityClasses)
}

// namespace is that of the flag or of the context, which a cluster in a file has none of.
func (o *explainPodOptions) namespace() (string, error) {
	if len(o.cluster) > 0 {
		return cmp.Or(*o.access.flags.Namespace, corev1.NamespaceDefault), nil
	}
	return o.access.ownNamespace()
}

// predict asks the scheduler's code.
func predict(ctx context.Context, gathered *objects, profile *explain.Profile, pod *corev1.Pod) (*explanation.Explanation, error) {
	cluster, err := explain.New(gathered.Objects, profile)
	if err != nil {
		return nil, err
	}
	p, err := cluster.Predict(ctx, pod)
	if err != nil {
		return nil, err
	}
	told := &explanation.Explanation{
		Pod: pod.Namespace + "/" + pod.Name, Assumptions: append(p.Assumptions, gathered.assumptions(pod, profile)...),
		Now: &explanation.Prediction{Fits: p.Fits, Nodes: len(gathered.Nodes), Refusal: p.Message, Reason: p.Reason},
	}
	if p.Swap != nil {
		told.Now.Node, told.Now.Why = p.Swap.Node, p.Swap.Why
		for _, victim := range p.Swap.Victims {
			told.Now.Takes = append(told.Now.Takes, victim.Namespace+"/"+victim.Name)
		}
	}
	if p.Message != "" {
		policy := pod.Spec.PreemptionPolicy
		told.Now.Remedies = explanation.Remedies(p.Reason, policy != nil && *policy == corev1.PreemptNever)
		if p.SwapsOff {
			told.Now.Remedies = []string{"let swap be true in the plugin's arguments of the pod's profile"}
		}
	}
	for _, misfit := range p.Misfits {
		told.Now.Misfits = append(told.Now.Misfits, explanation.Misfit(misfit))
	}
	return told, nil
}

// assumptions are how old the objects are, and that the pod's scheduler has the plugin.
func (o *objects) assumptions(pod *corev1.Pod, profile *explain.Profile) []string {
	assumptions := []string{"the cluster is " + o.age()}
	if profile.Source == "" {
		assumptions = append(assumptions, fmt.Sprintf("the scheduler %s, which the pod names, is headroom-scheduler or has the plugin Headroom",
			cmp.Or(pod.Spec.SchedulerName, corev1.DefaultSchedulerName)))
	}
	return assumptions
}

// stateOf says where a pod is.
func stateOf(pod *corev1.Pod) string {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case ended && pod.Spec.NodeName == "":
		return fmt.Sprintf("It was on no node and has ended (%s).", pod.Status.Phase)
	case ended:
		return fmt.Sprintf("It was on node %s and has ended (%s).", pod.Spec.NodeName, pod.Status.Phase)
	case pod.Spec.NodeName != "":
		return fmt.Sprintf("It is on node %s.", pod.Spec.NodeName)
	case len(pod.Spec.SchedulingGates) > 0:
		return fmt.Sprintf("It is on no node: the scheduling gate %s holds it back.", pod.Spec.SchedulingGates[0].Name)
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("It is on no node. The scheduler %s says: %s", pod.Spec.SchedulerName, c.Message)
		}
	}
	return fmt.Sprintf("It is on no node, and the scheduler %s has said nothing of it yet: is there one of this name?",
		cmp.Or(pod.Spec.SchedulerName, corev1.DefaultSchedulerName))
}

// addHistory adds what the accounts and the scheduler's event say of the pod.
func (o *explainPodOptions) addHistory(ctx context.Context, told *explanation.Explanation, gathered *objects, pod *corev1.Pod) error {
	accounts := gathered.accounts
	if len(o.cluster) == 0 {
		reader, err := o.access.reader()
		if err != nil {
			return err
		}
		var list v1alpha1.HeadroomAccountList
		err = reader.list(ctx, &list, "headroomaccounts.headroom.dev", "")
		if exitCode(err) == exitForbidden {
			err = reader.list(ctx, &list, "headroomaccounts.headroom.dev", pod.Namespace)
		}
		if lacking(err) {
			told.NotSeen = append(told.NotSeen, "what the pod took is not shown: "+err.Error())
		} else if err != nil {
			return err
		}
		accounts = pointers(list.Items)
		if err := reader.addRule(ctx, told, pod); err != nil {
			return err
		}
	}
	for _, stored := range accounts {
		a, err := account.Decode(&stored.Record)
		if err != nil {
			told.NotSeen = append(told.NotSeen, fmt.Sprintf("the account of %s/%s cannot be read: %v", stored.Namespace, stored.Name, err))
			continue
		}
		for _, take := range a.Takes() {
			if take.Consumer.UID == pod.UID && pod.UID != "" {
				told.Took = append(told.Took, explanation.Taken{
					Headroom: stored.Namespace + "/" + stored.Name, Placeholder: take.Placeholder,
					Node: take.Node, Time: take.Time, How: string(take.How),
				})
			}
		}
	}
	return nil
}

// addRule adds why the scheduler chose what the pod took, as long as its event is there.
func (r *reader) addRule(ctx context.Context, told *explanation.Explanation, pod *corev1.Pod) error {
	var events corev1.EventList
	err := r.list(ctx, &events, "events", pod.Namespace, client.MatchingFields{"involvedObject.uid": string(pod.UID)})
	if lacking(err) {
		told.NotSeen = append(told.NotSeen, "by which rule is not shown: "+err.Error())
		return nil
	}
	for i := range events.Items {
		if event := &events.Items[i]; event.Reason == swapevent.Reason || event.Reason == swapevent.ReasonShared {
			if swap, ok := swapevent.Parse(event.Message); ok {
				told.Rule = swap.Why
			}
		}
	}
	return err
}
