// Package config is the configuration of headroom-controller: a versioned file, flags that win over it, and their
// validation.
package config

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/price"
)

const (
	// APIVersion is the apiVersion of the configuration file.
	APIVersion = "controller.config.headroom.dev/v1alpha1"
	// Kind is the kind of the configuration file.
	Kind = "HeadroomControllerConfiguration"
)

// maxIdentity is how long an identity may be: as long as that of a Lease.
const maxIdentity = 320

// Config is the configuration of headroom-controller. It is also the file that --config names; a field that the file does
// not have keeps its default, and a field that does not exist is an error.
type Config struct {
	metav1.TypeMeta `json:",inline"`
	// Namespaces are the namespaces to work in. Default: all.
	Namespaces []string `json:"namespaces,omitempty"`
	// Placeholders is what placeholders are made from and may be.
	Placeholders Placeholders `json:"placeholders"`
	// Units bounds how many placeholders there are.
	Units Units `json:"units"`
	// Prices are what nodes cost.
	Prices Prices `json:"prices"`
	// HideNamesOfOtherNamespaces leaves the names of pods of other namespaces than a Headroom's, and of their owners, out of the Headroom's
	// events and its account. Default: false.
	HideNamesOfOtherNamespaces bool `json:"hideNamesOfOtherNamespaces"`
	// LeaderElection decides which of several controllers works.
	LeaderElection LeaderElection `json:"leaderElection"`
	// Identity names the installation to others that might act on the same Headrooms; its replicas share it. At most 320 characters.
	// Default: the namespace and the name of its Lease, or outside of a cluster the host's name and that of the Lease.
	Identity string `json:"identity,omitempty"`
	// Client limits the requests to the API server.
	Client Client `json:"client"`
	// MetricsBindAddress is host:port on which metrics are served, over HTTPS and only to who may get /metrics. "0" switches
	// them off. Default: ":8443".
	MetricsBindAddress string `json:"metricsBindAddress"`
	// MetricsCertDir is a folder with tls.crt and tls.key. Default: a self-signed certificate made at start.
	MetricsCertDir string `json:"metricsCertDir,omitempty"`
	// HealthProbeBindAddress is host:port on which /healthz and /readyz are served. "0" switches them off. Default: ":8081".
	HealthProbeBindAddress string `json:"healthProbeBindAddress"`
	// ConcurrentReconciles is how many Headrooms are worked on at once, at least 1. Default: 4.
	ConcurrentReconciles int `json:"concurrentReconciles"`
}

// Placeholders is what placeholders are made from and may be.
type Placeholders struct {
	// MaxPriority is the highest priority a placeholder may have. Default: -1, below every pod that has no PriorityClass.
	MaxPriority int32 `json:"maxPriority"`
	// MinPriority is the lowest priority a placeholder may have. Default: -10, the lowest that Cluster Autoscaler still
	// adds nodes for.
	MinPriority int32 `json:"minPriority"`
	// AllowPreemptingPriorityClass allows PriorityClasses whose preemptionPolicy is not Never. Default: false.
	AllowPreemptingPriorityClass bool `json:"allowPreemptingPriorityClass"`
	// AllowReserved allows Headrooms with spec.reserved, whose units are of the PriorityClass headroom-reserved, above ordinary pods.
	// Default: false.
	AllowReserved bool `json:"allowReserved"`
	// DefaultImage is the image of placeholders whose Headroom names none. It is always allowed.
	DefaultImage string `json:"defaultImage"`
	// AllowedImages are the images that Headrooms may name beside DefaultImage, as Headrooms write them. An entry that ends in "/*", ":*"
	// or "@*" stands for all that begin so, and "*" for every image. Default: none.
	AllowedImages []string `json:"allowedImages,omitempty"`
	// PodSecurityLevel is the Pod Security level that all placeholders have to meet, whatever their namespace enforces: baseline or
	// restricted. Default: baseline.
	PodSecurityLevel string `json:"podSecurityLevel"`
	// Ladder gives the units of Headrooms the PriorityClasses headroom-ladder-1 to headroom-ladder-10, where these name neither spec.ladder
	// nor a PriorityClass of their own: where kube-scheduler alone takes units, it then spends them evenly over the zones. Default: false.
	Ladder bool `json:"ladder"`
	// SchedulerName is the scheduler of placeholders whose Headroom names none. Default: empty, the cluster's.
	SchedulerName string `json:"schedulerName,omitempty"`
}

// Units bounds how many placeholders there are. Zero is no bound.
type Units struct {
	// MaxPerHeadroom is how many one Headroom may have. Default: 10000, as many as a spec can ask for.
	MaxPerHeadroom int `json:"maxPerHeadroom"`
	// MaxPerNamespace is how many those of a namespace may have together. Default: 0.
	MaxPerNamespace int `json:"maxPerNamespace"`
	// Max is how many all may have together. Default: 0.
	Max int `json:"max"`
	// MaxPending is how many units of all Headrooms may wait for a node at a time. Default: 500.
	MaxPending int `json:"maxPending"`
}

// Prices are what nodes cost, for status.usage and the metrics. Nothing is asked of any cloud.
type Prices struct {
	// Node is what every node costs an hour, in whatever currency, from 0 to 1,000,000,000. Default: 0, not known.
	Node float64 `json:"node"`
	// Label is the label or annotation of nodes whose value is what they cost an hour; it wins over Node. Default: none.
	Label string `json:"label,omitempty"`
}

// LeaderElection decides which of several controllers works. The times are Kubernetes' own defaults: a lease lasts 15 s.
type LeaderElection struct {
	// Enabled switches it on. Default: true. Without it, see to it that there is one controller.
	Enabled bool `json:"enabled"`
	// LeaseName is the name of the Lease. Default: "headroom-controller".
	LeaseName string `json:"leaseName"`
	// LeaseNamespace is its namespace. Default: the one the controller runs in; needed if it runs outside of a cluster.
	LeaseNamespace string `json:"leaseNamespace,omitempty"`
}

// Client limits the requests to the API server.
type Client struct {
	// QPS is the sustained number of requests a second. Default: 200.
	QPS float32 `json:"qps"`
	// Burst is the number of requests that may exceed QPS for a moment. Default: 400.
	Burst int `json:"burst"`
}

// Default returns the configuration of a controller that was told nothing.
func Default() *Config {
	return &Config{
		TypeMeta: metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind},
		Placeholders: Placeholders{
			MaxPriority: -1, MinPriority: -10, DefaultImage: placeholder.DefaultImage, PodSecurityLevel: podpolicy.Levels[0],
		},
		Units:                  Units{MaxPerHeadroom: 10_000, MaxPending: 500},
		LeaderElection:         LeaderElection{Enabled: true, LeaseName: "headroom-controller"},
		Client:                 Client{QPS: 200, Burst: 400},
		MetricsBindAddress:     ":8443",
		HealthProbeBindAddress: ":8081",
		ConcurrentReconciles:   4,
	}
}

// Validate returns what is wrong with the configuration, with the path of each field.
func (c *Config) Validate() field.ErrorList {
	var errs field.ErrorList
	if c.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), c.APIVersion, []string{APIVersion}))
	}
	if c.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), c.Kind, []string{Kind}))
	}
	for i, namespace := range c.Namespaces {
		path := field.NewPath("namespaces").Index(i)
		for _, problem := range validation.IsDNS1123Label(namespace) {
			errs = append(errs, field.Invalid(path, namespace, problem))
		}
		if slices.Contains(c.Namespaces[:i], namespace) {
			errs = append(errs, field.Duplicate(path, namespace))
		}
	}
	errs = append(errs, c.Placeholders.validate(field.NewPath("placeholders"))...)
	errs = append(errs, c.Units.validate(field.NewPath("units"))...)
	errs = append(errs, c.Prices.validate(field.NewPath("prices"))...)
	if c.LeaderElection.Enabled {
		path := field.NewPath("leaderElection", "leaseName")
		for _, problem := range validation.IsDNS1123Subdomain(c.LeaderElection.LeaseName) {
			errs = append(errs, field.Invalid(path, c.LeaderElection.LeaseName, problem))
		}
	}
	if len(c.Identity) > maxIdentity {
		errs = append(errs, field.TooLong(field.NewPath("identity"), "", maxIdentity))
	}
	if c.Client.QPS <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("client", "qps"), c.Client.QPS, "must be above zero"))
	}
	if float32(c.Client.Burst) < c.Client.QPS {
		errs = append(errs, field.Invalid(field.NewPath("client", "burst"), c.Client.Burst, "must not be below qps"))
	}
	if c.ConcurrentReconciles < 1 {
		errs = append(errs, field.Invalid(field.NewPath("concurrentReconciles"), c.ConcurrentReconciles, "must be at least 1"))
	}
	return errs
}

func (p *Placeholders) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.MinPriority > p.MaxPriority {
		errs = append(errs, field.Invalid(path.Child("minPriority"), p.MinPriority, "must not be above maxPriority"))
	}
	if p.DefaultImage == "" || strings.TrimSpace(p.DefaultImage) != p.DefaultImage {
		errs = append(errs, field.Invalid(path.Child("defaultImage"), p.DefaultImage, "must name an image"))
	}
	for i, image := range p.AllowedImages {
		if problem := podpolicy.ValidateImage(image); problem != "" {
			errs = append(errs, field.Invalid(path.Child("allowedImages").Index(i), image, problem))
		}
	}
	if !slices.Contains(podpolicy.Levels, p.PodSecurityLevel) {
		errs = append(errs, field.NotSupported(path.Child("podSecurityLevel"), p.PodSecurityLevel, podpolicy.Levels))
	}
	if p.SchedulerName != "" {
		for _, problem := range validation.IsDNS1123Subdomain(p.SchedulerName) {
			errs = append(errs, field.Invalid(path.Child("schedulerName"), p.SchedulerName, problem))
		}
	}
	return errs
}

func (u *Units) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, bound := range []struct {
		name  string
		value int
	}{{"maxPerHeadroom", u.MaxPerHeadroom}, {"maxPerNamespace", u.MaxPerNamespace}, {"max", u.Max}, {"maxPending", u.MaxPending}} {
		if bound.value < 0 {
			errs = append(errs, field.Invalid(path.Child(bound.name), bound.value, "must not be negative; 0 is no bound"))
		}
	}
	return errs
}

func (p *Prices) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !price.IsPrice(p.Node) {
		errs = append(errs, field.Invalid(path.Child("node"), p.Node, "must be from 0 to 1000000000; 0 is not known"))
	}
	if p.Label != "" {
		for _, problem := range validation.IsQualifiedName(p.Label) {
			errs = append(errs, field.Invalid(path.Child("label"), p.Label, problem))
		}
	}
	return errs
}
