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

	"github.com/meshwright/meshwright/mesh/topology"
)

// Defaults of a configuration.
const (
	DefaultMeshID          = "mesh1"
	DefaultSampleNamespace = "sample"
	DefaultArtifacts       = "registry"
)

// Config is a stack's configuration, the keys of the namespace "meshwright".
type Config struct {
	// Clusters of the mesh. A cluster keeps its addresses for as long as it is listed,
	// in any order.
	Clusters []ClusterConfig `json:"clusters" jsonschema:"minItems=1,maxItems=64"`
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

// ClusterConfig is the configuration of one cluster of the mesh.
type ClusterConfig struct {
	topology.Cluster
	// Workers is the number of nodes besides the control plane node. Default 0: the
	// control plane node runs the workloads.
	Workers int `json:"workers,omitempty" jsonschema:"minimum=0,maximum=16"`
	// PodSubnet and ServiceSubnet are CIDRs. By default the plan chooses them.
	PodSubnet     string `json:"podSubnet,omitempty"`
	ServiceSubnet string `json:"serviceSubnet,omitempty"`
	// HelloWorld lists the versions of the sample that run in the cluster, if any.
	HelloWorld []string `json:"helloworld,omitempty"`
}

// Sample configures the helloworld application.
type Sample struct {
	// Enabled is true by default.
	Enabled *bool `json:"enabled,omitempty"`
	// Namespace of the sample in every cluster. Default "sample".
	Namespace string `json:"namespace,omitempty"`
}

// On reports whether the sample is deployed.
func (s Sample) On() bool { return s.Enabled == nil || *s.Enabled }

// Namespace of the configuration's keys.
const Namespace = "meshwright"

// CheckKeys returns an error for each key of the namespace that is not a setting.
// Keys have the form NAMESPACE:KEY; those of other namespaces are ignored.
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
			errs = append(errs, fmt.Errorf("%s: unknown setting; known settings are %s", key, strings.Join(known, ", ")))
		}
	}
	return errors.Join(errs...)
}

// Lookup returns the raw value of a key of the namespace: JSON for structured
// values, the text itself for strings.
type Lookup func(key string) (value string, ok bool)

// Decode reads a configuration key by key and fills in the defaults. An unknown field
// inside a value is an error that contains the key. Decode does not validate the
// values: see Config.Validate.
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

// withDefaults returns a copy of c with the fixed defaults filled in. Subnets, which
// the plan derives, stay empty.
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

func (c *Config) topology() topology.Topology {
	var t topology.Topology
	for _, cluster := range c.Clusters {
		t = append(t, cluster.Cluster)
	}
	return t
}

// regions are the regions of the clusters and those in which the sample runs.
func (c *Config) regions() topology.Regions {
	return c.topology().Regions(func(i int) bool { return len(c.Clusters[i].HelloWorld) > 0 })
}
