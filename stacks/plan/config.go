package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Defaults of what a configuration leaves out.
const (
	DefaultMeshID          = "mesh1"
	DefaultSampleNamespace = "sample"
	DefaultArtifacts       = "registry"
)

// Config is a stack's configuration, the keys of the namespace "meshwright".
type Config struct {
	// Clusters of the mesh, in the order in which addresses are handed out:
	// append new ones, so that those that run keep theirs.
	Clusters []Cluster `json:"clusters" jsonschema:"minItems=1,maxItems=64"`
	// MeshID names the mesh; one for all clusters. Default "mesh1".
	MeshID string `json:"meshID,omitempty"`
	// Subnet is the lab's Docker network as a CIDR of /16 to /24. By default a
	// /20 inside 10.192.0.0/11 that depends on the lab's name alone.
	Subnet string `json:"subnet,omitempty"`
	// Artifacts says where images and charts come from. Default "registry".
	Artifacts string `json:"artifacts,omitempty" jsonschema:"enum=airgap,enum=registry"`
	// Sample is the helloworld application.
	Sample Sample `json:"sample,omitempty"`
	// Traffic is how the sample's requests are spread over regions.
	Traffic Traffic `json:"traffic,omitempty"`
}

// Cluster is one member of the mesh.
type Cluster struct {
	// Name is Istio's name for the cluster and its kubeconfig context.
	Name string `json:"name" jsonschema:"maxLength=40"`
	// Network is the flat network that the cluster's pods are on. Clusters that
	// name the same one reach each other's pods directly.
	Network string `json:"network"`
	// ControlPlane is the cluster whose istiod serves this one: its own name,
	// the default, makes it a primary; another primary's name makes it a remote.
	ControlPlane string `json:"controlPlane,omitempty"`
	// Locality labels the cluster's nodes.
	Locality Locality `json:"locality,omitempty"`
	// Workers is the number of nodes beside the control plane. Default 0: the
	// control plane runs the workloads.
	Workers int `json:"workers,omitempty" jsonschema:"minimum=0,maximum=16"`
	// PodSubnet and ServiceSubnet are CIDRs; by default the plan picks them.
	PodSubnet     string `json:"podSubnet,omitempty"`
	ServiceSubnet string `json:"serviceSubnet,omitempty"`
	// HelloWorld lists the versions of the sample that run here; none is fine.
	HelloWorld []string `json:"helloworld,omitempty"`
}

// Locality is where a cluster stands, for regional load balancing.
type Locality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Subzone string `json:"subzone,omitempty"`
}

// Sample configures the helloworld application.
type Sample struct {
	// Enabled is true by default.
	Enabled *bool `json:"enabled,omitempty"`
	// Namespace of the sample in every cluster. Default "sample".
	Namespace string `json:"namespace,omitempty"`
}

// On says whether the sample is deployed.
func (s Sample) On() bool { return s.Enabled == nil || *s.Enabled }

// Namespace of the configuration's keys.
const Namespace = "meshwright"

// CheckKeys refuses keys of the namespace that are no settings: a misspelt one would
// be dropped without a word. Keys are NAMESPACE:KEY; those of others are ignored.
func CheckKeys(keys []string) error {
	t := reflect.TypeFor[Config]()
	var known []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known = append(known, name)
	}
	var errs []error
	for _, key := range slices.Sorted(slices.Values(keys)) {
		if name, ours := strings.CutPrefix(key, Namespace+":"); ours && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s: there is no such setting; known are %s", key, strings.Join(known, ", ")))
		}
	}
	return errors.Join(errs...)
}

// Lookup gives the raw value of a key of the namespace: JSON for structured
// values, the bare text for plain ones.
type Lookup func(key string) (value string, ok bool)

// Decode reads a configuration key by key and fills in the defaults. Misspelled
// fields inside a value are errors that name the key. The result still has to be
// validated: see Config.Validate.
func Decode(get Lookup) (*Config, error) {
	var c Config
	var errs []error
	text := func(key string, into *string) {
		if v, ok := get(key); ok {
			*into = v
		}
	}
	object := func(key string, into any) {
		v, ok := get(key)
		if !ok {
			return
		}
		if err := strict([]byte(v), into); err != nil {
			errs = append(errs, fmt.Errorf("%s:%s: %w; see Pulumi.dev.yaml for the form", Namespace, key, err))
		}
	}
	object("clusters", &c.Clusters)
	text("meshID", &c.MeshID)
	text("subnet", &c.Subnet)
	text("artifacts", &c.Artifacts)
	object("sample", &c.Sample)
	object("traffic", &c.Traffic)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c.withDefaults(), nil
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// withDefaults is a copy of c with everything filled in that has a fixed default.
// What the plan derives (subnets) stays empty.
func (c *Config) withDefaults() *Config {
	out := *c
	out.Clusters = slices.Clone(c.Clusters)
	if out.MeshID == "" {
		out.MeshID = DefaultMeshID
	}
	if out.Artifacts == "" {
		out.Artifacts = DefaultArtifacts
	}
	if out.Sample.Namespace == "" {
		out.Sample.Namespace = DefaultSampleNamespace
	}
	out.Traffic = c.Traffic.withDefaults()
	for i := range out.Clusters {
		if out.Clusters[i].ControlPlane == "" {
			out.Clusters[i].ControlPlane = out.Clusters[i].Name
		}
	}
	return &out
}
