package swapevent

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/message"
)

const (
	// maxTook is how many bytes the value of the annotation headroom.dev/took takes at most: 512 UIDs, more than a node has pods.
	maxTook = 512 * 37
	// maxAnnotations is what the API server lets all annotations of an object take, keys included, in bytes. It does not
	// check that when it merges a binding's annotations, but whenever the pod is updated from then on.
	maxAnnotations = 256 << 10
	// spareAnnotations are left for what others add to a pod later, in bytes.
	spareAnnotations = 16 << 10

	more = "+"
)

// Took is what the annotation headroom.dev/took says of a consumer.
type Took struct {
	// Placeholders are the UIDs of the placeholders that were evicted by the decision to bind the consumer, or to let it grow in place.
	Placeholders []types.UID
	// Unnamed is how many more there were, on the same node, that the annotation had no room for.
	Unnamed int
}

// Annotation writes the value of the annotation headroom.dev/took for a pod that has these annotations:
//
//	4f0c2a52-33b0-4c8e-9d1b-6a0f8d1f7b11,0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10
//
// UIDs that neither the value's own limit nor the pod's other annotations leave room for are counted at the end ("+4").
func Annotation(placeholders []types.UID, others map[string]string) string {
	room := min(maxTook, maxAnnotations-spareAnnotations)
	used := 0
	for key, value := range others {
		used += len(key) + len(value)
	}
	room = min(room, maxAnnotations-spareAnnotations-used)
	var value strings.Builder
	for i, uid := range placeholders {
		if value.Len()+len(uid)+1 > room {
			return value.String() + more + strconv.Itoa(len(placeholders)-i)
		}
		if i > 0 {
			value.WriteByte(',')
		}
		value.WriteString(string(uid))
	}
	return value.String()
}

// Extend writes the value of the annotation headroom.dev/took for a running pod that has these annotations and took more placeholders.
// Those that it carries already stay, each once; where there are too many, the oldest are left out, which the account has had for long.
func Extend(placeholders []types.UID, annotations map[string]string) string {
	others := maps.Clone(annotations)
	delete(others, v1alpha1.AnnotationTook)
	delete(others, v1alpha1.AnnotationTaking)
	// A value that nobody can read says nothing.
	known, _ := ParseAnnotation(annotations[v1alpha1.AnnotationTook])
	all := slices.DeleteFunc(slices.Clone(known.Placeholders), func(uid types.UID) bool { return slices.Contains(placeholders, uid) })
	all = append(all, placeholders...)
	all = all[max(0, len(all)-maxTook/37):]
	value := Annotation(all, others)
	for strings.Contains(value, more) && len(all) > len(placeholders) {
		all = all[1:]
		value = Annotation(all, others)
	}
	return value
}

// ParseAnnotation reads what Annotation wrote. It fails on anything else.
func ParseAnnotation(value string) (Took, error) {
	list, rest, counted := strings.Cut(value, more)
	took := Took{}
	if counted {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			return Took{}, fmt.Errorf("reading the end of the annotation headroom.dev/took: %q is no number of placeholders", rest)
		}
		took.Unnamed = n
	}
	for uid := range strings.SplitSeq(list, ",") {
		if uid == "" && counted && list == "" {
			break
		}
		if uid == "" || strings.ContainsAny(uid, " \t\n") {
			return Took{}, fmt.Errorf("reading the annotation headroom.dev/took: %q is no list of UIDs",
				message.Cut(list, maxWhy, message.Ellipsis))
		}
		took.Placeholders = append(took.Placeholders, types.UID(uid))
	}
	return took, nil
}
