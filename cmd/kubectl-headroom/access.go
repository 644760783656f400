package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The pace of requests is that of kubectl. Lists of large clusters come in pages.
const (
	requestsPerSecond = 50
	requestBurst      = 300
	pageSize          = 500
)

// access is the cluster that the flags name, and the part of it that is looked at.
type access struct {
	flags *genericclioptions.ConfigFlags
	// allNamespaces is the flag -A.
	allNamespaces bool
}

func newAccess() *access {
	a := &access{flags: genericclioptions.NewConfigFlags(true)}
	a.flags.CacheDir = nil // Nothing is cached.
	return a
}

// addFlags adds kubectl's flags, and -A where a command is about objects of namespaces.
func (a *access) addFlags(flags *pflag.FlagSet, namespaced bool) {
	a.flags.AddFlags(flags)
	if namespaced {
		flags.BoolVarP(&a.allNamespaces, "all-namespaces", "A", false, "look at all namespaces, whatever --namespace says")
	}
}

// namespace is where to look: that of the flag or of the context, or "" for all.
func (a *access) namespace() (string, error) {
	if a.allNamespaces {
		return "", nil
	}
	return a.ownNamespace()
}

// ownNamespace is the namespace of the flag or of the context.
func (a *access) ownNamespace() (string, error) {
	namespace, _, err := a.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("finding the namespace of the context: %w", err)
	}
	return namespace, nil
}

func (a *access) config() (*rest.Config, error) {
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// reader reads objects of the project.
func (a *access) reader() (*reader, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	objects, err := client.New(config, client.Options{Scheme: newScheme()})
	if err != nil {
		return nil, problemOf(err, "connecting to the cluster")
	}
	return &reader{objects: objects}, nil
}

// clientset reads objects of Kubernetes.
func (a *access) clientset() (kubernetes.Interface, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return clientset, nil
}

// reader lists objects, and says in a sentence what is the matter if it cannot.
type reader struct {
	objects client.Reader
}

// list lists objects of a namespace, or of all for "".
func (r *reader) list(ctx context.Context, into client.ObjectList, resource, namespace string, options ...client.ListOption) error {
	if namespace != "" {
		options = append(options, client.InNamespace(namespace))
	}
	if err := r.objects.List(ctx, into, options...); err != nil {
		return listProblem(err, resource, namespace)
	}
	return nil
}
