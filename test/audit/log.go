package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/yaml"
)

// Log is the audit log of one API server.
type Log struct {
	policy, file string
}

// NewLog prepares a log, in a folder, of all requests of these users. Args makes an API server write it.
func NewLog(dir string, users ...string) (*Log, error) {
	policy := auditv1.Policy{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		Rules: []auditv1.PolicyRule{
			{Level: auditv1.LevelMetadata, Users: users, OmitStages: []auditv1.Stage{auditv1.StageRequestReceived}},
			{Level: auditv1.LevelNone},
		},
	}
	data, err := yaml.Marshal(policy)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit policy: %w", err)
	}
	log := &Log{policy: filepath.Join(dir, "audit-policy.yaml"), file: filepath.Join(dir, "audit.log")}
	if err := os.WriteFile(log.policy, data, 0o600); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	return log, nil
}

// Args are the arguments of the kube-apiserver that writes the log. It writes before it answers, so that what a client has been
// answered is in the log.
func (l *Log) Args() []string {
	return []string{"--audit-policy-file=" + l.policy, "--audit-log-path=" + l.file, "--audit-log-mode=blocking"}
}

// Request is one request that the API server has answered. Group, Resource, Subresource, Namespace and Name are those of the
// object asked for, as RBAC sees them; all are empty for a request that is not about a resource, such as one for discovery.
type Request struct {
	User, Verb, Path                              string
	Group, Resource, Subresource, Namespace, Name string
	// Code of the answer, as in HTTP.
	Code int32
	// Allowed reports whether the authorizer let it pass; Reason is what it says about that.
	Allowed bool
	Reason  string
}

// String is the request on one line.
func (r Request) String() string {
	if r.Resource == "" {
		return fmt.Sprintf("%s %s: %d %s", r.Verb, r.Path, r.Code, r.Reason)
	}
	return fmt.Sprintf("%s %s in namespace %q, name %q: %d %s", r.Verb, r.fullName(), r.Namespace, r.Name, r.Code, r.Reason)
}

// Requests reads what the API server has written so far, in its order. A watch is in it from its start.
func (l *Log) Requests() ([]Request, error) {
	data, err := os.ReadFile(l.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1] // The last line may be half written.
	decoder := json.NewDecoder(bytes.NewReader(data))
	var requests []Request
	for {
		var event auditv1.Event
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return requests, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		requests = append(requests, requestOf(&event))
	}
}

func requestOf(event *auditv1.Event) Request {
	path, _, _ := strings.Cut(event.RequestURI, "?")
	request := Request{
		User: event.User.Username, Verb: event.Verb, Path: path,
		Allowed: event.Annotations["authorization.k8s.io/decision"] == "allow",
		Reason:  event.Annotations["authorization.k8s.io/reason"],
	}
	if event.ResponseStatus != nil {
		request.Code = event.ResponseStatus.Code
	}
	if ref := event.ObjectRef; ref != nil {
		request.Group, request.Resource, request.Subresource = ref.APIGroup, ref.Resource, ref.Subresource
		request.Namespace, request.Name = ref.Namespace, ref.Name
	}
	return request
}
