package podwire

import (
	"context"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Client lists and watches pods, as reflectors ask for them.
type Client struct{ pods rest.Interface }

// New returns a client that uses the connections of an HTTP client.
func New(access *rest.Config, connections *http.Client) (*Client, error) {
	access = rest.CopyConfig(access)
	access.APIPath, access.GroupVersion = "/api", &corev1.SchemeGroupVersion
	access.ContentType = runtime.ContentTypeProtobuf
	access.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	access.NegotiatedSerializer = scheme.Codecs.WithoutConversion() // for errors: pods are read here
	client, err := rest.RESTClientForConfigAndClient(access, connections)
	if err != nil {
		return nil, fmt.Errorf("making a client for pods: %w", err)
	}
	return &Client{client}, nil
}

// IsWatchListSemanticsUnSupported tells reflectors to list pods before they watch them, and not to have the list streamed as events: to
// read it as a list takes less than half the time, and no more memory.
func (c *Client) IsWatchListSemanticsUnSupported() bool { return true }

// List returns the pods of a namespace, all if it is empty, as Pods.
func (c *Client) List(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
	body, err := c.request(ctx, namespace, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return readList(body)
}

// Watch returns what happens to pods of a namespace, of all if it is empty. Its events are of the type Modified, with Changes as objects,
// but for errors.
func (c *Client) Watch(ctx context.Context, namespace string, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true
	body, err := c.request(ctx, namespace, options)
	if utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) {
		return watch.NewEmptyWatch(), nil // as client-go does: it can be tried again as it was
	}
	if err != nil {
		return nil, err
	}
	return follow(ctx, body), nil
}

func (c *Client) request(ctx context.Context, namespace string, options metav1.ListOptions) (io.ReadCloser, error) {
	return c.pods.Get().Namespace(namespace).Resource("pods").VersionedParams(&options, scheme.ParameterCodec).Stream(ctx)
}
