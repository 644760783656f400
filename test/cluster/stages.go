package cluster

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// HoldAnnotation, on the pod of a Job, keeps it running until the annotation is taken away. KWOK completes such pods as soon as they run,
// when others of the Job may still wait to be scheduled.
const HoldAnnotation = "test.headroom.dev/hold"

// completingStage is the one of KWOK's stages that completes the pods of Jobs.
const completingStage = "pod-complete.yaml"

// writeHoldable writes a stage anew such that it leaves pods with HoldAnnotation alone, and returns the path.
func (c *Cluster) writeHoldable(stage string) (string, error) {
	objects, err := ParseFiles(stage)
	if err != nil {
		return "", err
	}
	if len(objects) != 1 {
		return "", fmt.Errorf("reading KWOK's stage %s: it has %d objects, not one", stage, len(objects))
	}
	path := []string{"spec", "selector", "matchExpressions"}
	expressions, _, err := unstructured.NestedSlice(objects[0].Object, path...)
	if err != nil {
		return "", fmt.Errorf("reading KWOK's stage %s: %w", stage, err)
	}
	expressions = append(expressions, map[string]any{
		"key": fmt.Sprintf(".metadata.annotations[%q]", HoldAnnotation), "operator": "DoesNotExist",
	})
	if err := unstructured.SetNestedSlice(objects[0].Object, expressions, path...); err != nil {
		return "", fmt.Errorf("changing KWOK's stage %s: %w", stage, err)
	}
	data, err := yaml.Marshal(objects[0].Object)
	if err != nil {
		return "", fmt.Errorf("encoding KWOK's stage %s: %w", stage, err)
	}
	written := filepath.Join(c.group.Dir, filepath.Base(stage))
	if err := os.WriteFile(written, data, 0o600); err != nil {
		return "", fmt.Errorf("writing KWOK's stage: %w", err)
	}
	return written, nil
}
