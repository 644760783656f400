package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster/process"
)

// playedKinds are not applied by RunDeployment: it plays them.
var playedKinds = []string{"Deployment", "PodDisruptionBudget"}

// RunDeployment runs a program of the product as its manifests deploy it, with the local binary in place of the
// image: all objects but the Deployment are applied, and when its rights hold, the program gets the arguments of the Deployment's first
// container, the files of its ConfigMaps, and the credentials of its service account, so that it may exactly what the
// manifests' RBAC allows. args are added at the end.
func (c *Cluster) RunDeployment(
	ctx context.Context, objects []*unstructured.Unstructured, binary string, args ...string,
) (*process.Process, error) {
	program, err := c.Deploy(ctx, objects, binary, c.RESTConfig())
	if err != nil {
		return nil, err
	}
	return program.Start(args...)
}

// Program is a program of the product with all that its manifests give it.
type Program struct {
	cluster      *Cluster
	name, binary string
	args         []string
}

// Start runs the program, once more if it has ended. args are added to those of the manifests.
func (p *Program) Start(args ...string) (*process.Process, error) {
	return p.cluster.RunProcess(p.name, p.binary, slices.Concat(p.args, args)...)
}

// Deploy does for a program what RunDeployment does before it runs it. server is how the program finds the API server, its
// Host and CAData alone: RESTConfig, or a proxy.
func (c *Cluster) Deploy(ctx context.Context, objects []*unstructured.Unstructured, binary string, server *rest.Config) (*Program, error) {
	deployment, err := findDeployment(objects)
	if err != nil {
		return nil, err
	}
	applied := slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool {
		return slices.Contains(playedKinds, o.GetKind())
	})
	if err := c.Apply(ctx, applied...); err != nil {
		return nil, err
	}
	pod := deployment.Spec.Template.Spec
	if err := c.waitRights(ctx, account{deployment.Namespace, pod.ServiceAccountName}, applied); err != nil {
		return nil, err
	}
	config, err := c.ConfigFor(ctx, deployment.Namespace, pod.ServiceAccountName)
	if err != nil {
		return nil, err
	}
	config.Host, config.CAData = server.Host, server.CAData
	kubeconfig, err := c.writeKubeconfig(deployment.Namespace+"."+pod.ServiceAccountName, config)
	if err != nil {
		return nil, err
	}
	mounts, err := c.writeConfigMaps(deployment, objects, kubeconfig)
	if err != nil {
		return nil, err
	}
	all := append([]string{"--kubeconfig=" + kubeconfig}, pod.Containers[0].Args...)
	for i, arg := range all {
		all[i] = mounts.Replace(arg)
	}
	return &Program{cluster: c, name: deployment.Name, binary: binary, args: all}, nil
}

func findDeployment(objects []*unstructured.Unstructured) (*appsv1.Deployment, error) {
	for _, obj := range objects {
		if obj.GetKind() != "Deployment" {
			continue
		}
		deployment := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, deployment); err != nil {
			return nil, fmt.Errorf("reading the Deployment %s: %w", obj.GetName(), err)
		}
		if len(deployment.Spec.Template.Spec.Containers) == 0 {
			return nil, fmt.Errorf("the Deployment %s has no container", deployment.Name)
		}
		return deployment, nil
	}
	return nil, errors.New("there is no Deployment among the manifests")
}

// writeConfigMaps writes the ConfigMaps that the first container mounts into the temporary folder, and returns what
// turns paths in the container into paths on this machine.
func (c *Cluster) writeConfigMaps(
	deployment *appsv1.Deployment, objects []*unstructured.Unstructured, kubeconfig string,
) (*strings.Replacer, error) {
	volumes := map[string]string{}
	for _, volume := range deployment.Spec.Template.Spec.Volumes {
		if volume.ConfigMap != nil {
			volumes[volume.Name] = volume.ConfigMap.Name
		}
	}
	var replacements []string
	for _, mount := range deployment.Spec.Template.Spec.Containers[0].VolumeMounts {
		configMap, ok := volumes[mount.Name]
		if !ok {
			continue
		}
		dir := filepath.Join(c.Dir(), deployment.Name, mount.Name)
		if err := writeConfigMap(dir, configMap, objects, kubeconfig); err != nil {
			return nil, err
		}
		replacements = append(replacements, mount.MountPath, dir)
	}
	return strings.NewReplacer(replacements...), nil
}

func writeConfigMap(dir, name string, objects []*unstructured.Unstructured, kubeconfig string) error {
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "ConfigMap" && o.GetName() == name
	})
	if i < 0 {
		return fmt.Errorf("the ConfigMap %s is mounted but not among the manifests", name)
	}
	configMap := &corev1.ConfigMap{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, configMap); err != nil {
		return fmt.Errorf("reading the ConfigMap %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a folder for the ConfigMap %s: %w", name, err)
	}
	for key, text := range configMap.Data {
		text, err := forProcess(text, kubeconfig, configMap.Namespace)
		if err != nil {
			return fmt.Errorf("reading %s of the ConfigMap %s: %w", key, name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, key), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing the ConfigMap %s: %w", name, err)
		}
	}
	return nil
}

// forProcess changes a scheduler's configuration for a process that is in no pod: it names the kubeconfig, since with a configuration
// file a scheduler ignores the flag, and the namespace of the guards, which the plugin else takes from the files of its service account.
func forProcess(text, kubeconfig, namespace string) (string, error) {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil || config["kind"] != "KubeSchedulerConfiguration" {
		return text, nil //nolint:nilerr // Not every file of a ConfigMap is YAML.
	}
	if err := unstructured.SetNestedField(config, kubeconfig, "clientConnection", "kubeconfig"); err != nil {
		return "", err
	}
	profiles, _, err := unstructured.NestedSlice(config, "profiles")
	if err != nil {
		return "", err
	}
	for _, profile := range profiles {
		if profile, ok := profile.(map[string]any); ok && profile["schedulerName"] == "headroom-scheduler" {
			setGuardNamespace(profile, namespace)
		}
	}
	if len(profiles) > 0 {
		config["profiles"] = profiles
	}
	data, err := yaml.Marshal(config)
	return string(data), err
}

// setGuardNamespace adds an argument of the plugin to a profile, beside those that it has.
func setGuardNamespace(profile map[string]any, namespace string) {
	all, _ := profile["pluginConfig"].([]any)
	for _, plugin := range all {
		if plugin, ok := plugin.(map[string]any); ok && plugin["name"] == "Headroom" {
			if args, ok := plugin["args"].(map[string]any); ok && args["guardNamespace"] == nil {
				args["guardNamespace"] = namespace
			}
			return
		}
	}
	profile["pluginConfig"] = append(all, map[string]any{"name": "Headroom", "args": map[string]any{"guardNamespace": namespace}})
}
