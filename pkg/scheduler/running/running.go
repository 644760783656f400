// Package running is what a running headroom-scheduler says of itself: under its path /configz, which asks who wants to know, beside
// kube-scheduler's own configuration. `kubectl headroom explain pod --from-scheduler` reads it.
package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-base/configz"

	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
)

// Path is where the scheduler answers.
const Path = configz.DefaultConfigzPath

// entry is the name of the state in the answer.
const entry = "headroom"

// taken says that a scheduler of this process is published.
var taken atomic.Bool

// State is what objects of the cluster do not tell.
type State struct {
	metav1.TypeMeta `json:",inline"`
	// Time is when it was so.
	Time metav1.MicroTime `json:"time"`
	// Headrooms that the scheduler knows, as NAMESPACE/NAME, in the order of their names. Pods take nothing of others.
	Headrooms []string `json:"headrooms"`
	// Reserved are the placeholders that are promised to consumers, or that stayed when they should have gone.
	Reserved []eviction.Reserved `json:"reserved"`
	// Undeletable are the Headrooms whose placeholders the API server refuses to delete, so that nothing is taken of them just now.
	Undeletable []string `json:"undeletable,omitempty"`
}

// Publish has the scheduler answer with what read returns at that moment, until withdraw is called. A second scheduler in the same process,
// as tests have, is not published.
func Publish(read func() State) (withdraw func(), err error) {
	if !taken.CompareAndSwap(false, true) {
		return func() {}, nil
	}
	withdraw = func() {
		configz.Delete(entry)
		taken.Store(false)
	}
	answer := &source{read: read}
	answer.Kind, answer.APIVersion = "SchedulerState", "debug.headroom.dev/v1alpha1"
	published, err := configz.New(entry)
	if err == nil {
		err = published.Set(answer)
	}
	if err != nil {
		withdraw()
		return nil, fmt.Errorf("publishing the scheduler's state: %w", err)
	}
	return withdraw, nil
}

// source is a state that is read when it is asked for.
type source struct {
	metav1.TypeMeta
	read func() State
}

// DeepCopyObject returns one that reads the same.
func (s *source) DeepCopyObject() runtime.Object { return &source{TypeMeta: s.TypeMeta, read: s.read} }

// MarshalJSON reads the state.
func (s *source) MarshalJSON() ([]byte, error) {
	state := s.read()
	state.TypeMeta = s.TypeMeta
	return json.Marshal(state)
}

// Answer is what a scheduler says.
type Answer struct {
	// Configuration is its KubeSchedulerConfiguration, in JSON, defaults included.
	Configuration json.RawMessage
	// State is what it knows beyond objects.
	State State
}

// Parse takes an answer apart. It fails if it is none, or comes from a scheduler without the plugin.
func Parse(data []byte) (*Answer, error) {
	var answer struct {
		Configuration json.RawMessage `json:"componentconfig"`
		State         *State          `json:"headroom"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("the answer is not that of a scheduler: %w", err)
	}
	switch {
	case len(answer.Configuration) == 0:
		return nil, errors.New("the answer is not that of a scheduler: it has no componentconfig")
	case answer.State == nil:
		return nil, errors.New("the scheduler does not have the plugin Headroom, or one that is too old to be asked")
	}
	return &Answer{Configuration: answer.Configuration, State: *answer.State}, nil
}
