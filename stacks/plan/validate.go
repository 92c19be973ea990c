package plan

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Reason is the kind of a Problem.
type Reason string

// The reasons.
const (
	Missing     Reason = "missing"
	Malformed   Reason = "malformed"
	TooLong     Reason = "too long"
	TooMany     Reason = "too many"
	TooSmall    Reason = "too small"
	Duplicate   Reason = "duplicate"
	Unknown     Reason = "unknown"
	NotPrimary  Reason = "not a primary"
	Overlap     Reason = "overlap"
	Reserved    Reason = "reserved"
	Taken       Reason = "taken" // by something else on this machine
	OutOfBounds Reason = "out of bounds"
	NoEffect    Reason = "no effect"
	ToItself    Reason = "to itself"
)

// Problem is one error in a configuration.
type Problem struct {
	// Key is the configuration key, such as "meshwright:clusters[1].network".
	Key    string
	Reason Reason
	// Detail says what is wrong, Remedy what to write instead.
	Detail, Remedy string
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s; %s", p.Key, p.Detail, p.Remedy) }

// InvalidError lists everything wrong with a configuration.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "the stack's configuration cannot be deployed:\n  " + strings.Join(lines, "\n  ")
}

const (
	labelMax   = 63 // characters of a DNS label, which Docker accepts as a host name
	workersMax = 16
)

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// versions of the sample that every set of artifacts has an image for.
var versions = []string{"v1", "v2"}

// reserved namespaces belong to the lab's own components.
var reserved = []string{"default", "istio-system", "kube-node-lease", "kube-public", "kube-system", "local-path-storage", "metallb-system"}

// special ranges are not for nodes, pods or services (RFC 6890, RFC 5771).
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
}

// Validate returns an *InvalidError with every problem, or nil. It reads the
// configuration only: NewPlan also compares the ranges that the plan chooses, and the
// driver checks the addresses that this machine uses.
func (c *Config) Validate(lab string) error {
	v := &validator{lab: lab, config: c.withDefaults()}
	v.top()
	for i := range v.config.Clusters {
		v.cluster(i)
	}
	v.traffic()
	// Ranges are compared as the plan has them, so every part must parse first.
	if len(v.problems) == 0 {
		v.problems = overlaps(plan(lab, v.config, nil))
	}
	if len(v.problems) > 0 {
		return &InvalidError{Problems: v.problems}
	}
	return nil
}

type validator struct {
	lab      string
	config   *Config
	problems []Problem
}

func (v *validator) add(key string, reason Reason, remedy, detail string, args ...any) {
	v.problems = append(v.problems, Problem{
		Key: Namespace + ":" + key, Reason: reason, Detail: fmt.Sprintf(detail, args...), Remedy: remedy,
	})
}

func (v *validator) label(key, value, what string) bool {
	switch {
	case value == "":
		v.add(key, Missing, "set "+what, "%s is missing", what)
	case !label.MatchString(value):
		v.add(key, Malformed, "use lower-case letters, digits and inner hyphens", "%q is not a valid name", value)
	case len(value) > labelMax:
		v.add(key, TooLong, "use 63 characters or fewer", "%q has %d characters", value, len(value))
	default:
		return true
	}
	return false
}

// top checks the keys other than clusters and traffic.
func (v *validator) top() {
	c := v.config
	if !label.MatchString(v.lab) {
		v.problems = append(v.problems, Problem{
			Key: "stack name", Reason: Malformed, Detail: fmt.Sprintf("%q is not a valid name for a lab", v.lab),
			Remedy: "use lower-case letters, digits and inner hyphens: it becomes part of host names",
		})
	}
	switch n := len(c.Clusters); {
	case n == 0:
		v.add("clusters", Missing, "list at least one, with name and network", "a mesh needs clusters")
	case n > MaxClusters:
		v.add("clusters", TooMany, fmt.Sprintf("list %d or fewer", MaxClusters), "%d clusters", n)
	}
	v.label("meshID", c.MeshID, "a mesh ID")
	if c.Subnet != "" {
		if p, ok := v.prefix("subnet", c.Subnet, 16, 24); ok && len(c.Clusters) > pools(p) {
			v.add("subnet", TooSmall, "use a shorter prefix", "%s has load-balancer addresses for %d clusters of %d", p, pools(p), len(c.Clusters))
		}
	}
	if c.Artifacts != "airgap" && c.Artifacts != "registry" {
		v.add("artifacts", Unknown, "use airgap or registry", "%q is not a source of artifacts", c.Artifacts)
	}
	if v.label("sample.namespace", c.Sample.Namespace, "a namespace") && slices.Contains(reserved, c.Sample.Namespace) {
		v.add("sample.namespace", Reserved, "use another, such as sample", "%q belongs to the cluster", c.Sample.Namespace)
	}
}

// cluster checks one cluster and its references to others.
func (v *validator) cluster(i int) {
	c := v.config.Clusters[i]
	key := func(field string) string { return fmt.Sprintf("clusters[%d].%s", i, field) }

	if v.label(key("name"), c.Name, "a cluster name") {
		v.clusterName(i, key("name"))
	}
	v.label(key("network"), c.Network, "a network name")
	v.controlPlane(key("controlPlane"), c)
	v.locality(key("locality"), c.Locality)
	if c.Workers < 0 || c.Workers > workersMax {
		v.add(key("workers"), OutOfBounds, fmt.Sprintf("use 0 to %d", workersMax), "%d workers", c.Workers)
	}
	if c.PodSubnet != "" {
		if p, ok := v.prefix(key("podSubnet"), c.PodSubnet, 8, 24); ok && 1<<(24-p.Bits()) < 1+c.Workers {
			v.add(key("podSubnet"), TooSmall, "use a shorter prefix: each node takes a /24", "%s is too small for %d nodes", p, 1+c.Workers)
		}
	}
	if c.ServiceSubnet != "" {
		v.prefix(key("serviceSubnet"), c.ServiceSubnet, 12, 24)
	}
	for n, version := range c.HelloWorld {
		at := key(fmt.Sprintf("helloworld[%d]", n))
		if !slices.Contains(versions, version) {
			v.add(at, Unknown, "use "+strings.Join(versions, " or "), "there is no helloworld %q", version)
		}
		if slices.Contains(c.HelloWorld[:n], version) {
			v.add(at, Duplicate, "list each version once", "%q is listed twice", version)
		}
	}
}

func (v *validator) clusterName(i int, key string) {
	name := v.config.Clusters[i].Name
	if node := controlPlaneNode(v.lab, name); len(node) > labelMax {
		v.add(key, TooLong, fmt.Sprintf("shorten the cluster's or the lab's name by %d", len(node)-labelMax),
			"its node %q has %d characters, a host name has at most %d", node, len(node), labelMax)
	}
	first := slices.IndexFunc(v.config.Clusters, func(c ClusterConfig) bool { return c.Name == name })
	if first < i {
		v.add(key, Duplicate, "use a unique name for each cluster", "%q is also clusters[%d]", name, first)
	}
}

func (v *validator) controlPlane(key string, c ClusterConfig) {
	if c.Primary() {
		return
	}
	i := slices.IndexFunc(v.config.Clusters, func(o ClusterConfig) bool { return o.Name == c.ControlPlane })
	if i < 0 {
		v.add(key, Unknown, "use the name of a cluster of this stack, or leave it out", "there is no cluster %q", c.ControlPlane)
		return
	}
	if p := v.config.Clusters[i]; !p.Primary() {
		v.add(key, NotPrimary, fmt.Sprintf("use %q, or make %q its own control plane", p.ControlPlane, p.Name),
			"%q is itself a remote of %q", p.Name, p.ControlPlane)
	}
}

func (v *validator) locality(key string, l topology.Locality) {
	if l.Zone != "" && l.Region == "" {
		v.add(key+".region", Missing, "set the region", "zone %q is in no region", l.Zone)
	}
	if l.Subzone != "" && l.Zone == "" {
		v.add(key+".zone", Missing, "set the zone", "subzone %q is in no zone", l.Subzone)
	}
	for _, part := range []struct{ field, value string }{{".region", l.Region}, {".zone", l.Zone}, {".subzone", l.Subzone}} {
		if part.value != "" {
			v.label(key+part.field, part.value, "a name")
		}
	}
}

// prefix checks a CIDR whose length is from min to max bits.
func (v *validator) prefix(key, text string, min, max int) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		v.add(key, Malformed, "use an IPv4 CIDR such as 10.20.0.0/16", "%q is not an IPv4 CIDR", text)
	case p != p.Masked():
		v.add(key, Malformed, fmt.Sprintf("use %s", p.Masked()), "%s has bits beyond its prefix", p)
	case p.Bits() > max:
		v.add(key, TooSmall, fmt.Sprintf("use a prefix of /%d to /%d", min, max), "%s is too small", p)
	case p.Bits() < min:
		v.add(key, OutOfBounds, fmt.Sprintf("use a prefix of /%d to /%d", min, max), "%s is too large", p)
	default:
		for _, s := range special {
			if p.Overlaps(s.prefix) {
				v.add(key, Reserved, "choose a private range, inside 10.0.0.0/8 for example", "%s holds %s addresses, %s", p, s.what, s.prefix)
				return netip.Prefix{}, false
			}
		}
		return p, true
	}
	return netip.Prefix{}, false
}

// overlaps are the ranges that overlap within one cluster, among clusters on one network,
// whose pods connect directly, and with the Docker network of the nodes.
func overlaps(p *Plan) []Problem {
	type taken struct {
		key     string
		cluster int
		network string
		prefix  netip.Prefix
	}
	var problems []Problem
	add := func(key, remedy, detail string, args ...any) {
		problems = append(problems, Problem{Key: Namespace + ":" + key, Reason: Overlap, Detail: fmt.Sprintf(detail, args...), Remedy: remedy})
	}
	var seen []taken
	for i, m := range p.Clusters {
		for _, s := range []struct {
			field  string
			prefix netip.Prefix
		}{{"podSubnet", m.PodSubnet}, {"serviceSubnet", m.ServiceSubnet}} {
			now := taken{fmt.Sprintf("clusters[%d].%s", i, s.field), i, m.Network, s.prefix}
			if s.prefix.Overlaps(p.Subnet) {
				add(now.key, "choose another, or set meshwright:subnet", "%s overlaps the lab's Docker network %s", s.prefix, p.Subnet)
			}
			for _, other := range seen {
				if (other.cluster == i || other.network == m.Network) && other.prefix.Overlaps(s.prefix) {
					add(now.key, "choose disjoint ranges", "%s overlaps %s of %s", s.prefix, other.key, other.prefix)
				}
			}
			seen = append(seen, now)
		}
	}
	return problems
}
