package clustertest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Change changes obj as change does, and writes what is different to the API server. The write names no resource version, so other
// writers of the object, such as a controller that updates its status, cannot make it fail with a conflict.
func Change[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) {
	t.Helper()
	before := copied(obj)
	change(obj)
	require.NoError(t, c.Patch(t.Context(), obj, client.MergeFrom(before)))
}

// ChangeStatus is Change for the status of an object that has it as a subresource.
func ChangeStatus[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) {
	t.Helper()
	before := copied(obj)
	change(obj)
	require.NoError(t, c.Status().Patch(t.Context(), obj, client.MergeFrom(before)))
}

func copied(obj client.Object) client.Object { return obj.DeepCopyObject().(client.Object) }
