package docs_test

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/docs"
)

const rulesPage = "docs/how-to/namespaces-with-rules.md"

// rule is a rule of the table of rulesPage.
type rule struct {
	// demand is it in CEL, over a pod.
	demand string
	// breach makes a placeholder that passes one that does not, so that the test knows that the rule is in force. Nil where the
	// placeholder is to be refused as it is.
	breach func(*corev1.Pod)
}

// rules are the rules of the table, by its first column. What "depends" there is not here.
var rules = map[string]rule{
	"requests of CPU and memory": {
		demand: `object.spec.containers.all(c, has(c.resources.requests) && "cpu" in c.resources.requests && "memory" in c.resources.requests)`,
		breach: func(p *corev1.Pod) { delete(p.Spec.Containers[0].Resources.Requests, "memory") },
	},
	"limits of CPU or memory": {
		demand: `object.spec.containers.all(c, has(c.resources.limits) && "memory" in c.resources.limits)`,
	},
	"readiness or liveness probes": {demand: `object.spec.containers.all(c, has(c.readinessProbe) || has(c.livenessProbe))`},
	"no tag `latest`": {
		demand: `!object.spec.containers.exists(c, c.image.endsWith(":latest"))`,
		breach: func(p *corev1.Pod) { p.Spec.Containers[0].Image = "registry.k8s.io/pause:latest" },
	},
	"an image of a registry of ours": {demand: `object.spec.containers.all(c, c.image.startsWith("registry.example.org/"))`},
	"an image by digest":             {demand: `object.spec.containers.all(c, c.image.contains("@sha256:"))`},
	"a label, such as `team`":        {demand: `has(object.metadata.labels) && "team" in object.metadata.labels`},
	"no root, no privilege escalation, no capabilities, seccomp": {
		demand: `object.spec.?securityContext.runAsNonRoot.orValue(false) && has(object.spec.securityContext.seccompProfile) &&
object.spec.containers.all(c, !c.?securityContext.allowPrivilegeEscalation.orValue(true) && "ALL" in c.securityContext.capabilities.drop)`,
		breach: func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
	},
	"a read-only root file system": {
		demand: `object.spec.containers.all(c, c.?securityContext.readOnlyRootFilesystem.orValue(false))`,
		breach: func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil },
	},
	"no service account token": {
		demand: `!object.spec.?automountServiceAccountToken.orValue(true)`,
		breach: func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = nil },
	},
	"no pod without a controller": {
		demand: `object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false))`,
		breach: func(p *corev1.Pod) { p.OwnerReferences = nil },
	},
	"no pods in the namespace `default`": {demand: `object.metadata.namespace != "default"`},
}

var row = regexp.MustCompile(`^\| ([^|]+) \| (pass|are refused|depends)[^|]*\|`)

// published is the table: the second column by the first.
func published(t *testing.T) map[string]string {
	t.Helper()
	pages, err := docs.Pages(root(t))
	require.NoError(t, err)
	i := slices.IndexFunc(pages, func(p docs.Page) bool { return p.Path == rulesPage })
	require.GreaterOrEqual(t, i, 0)
	table := map[string]string{}
	for _, line := range pages[i].Lines {
		if match := row.FindStringSubmatch(line); match != nil {
			table[match[1]] = match[2]
		}
	}
	require.NotEmpty(t, table)
	return table
}

func TestCommonRulesPassOrRefusePlaceholdersAsTheTableSays(t *testing.T) {
	c := served(t)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root(t), "manifests/controller/priority-class.yaml")))
	clients := as(t, c, "", nil)
	table := published(t)
	n := 0
	for name, says := range table {
		if says == "depends" {
			continue
		}
		rule, known := rules[name]
		require.True(t, known, "the table has a rule that is not tested: %s", name)
		n++
		t.Run(name, func(t *testing.T) {
			namespace := clustertest.Namespace(t, c, nil)
			policy := "rule-of-" + namespace // its own, also where the test runs more than once
			if strings.Contains(name, "`default`") {
				namespace = metav1.NamespaceDefault
			}
			inForce(t, clients, policy, rule.demand, namespace)
			create := func(change func(*corev1.Pod)) error {
				return tryPod(clients, namespace, change)
			}
			refused := func(change func(*corev1.Pod)) {
				require.EventuallyWithT(t, func(t *assert.CollectT) { // until the API server has compiled the policy
					require.ErrorContains(t, create(change), policy)
				}, soon, 50*time.Millisecond)
			}
			if says == "are refused" {
				require.Nil(t, rule.breach)
				refused(nil)
				return
			}
			require.NotNil(t, rule.breach)
			refused(rule.breach)
			require.NoError(t, create(nil))
		})
	}
	require.Equal(t, len(rules), n, "a rule that is tested is not in the table")
}

// The example of the page lets headroom-controller and the DaemonSet controller make placeholders, and nobody else a pod that looks like one.
func TestTheExampleLeavesOutPlaceholdersOfTheControllersOnly(t *testing.T) {
	c := served(t)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root(t), "manifests/controller/priority-class.yaml")))
	clients := as(t, c, "", nil)
	controller := as(t, c, "system:serviceaccount:headroom-system:headroom-controller", []string{"system:masters"})
	daemons := as(t, c, "system:serviceaccount:kube-system:daemon-set-controller", []string{"system:masters"})
	namespace := clustertest.Namespace(t, c, nil)
	for _, block := range blocks(t) {
		if block.Page == rulesPage && strings.Contains(block.Text, "kind: ValidatingAdmissionPolicy") {
			objects, err := cluster.Parse([]byte(block.Text))
			require.NoError(t, err)
			require.NoError(t, c.Apply(t.Context(), objects...))
			bind(t, clients, objects[0].GetName(), namespace)
		}
	}
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.ErrorContains(t, tryPod(clients, namespace, nil), "every container needs a memory limit")
	}, soon, 50*time.Millisecond)
	require.NoError(t, tryPod(controller, namespace, nil))
	require.NoError(t, tryPod(daemons, namespace, nil))
	require.ErrorContains(t, tryPod(controller, namespace, func(p *corev1.Pod) { p.Labels = nil }), "every container needs a memory limit")
}

// as returns a client of somebody's, by default of the administrator's.
func as(t *testing.T, c *cluster.Cluster, user string, groups []string) kubernetes.Interface {
	t.Helper()
	access := c.RESTConfig()
	if user != "" {
		access.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	}
	clients, err := kubernetes.NewForConfig(access)
	require.NoError(t, err)
	return clients
}

// inForce makes a policy of a demand, for one namespace.
func inForce(t *testing.T, clients kubernetes.Interface, name, demand, namespace string) {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: demand}},
		},
	}
	_, err := clients.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{})
	require.NoError(t, err)
	bind(t, clients, name, namespace)
}

// bind lets a policy deny what it says, in one namespace, until the test is over. Then the policy goes, too.
func bind(t *testing.T, clients kubernetes.Interface, policy, namespace string) {
	t.Helper()
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        policy,
			ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			},
		},
	}
	api := clients.AdmissionregistrationV1()
	_, err := api.ValidatingAdmissionPolicyBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, api.ValidatingAdmissionPolicyBindings().Delete(context.Background(), policy, metav1.DeleteOptions{}))
		require.NoError(t, api.ValidatingAdmissionPolicies().Delete(context.Background(), policy, metav1.DeleteOptions{}))
	})
}

// tryPod asks what would become of a placeholder, as it is made by default but for the change.
func tryPod(clients kubernetes.Interface, namespace string, change func(*corev1.Pod)) error {
	headroom := builders.Headroom("web", builders.Resources{"cpu": "1", "memory": "1Gi"}).Namespace(namespace).UID("0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10").Obj()
	pod := placeholder.Build(headroom, placeholder.Defaults{}, 0)
	pod.OwnerReferences[0].BlockOwnerDeletion = ptr.To(false)
	if change != nil {
		change(pod)
	}
	_, err := clients.CoreV1().Pods(namespace).Create(context.Background(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
