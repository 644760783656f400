package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	jsonType     = "application/json"
	protobufType = "application/vnd.kubernetes.protobuf"
)

// timestamp is a JSON string that is nothing but a time, as Kubernetes writes metav1.Time and metav1.MicroTime.
var timestamp = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"`)

// shift adds whole seconds to every time in a JSON text. The length stays.
func shift(text []byte, by time.Duration) []byte {
	if by == 0 {
		return text
	}
	return timestamp.ReplaceAllFunc(text, func(quoted []byte) []byte {
		const whole = len("2006-01-02T15:04:05")
		at, err := time.Parse("2006-01-02T15:04:05", string(quoted[1:1+whole]))
		if err != nil {
			return quoted // Digits that are no time.
		}
		return append(append([]byte{'"'}, at.Add(by).Format("2006-01-02T15:04:05")...), quoted[1+whole:]...)
	})
}

// readBody looks at what the component sends, and has others see it by their clocks.
func (p *Proxy) readBody(r *http.Request, request *Request) error {
	ahead := p.clockAhead()
	if ahead != 0 {
		// What the API server answers has to be read here.
		r.Header.Set("Accept", strings.ReplaceAll(r.Header.Get("Accept"), protobufType, jsonType))
	}
	if r.Method == http.MethodGet || r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("reading a request: %w", err)
	}
	if ahead != 0 || r.Method == http.MethodDelete {
		if body, err = toJSON(r.Header, body); err != nil {
			return err
		}
	}
	if r.Method == http.MethodDelete {
		request.UID = preconditionOf(body)
	}
	if ahead != 0 {
		body = shift(body, ahead)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// decoder reads Kubernetes' Protocol Buffers.
var decoder = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)

// toJSON translates a request of Protocol Buffers, and returns any other as it is.
func toJSON(header http.Header, body []byte) ([]byte, error) {
	if !strings.HasPrefix(header.Get("Content-Type"), protobufType) || len(body) == 0 {
		return body, nil
	}
	object, kind, err := decoder.Decode(body, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("decoding a request: %w", err)
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	header.Set("Content-Type", jsonType)
	return json.Marshal(object)
}

// preconditionOf returns the UID that a deletion insists on, empty for none.
func preconditionOf(body []byte) types.UID {
	var options metav1.DeleteOptions
	if json.Unmarshal(body, &options) != nil || options.Preconditions == nil || options.Preconditions.UID == nil {
		return ""
	}
	return *options.Preconditions.UID
}
