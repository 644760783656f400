package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// headroomsOfShop have these names.
func headroomsOfShop(names ...string) []client.Object {
	var objects []client.Object
	for _, name := range names {
		objects = append(objects, &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}})
	}
	return objects
}

func TestAHeadroomThatIsAskedForByNameAndNotThereIsSaid(t *testing.T) {
	r := refusing(nil, nil, headroomsOfShop("web")...)
	report, err := r.status(t.Context(), "shop", []string{"web"})
	require.NoError(t, err)
	require.Len(t, report.Headrooms, 1)
	_, err = r.status(t.Context(), "shop", []string{"web", "wbe"})
	require.ErrorContains(t, err, "there is no Headroom wbe among those of namespace shop")
	require.Equal(t, exitNotFound, exitCode(err))
}

func TestTheStatusIsOfAllHeadroomsOrOfEachThatIsNamed(t *testing.T) {
	r := refusing(nil, nil, headroomsOfShop("api", "batch", "web")...)
	for name, tc := range map[string]struct{ names, want []string }{
		"all":            {nil, []string{"api", "batch", "web"}},
		"one of them":    {[]string{"web"}, []string{"web"}},
		"two of them":    {[]string{"web", "api"}, []string{"api", "web"}},
		"all, each once": {[]string{"web", "batch", "api", "web"}, []string{"api", "batch", "web"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := r.status(t.Context(), "shop", tc.names)
			require.NoError(t, err)
			var told []string
			for i := range report.Headrooms {
				told = append(told, report.Headrooms[i].Name)
			}
			require.ElementsMatch(t, tc.want, told)
		})
	}
}

func TestAccountsThatCannotBeReadAreAnErrorOfTheStatusUnlessARightIsLacking(t *testing.T) {
	_, err := refusing(&v1alpha1.HeadroomAccountList{}, errors.New("broken"), headroomsOfShop("web")...).status(t.Context(), "shop", nil)
	require.ErrorContains(t, err, "listing headroomaccounts.headroom.dev: broken")
	for _, lacks := range []error{
		apierrors.NewForbidden(schema.GroupResource{Resource: "headroomaccounts"}, "", nil), &meta.NoKindMatchError{}, // of an earlier version
	} {
		report, err := refusing(&v1alpha1.HeadroomAccountList{}, lacks, headroomsOfShop("web")...).status(t.Context(), "shop", nil)
		require.NoError(t, err)
		require.Len(t, report.Headrooms, 1)
		require.Len(t, report.NotSeen, 1)
		require.Contains(t, report.NotSeen[0], "who took what is not shown: ")
	}
}
