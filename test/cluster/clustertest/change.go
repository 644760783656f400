package clustertest

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// untilAlone is how often a write of Rewrite is tried that another writer came before: for two minutes.
var untilAlone = wait.Backoff{Duration: 20 * time.Millisecond, Steps: 6000}

// Change changes obj as change does, and writes what is different to the API server. The write names no resource version, so other
// writers of the object, such as a controller that updates its status, cannot make it fail with a conflict. A list that is changed is
// written as a whole: see Rewrite.
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

// Rewrite reads obj, a pointer to a struct of the API, changes it as change does, and writes all of it; it begins again when another writer
// came between. Use it for lists that others write to as well, such as conditions and taints: what they add is not lost.
func Rewrite[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) {
	t.Helper()
	rewrite(t, c, obj, change, func() error { return c.Update(t.Context(), obj) })
}

// RewriteStatus is Rewrite for the status of an object that has it as a subresource.
func RewriteStatus[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) {
	t.Helper()
	rewrite(t, c, obj, change, func() error { return c.Status().Update(t.Context(), obj) })
}

func rewrite[T client.Object](t testing.TB, c client.Client, obj T, change func(T), write func() error) {
	t.Helper()
	key, value := client.ObjectKeyFromObject(obj), reflect.ValueOf(obj).Elem()
	require.NoError(t, retry.OnError(untilAlone, apierrors.IsConflict, func() error {
		value.SetZero() // a read leaves what it does not name, such as the keys of a map
		if err := c.Get(t.Context(), key, obj); err != nil {
			return err
		}
		change(obj)
		return write()
	}), "%s", key)
}

func copied(obj client.Object) client.Object { return obj.DeepCopyObject().(client.Object) }
