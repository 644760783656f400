package running_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/configz"

	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/running"
)

// ask returns what the scheduler's server answers.
func ask(t *testing.T) []byte {
	t.Helper()
	paths := http.NewServeMux()
	configz.InstallHandler(paths)
	answer := httptest.NewRecorder()
	paths.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, running.Path, nil))
	require.Equal(t, http.StatusOK, answer.Code)
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return data
}

func TestTheStateIsReadWhenItIsAskedFor(t *testing.T) {
	configuration, err := configz.New("componentconfig")
	require.NoError(t, err)
	t.Cleanup(func() { configz.Delete("componentconfig") })
	own := &metav1.Status{}
	own.Kind, own.APIVersion = "KubeSchedulerConfiguration", "kubescheduler.config.k8s.io/v1"
	require.NoError(t, configuration.Set(own))

	_, err = running.Parse(ask(t))
	require.ErrorContains(t, err, "does not have the plugin Headroom")

	state := running.State{Time: metav1.NewMicroTime(time.Unix(1_800_000_000, 0))}
	withdraw, err := running.Publish(func() running.State { return state })
	require.NoError(t, err)
	state.Headrooms = []string{"shop/web"}
	state.Reserved = []eviction.Reserved{{Placeholder: "u", Node: "n", Consumers: []types.UID{"c"}}}
	answer, err := running.Parse(ask(t))
	require.NoError(t, err)
	require.Equal(t, "SchedulerState", answer.State.Kind)
	require.Equal(t, state.Headrooms, answer.State.Headrooms)
	require.Equal(t, state.Reserved, answer.State.Reserved)
	require.True(t, state.Time.Equal(&answer.State.Time))
	configured, err := json.Marshal(own)
	require.NoError(t, err)
	require.JSONEq(t, string(configured), string(answer.Configuration), "it, and nothing beside it")

	second, err := running.Publish(func() running.State { return running.State{} })
	require.NoError(t, err)
	second()
	third, err := running.Publish(func() running.State { return running.State{} })
	require.NoError(t, err, "nor does its end")
	third()
	answer, err = running.Parse(ask(t))
	require.NoError(t, err, "a second scheduler in the process takes nothing away from the first")
	require.NotEmpty(t, answer.State.Headrooms)

	withdraw()
	_, err = running.Parse(ask(t))
	require.ErrorContains(t, err, "does not have the plugin Headroom")

	withdraw, err = running.Publish(func() running.State { return state })
	require.NoError(t, err)
	defer withdraw()
	_, err = running.Parse(ask(t))
	require.NoError(t, err, "after the first one the next may be published")
}

func TestWhatIsNoAnswerOfASchedulerIsRefused(t *testing.T) {
	for _, text := range []string{"", "<html>", "{}", `{"kubeletconfig":{}}`} {
		_, err := running.Parse([]byte(text))
		require.ErrorContains(t, err, "not that of a scheduler", text)
	}
}

func TestAStateThatCannotBePublishedKeepsNoLaterOneOut(t *testing.T) {
	configuration, err := configz.New("componentconfig")
	require.NoError(t, err)
	t.Cleanup(func() { configz.Delete("componentconfig") })
	own := &metav1.Status{}
	own.Kind, own.APIVersion = "KubeSchedulerConfiguration", "kubescheduler.config.k8s.io/v1"
	require.NoError(t, configuration.Set(own))
	_, err = configz.New("headroom")
	require.NoError(t, err)
	state := running.State{Undeletable: []string{"shop/web"}}
	_, err = running.Publish(func() running.State { return state })
	require.ErrorContains(t, err, "publishing the scheduler's state")

	withdraw, err := running.Publish(func() running.State { return state })
	require.NoError(t, err)
	defer withdraw()
	answer, err := running.Parse(ask(t))
	require.NoError(t, err)
	require.Equal(t, state.Undeletable, answer.State.Undeletable)
	require.Equal(t, "debug.headroom.dev/v1alpha1", answer.State.APIVersion)
}
