package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestValidateConsumers(t *testing.T) {
	for _, tc := range []struct {
		name, selector string
		refused        string // empty: accepted
	}{
		{name: "an empty selector", selector: "{}"},
		{name: "a label", selector: "{matchLabels: {app: web}}"},
		{name: "a label and its values agree", selector: "{matchLabels: {app: web}, matchExpressions: [{key: app, operator: In, values: [web, api]}]}"},
		{name: "other values than one", selector: "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}"},
		{name: "absent and not one value", selector: "{matchExpressions: [{key: app, operator: NotIn, values: [web]}, {key: app, operator: DoesNotExist}]}"},
		{name: "one of two is left", selector: "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: app, operator: NotIn, values: [a]}]}"},
		{
			name: "a value that no label can have", selector: "{matchLabels: {app: two words}}",
			refused: `spec.consumers.podSelector is malformed: values[0][app]: Invalid value: "two words"`,
		},
		{
			name: "an operator that does not exist", selector: "{matchExpressions: [{key: app, operator: Is}]}",
			refused: `spec.consumers.podSelector is malformed: "Is" is not a valid label selector operator`,
		},
		{
			name: "there and not there", selector: "{matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}",
			refused: "spec.consumers.podSelector can match nothing: its requirements on the label app contradict each other",
		},
		{
			name: "two values at once", selector: "{matchLabels: {app: web}, matchExpressions: [{key: app, operator: In, values: [api]}]}",
			refused: "can match nothing",
		},
		{
			name:     "two lists that have one value in common",
			selector: "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: app, operator: In, values: [b, c]}]}",
		},
		{
			name: "two lists that have none", refused: "can match nothing",
			selector: "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: app, operator: In, values: [c, d]}]}",
		},
		{
			name: "a value and not there", refused: "can match nothing",
			selector: "{matchExpressions: [{key: app, operator: DoesNotExist}, {key: app, operator: In, values: [a]}]}",
		},
		{
			name: "an empty value and another", refused: "can match nothing",
			selector: "{matchLabels: {app: ''}, matchExpressions: [{key: app, operator: In, values: [a]}]}",
		},
		{
			name: "a second label contradicts itself", refused: "its requirements on the label tier contradict each other",
			selector: "{matchLabels: {app: web, tier: a}, matchExpressions: [{key: tier, operator: NotIn, values: [a]}]}",
		},
		{
			name: "no value left", selector: "{matchExpressions: [{key: app, operator: In, values: [a]}, {key: app, operator: NotIn, values: [a, b]}]}",
			refused: "can match nothing",
		},
		{
			name: "no value left by several exclusions", refused: "can match nothing",
			selector: "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: app, operator: NotIn, values: [a]}, " +
				"{key: app, operator: NotIn, values: [b]}]}",
		},
		{
			name: "exists and does not", selector: "{matchExpressions: [{key: app, operator: Exists}, {key: app, operator: DoesNotExist}]}",
			refused: "can match nothing",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var selector metav1.LabelSelector
			require.NoError(t, yaml.UnmarshalStrict([]byte(tc.selector), &selector))
			before := selector.DeepCopy()
			err := placeholder.ValidateConsumers(&v1alpha1.Consumers{PodSelector: &selector})
			require.Equal(t, before, &selector, "to look at it changes nothing")
			if tc.refused == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.refused)
			minPriority := int32(5)
			require.Equal(t, err, placeholder.ValidateConsumers(&v1alpha1.Consumers{PodSelector: &selector, MinPriority: &minPriority}))
			require.ErrorContains(t, placeholder.ValidateConsumers(&v1alpha1.Consumers{NamespaceSelector: &selector}), "namespaceSelector")
		})
	}
	require.NoError(t, placeholder.ValidateConsumers(nil))
	require.NoError(t, placeholder.ValidateConsumers(&v1alpha1.Consumers{}))
}
